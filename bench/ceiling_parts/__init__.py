"""Parts of `bench/ceiling.py`."""
