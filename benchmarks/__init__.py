"""Benchmarks that regenerate every performance claim of the project: `python -m benchmarks`."""
