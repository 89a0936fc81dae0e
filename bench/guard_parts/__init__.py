"""Parts of the benchmark of the guard."""
