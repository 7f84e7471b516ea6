"""Vector arithmetic that the emulator lets the host do: the part of the QEMU plugin with floats."""
