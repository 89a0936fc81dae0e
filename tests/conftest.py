"""What applies to every test: properties have no deadline, and a unit test opens no connection and starts no process."""

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

UNIT = Path(__file__).parent / "unit"

# No test asserts a time; a failing example is printed, so that it can be pasted into a test.
HOUSE = settings(
    deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow], max_examples=15
)
settings.register_profile("house", HOUSE)
settings.register_profile("thorough", HOUSE, max_examples=200)  # scripts/test --thorough
settings.load_profile("house")


if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # Whoever runs the tests in the background of a script has SIGINT ignored, and so would have every child.
    signal.signal(signal.SIGINT, signal.default_int_handler)
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    # So it is with SIGHUP under nohup. A handler that does nothing protects this process, and no child inherits it.
    signal.signal(signal.SIGHUP, lambda *_: None)


class Gate:
    """Closed while a unit test runs: connections, listening addresses and other processes are refused."""

    is_closed = False


def _refuse(event: str, details: tuple[Any, ...]) -> None:
    if not Gate.is_closed:
        return
    if event in {"socket.connect", "socket.bind"}:
        raise AssertionError(f"a unit test opens no socket, but this one did: {event} {details[1:]}")
    if event in {"subprocess.Popen", "os.fork", "os.posix_spawn", "os.system"} and details[:1] != ("git",):
        raise AssertionError(f"a unit test starts no process, but this one did: {event} {details[:2]}")


sys.addaudithook(_refuse)


@pytest.fixture(autouse=True)
def _unit_tests_stay_inside(request: pytest.FixtureRequest) -> Iterator[None]:
    Gate.is_closed = UNIT in request.path.parents
    yield
    Gate.is_closed = False


@pytest.fixture(scope="session", autouse=True)
def _state_of_a_user_of_its_own(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keep every test, and every process that it starts, from what the user of this machine trusts and sets."""
    os.environ["XDG_STATE_HOME"] = str(tmp_path_factory.mktemp("state"))
    os.environ["XDG_CONFIG_HOME"] = str(tmp_path_factory.mktemp("config"))


@pytest.fixture
def new_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A user who has not trusted anything yet, and whose key nobody has."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state-of-user"))
