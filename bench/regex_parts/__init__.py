"""Parts of `bench/regex_growth.py`."""
