"""The parts of `bench/harm.py`."""
