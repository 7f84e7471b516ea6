"""Finds a network's convolutions, searches their schedules on an ARM board, and reports."""
