"""The parts of bench/routing.py."""
