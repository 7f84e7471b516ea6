"""Search for the best instruction order of a micro-kernel on an in-order core."""
