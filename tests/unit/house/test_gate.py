"""A unit test that opens a socket or starts a process fails, wherever the socket leads and whatever is started."""

import os
import socket
import subprocess
import sys

import pytest


@pytest.mark.parametrize("method", ["connect", "bind"])
def test_a_unit_test_can_open_no_socket(method: str) -> None:
    with socket.socket() as wire, pytest.raises(AssertionError, match="a unit test opens no socket"):
        getattr(wire, method)(("127.0.0.1", 0))


async def test_an_event_loop_does_not_count_as_a_socket() -> None:
    left, right = socket.socketpair()
    with left, right:
        left.send(b"x")
        assert right.recv(1) == b"x"


def test_a_unit_test_can_start_no_process() -> None:
    with pytest.raises(AssertionError, match="a unit test starts no process"):
        subprocess.run([sys.executable, "-c", ""], check=False)
    with pytest.raises(AssertionError, match="a unit test starts no process"):
        os.system("true")
