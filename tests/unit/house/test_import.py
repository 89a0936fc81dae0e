"""`import nebulus` exports exactly the promised names."""

import importlib
from pathlib import Path

import pytest

SNAPSHOT = Path(__file__).with_name("public_api.txt")


def public_names(package: str) -> set[str]:
    """The names that a package promises: those in its `__all__`."""
    return {f"{package}.{name}" for name in getattr(importlib.import_module(package), "__all__", ())}


def test_the_public_names_are_those_that_were_promised() -> None:
    promised = set(SNAPSHOT.read_text("utf-8").split())
    actual = public_names("nebulus") | public_names("nebulus.testing")
    assert sorted(actual) == sorted(promised), f"a change of the public names belongs in {SNAPSHOT.name}"


@pytest.mark.parametrize("name", sorted(SNAPSHOT.read_text("utf-8").split()))
def test_every_public_name_is_there_and_documented(name: str) -> None:
    package, _, attribute = name.rpartition(".")
    value = getattr(importlib.import_module(package), attribute)
    assert value.__doc__ or not callable(value)
