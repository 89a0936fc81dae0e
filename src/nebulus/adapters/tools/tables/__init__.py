"""Tables in files: looked at, filtered, sorted, joined, grouped and aggregated."""
