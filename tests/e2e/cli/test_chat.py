"""A conversation in the terminal: turns know what was found before, are kept, and can be stopped one by one."""

import json
import signal
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest

from nebulus.core.answers import RawCall
from nebulus.core.result import WRAPPED
from nebulus.testing.server_faces import Reply
from tests.e2e.literal import serving
from tests.e2e.test_cli import COMMAND, environment, nebulus

pytestmark = pytest.mark.e2e


class Clerk:
    """Ends its work at once, answers `answer`, and remembers what it was asked."""

    def __init__(self, answer: str) -> None:
        self.answer = answer
        self.asked: list[str] = []
        self.is_asked = threading.Event()

    def __call__(self, body: dict[str, Any]) -> Reply:
        self.asked.append(json.dumps(body["messages"]))
        self.is_asked.set()
        if "Goal: Stop this one." in self.asked[-1] and "Goal: Where" not in self.asked[-1]:
            return Reply(hangs=True)
        names = [tool["function"]["name"] for tool in body.get("tools", ())]
        finish = next((name for name in names if name.startswith("finish")), "")
        if finish and "The calls are over" not in self.asked[-1]:
            return Reply(calls=(RawCall(finish, '{"summary": "looked"}', "call_1"),))
        return Reply(text=json.dumps({WRAPPED: self.answer}))


def test_a_follow_up_question_is_asked_with_what_was_found_before(tmp_path: Path) -> None:
    clerk = Clerk("It is in notes/may.md")
    with serving(clerk) as model:
        lines = "Where is it?\nAnd when?\n/new\nWhat?\n"
        ended = nebulus("chat", "-m", model, "-q", stdin=lines, cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.splitlines() == ["It is in notes/may.md"] * 3
    first, second, third = (
        [asked for asked in clerk.asked if f"Goal: {goal}" in asked]
        for goal in ("Where is it?", "And when?", "What?")
    )
    assert not any("Said before" in asked for asked in [*first, *third])
    assert all("- the user: Where is it?" in asked for asked in second)
    assert all("- what came of it: It is in notes/may.md" in asked for asked in second)


def test_every_turn_is_listed_like_any_run(tmp_path: Path) -> None:
    with serving(Clerk("Yes.")) as model:
        nebulus("chat", "-m", model, "-q", stdin="Is it there?\nSure?\n", cwd=tmp_path)
    runs = json.loads(nebulus("runs", "--json", cwd=tmp_path).stdout)
    assert [run["goal"] for run in runs] == ["Sure?", "Is it there?"]


def test_ctrl_c_stops_the_run_and_not_the_conversation(tmp_path: Path) -> None:
    clerk = Clerk("Here.")
    with serving(clerk) as model:
        process = subprocess.Popen(
            [*COMMAND, "chat", "-m", model, "-q"],
            env=environment(),
            cwd=tmp_path,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stdin is not None
        process.stdin.write("Stop this one.\n")
        process.stdin.flush()
        assert clerk.is_asked.wait(60)
        process.send_signal(signal.SIGINT)
        said, errors = process.communicate("Where?\n", timeout=60)
    assert said == "Here.\n", errors
    assert "nebulus resume" in errors
    assert process.returncode == 130
