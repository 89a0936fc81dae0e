"""Profiles of models as files that people can share."""
