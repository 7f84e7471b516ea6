"""The embedded board: the RPC server for ARM boards, and the emulator it runs on without one."""
