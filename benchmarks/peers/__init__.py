"""Other inference libraries, run on the emulated boards as they are installed on real ones."""
