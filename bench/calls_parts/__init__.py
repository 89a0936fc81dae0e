"""The parts of the benchmark of `calls`, one question each."""
