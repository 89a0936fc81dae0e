"""Fakes of every socket, public, for the tests of those who build on Nebulus."""
