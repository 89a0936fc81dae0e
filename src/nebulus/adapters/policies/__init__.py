"""Policies that are written down: rules in TOML and policies in Cedar, decided by one Cedar policy set."""
