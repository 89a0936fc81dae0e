"""Voting: a goal is tried several times in copies of its workspace, and done where most of the tries agree."""
