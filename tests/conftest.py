"""What holds for every test: properties have no deadline, and a unit test opens no connection."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

UNIT = Path(__file__).parent / "unit"

# No test asserts a time; a failing example is printed, so that it can be pasted into a test.
settings.register_profile(
    "house", deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow], max_examples=50
)
settings.load_profile("house")


class Gate:
    """Closed while a unit test runs: connections and listening addresses are refused."""

    is_closed = False


def _refuse_connections(event: str, details: tuple[Any, ...]) -> None:
    if Gate.is_closed and event in {"socket.connect", "socket.bind"}:
        raise AssertionError(f"a unit test opens no socket, but this one did: {event} {details[1:]}")


sys.addaudithook(_refuse_connections)


@pytest.fixture(autouse=True)
def _no_sockets_in_unit_tests(request: pytest.FixtureRequest) -> Iterator[None]:
    Gate.is_closed = UNIT in request.path.parents
    yield
    Gate.is_closed = False


@pytest.fixture(autouse=True)
def _state_of_a_user_of_its_own(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keep every test from what the user of this machine trusts."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
