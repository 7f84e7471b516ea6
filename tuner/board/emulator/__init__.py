"""The emulated board's timing model: a QEMU plugin in C, and the parameter file it reads."""
