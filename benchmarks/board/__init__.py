"""What the benchmarks load onto the emulated boards."""
