"""A runbook copies a long file by reference, byte by byte, with the smallest model and with a scripted one."""

from pathlib import Path

import pytest

from nebulus import Agent, Done
from nebulus.core.answers import ModelAnswer, ModelRequest
from nebulus.testing.backends import ScriptedBackend, calls

RUNBOOK = """Copy the notes.

1. Use read_file with path = notes.txt
2. Use write_file with path = copy.txt, content = the result of step 1
   - check: exists copy.txt
"""
NOTES = (
    "".join(
        f'{number}. "Königsberg" {{braces}}, back\\slashes, a tab\tand the result of step {number}\r\n\n'
        for number in range(1, 301)
    )
    + "the last line has no end"
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "notes.txt").write_bytes(NOTES.encode())
    assert len(NOTES.encode()) > 20_000
    return tmp_path


def test_the_demo_model_copies_twenty_kilobytes(folder: Path) -> None:
    pytest.importorskip("xllamacpp", reason="the extra `local` is not installed")
    outcome = Agent(model="nano", workspace=folder).run(RUNBOOK)
    assert isinstance(outcome, Done), outcome
    assert (folder / "copy.txt").read_bytes() == NOTES.encode()


def test_a_goal_in_prose_is_reached_by_reference(folder: Path) -> None:
    def writing(request: ModelRequest) -> ModelAnswer:
        made = [call.name for message in request.messages for call in message.calls]
        match made:
            case []:
                return calls("read_file", path="notes.txt")
            case ["read_file"]:
                return calls("write_file", path="copy.txt", content={"from": "last"})
            case ["read_file", "write_file"]:
                return calls("append_file", path="copies/second.txt", text={"from": "call 1"})
            case _:
                return calls("finish", summary="Both are written.")

    backend = ScriptedBackend(writing)
    outcome = Agent(model=backend, workspace=folder).run(
        "Copy notes.txt to copy.txt and to copies/second.txt."
    )
    assert isinstance(outcome, Done), outcome
    assert (folder / "copy.txt").read_bytes() == NOTES.encode()
    assert (folder / "copies/second.txt").read_bytes().startswith(NOTES.encode())
    assert all(len(request.messages) < 12 for request in backend.requests)
