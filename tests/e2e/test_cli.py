"""The command line as a person or a script meets it: real processes, real servers, a real death."""

import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from nebulus.app.bootstrap import nano_path
from nebulus.testing.server_faces import Reply
from tests.e2e.literal import literal, mute, serving

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-c", "from nebulus.cli.main import run; run()"]
PATIENCE_S = 120
RUN_ID = re.compile(r"demo-[0-9a-f-]+")

needs_nano = pytest.mark.skipif(
    not nano_path().exists() or importlib.util.find_spec("xllamacpp") is None,
    reason="the nano model or xllamacpp is not here: make nano, pip install 'nebulus[local]'",
)


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT / "src"), "COLUMNS": "200", "TERM": "dumb"}


def nebulus(*arguments: str, stdin: str = "", cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments],
        input=stdin,
        cwd=cwd,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


def started(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*COMMAND, *arguments],
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for(line: str, process: subprocess.Popen[str]) -> None:
    """Read the progress of a process up to a line that holds `line`."""
    assert process.stderr is not None
    for said in process.stderr:
        if line in said:
            return
    raise AssertionError(f"the process ended before it said {line!r}")


def only_run(folder: Path) -> str:
    (row,) = json.loads(nebulus("runs", "-C", str(folder), "--json").stdout)
    return str(row["run_id"])


class Stuck:
    """Does what a step says, but never answers for one step, until it is let go."""

    def __init__(self, step: int) -> None:
        self._now, self.is_stuck, self.reached = f"Now: step {step}.", True, threading.Event()

    def __call__(self, body: dict[str, Any]) -> Reply:
        if self.is_stuck and self._now in body["messages"][-1]["content"]:
            self.reached.set()
            return Reply(hangs=True)
        return literal(body)


@pytest.fixture
def model() -> Iterator[str]:
    with serving() as spelling:
        yield spelling


def test_the_demo_ends_proven_and_says_what_is_staged(model: str, tmp_path: Path) -> None:
    run = nebulus("demo", "-C", str(tmp_path / "demo"), "-m", model)
    assert run.returncode == 0, run.stderr
    assert run.stdout.startswith("Done, and proven")
    assert "code says yes in place of a person" in " ".join(run.stderr.split())
    assert "demo says yes: delete_file" in run.stderr
    assert str(tmp_path / "demo" / "runbook.md") in run.stderr
    assert (tmp_path / "demo" / "outbox" / "news.md").read_text() == "Release plan"


def test_the_demo_does_not_touch_a_folder_in_use(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    run = nebulus("demo", "-C", str(tmp_path))
    assert run.returncode == 2
    assert "is not empty" in run.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


@pytest.mark.crash
def test_a_demo_that_was_killed_is_resumed_and_ends_proven(tmp_path: Path) -> None:
    folder, stuck = tmp_path / "demo", Stuck(step=9)
    with serving(stuck) as model:
        process = started("demo", "-C", str(folder), "-m", model)
        assert stuck.reached.wait(PATIENCE_S)
        process.kill()
        process.communicate()
        stuck.is_stuck = False
        run_id = only_run(folder)
        resumed = nebulus("resume", run_id, "-C", str(folder), "--yes")
    assert resumed.returncode == 0, resumed.stderr
    assert "resumed: 8 of 16 steps done already" in resumed.stderr
    assert "[8/16]" not in resumed.stderr
    assert resumed.stdout.startswith("Done, and proven")


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_a_run_that_a_signal_ends_says_how_to_resume_it_and_can_be_resumed(
    tmp_path: Path, number: signal.Signals, code: int
) -> None:
    folder, stuck = tmp_path / "demo", Stuck(step=2)
    with serving(stuck) as model:
        process = started("demo", "-C", str(folder), "-m", model)
        assert stuck.reached.wait(PATIENCE_S)
        process.send_signal(number)
        _, said = process.communicate(timeout=PATIENCE_S)
        run_id = only_run(folder)
        stuck.is_stuck = False
        resumed = nebulus("resume", run_id, "-C", str(folder), "--yes")
    assert process.returncode == code
    assert "Traceback" not in said
    assert f"nebulus resume {run_id} --workspace {folder}" in said
    assert resumed.returncode == 0, resumed.stderr


def test_a_run_that_another_process_holds_is_left_alone(tmp_path: Path) -> None:
    folder, stuck = tmp_path / "demo", Stuck(step=2)
    with serving(stuck) as model:
        process = started("demo", "-C", str(folder), "-m", model)
        try:
            assert stuck.reached.wait(PATIENCE_S)
            run_id = only_run(folder)
            busy = nebulus("resume", run_id, "-C", str(folder), "--json")
            assert (busy.returncode, json.loads(busy.stdout)["error"]) == (7, "RunBusyError")
        finally:
            process.kill()
            process.communicate()


def test_a_run_that_is_cancelled_stops_and_can_be_resumed(tmp_path: Path) -> None:
    goal = "Look.\n\n" + "".join(f"{number}. Use list_files\n" for number in range(1, 13))
    asked: list[int] = []

    def cancelling(body: dict[str, Any]) -> Reply:
        if "Now: step 3." in body["messages"][-1]["content"] and not asked:
            asked.append(nebulus("cancel", "one", "-C", str(tmp_path)).returncode)
        elif asked:
            time.sleep(0.1)  # The engine looks for a wish to stop four times a second.
        return literal(body)

    with serving(cancelling) as model:
        run = nebulus("run", "-", "-C", str(tmp_path), "-m", model, "--run-id", "one", "--json", stdin=goal)
        assert asked == [0]
        assert (run.returncode, json.loads(run.stdout)["error"]) == (130, "RunCancelledError")
        assert "nebulus resume one" in json.loads(run.stdout)["failure"]["fix"]
        assert nebulus("resume", "one", "-C", str(tmp_path)).returncode == 0


def test_what_was_asked_of_a_run_is_remembered_with_it(model: str, tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("hello")
    goal = "Tidy.\n\n1. Use delete_file with path = a.md\n"
    blocked = nebulus("run", "-", "-C", str(tmp_path), "-m", model, "--json", "--run-id", "one", stdin=goal)
    assert blocked.returncode == 3
    assert json.loads(blocked.stdout)["outcome"]["question"]["tool"] == "delete_file"
    assert (tmp_path / "a.md").exists()
    done = nebulus("resume", "one", "--yes", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout)["steps"][0]["status"] == "called"
    assert not (tmp_path / "a.md").exists()
    assert "--yes says yes: delete_file" in done.stderr


@pytest.mark.parametrize(
    ("goal", "answer", "code", "kind"),
    [
        ("Look.\n\n1. Use read_file with path = ../x\n", literal, 4, "Refused"),
        ("Look.\n\n1. Use read_file with path = gone\n", literal, 6, "Failed"),
        ("Look.\n\n1. Use list_files\n   - check: exists gone\n", literal, 6, "Failed"),
        ("Look.\n\n1. Use list_files\n", mute, 6, "Failed"),
    ],
)
def test_each_way_to_fail_has_its_code_and_one_json_document(
    tmp_path: Path, goal: str, answer: Callable[[dict[str, Any]], Reply], code: int, kind: str
) -> None:
    with serving(answer) as model:
        run = nebulus("run", "-", "-C", str(tmp_path), "-m", model, "--json", stdin=goal)
    document = json.loads(run.stdout)
    assert (run.returncode, document["exit_code"], document["outcome"]["type"]) == (code, code, kind)
    assert "Traceback" not in run.stderr


def telling(body: dict[str, Any]) -> Reply:
    """Do what a step says; then answer, in JSON where that is asked for."""
    if "Now: step" in body["messages"][-1]["content"]:
        return literal(body)
    return Reply(text='{"word": "hello", "mood": "glad"}' if "response_format" in body else "It says hello.")


def schema_file(folder: Path) -> str:
    properties = {"word": {"type": "string"}, "mood": {"type": "string"}}
    schema = {"type": "object", "properties": properties, "required": ["word", "mood"]}
    (folder / "schema.json").write_text(json.dumps(schema))
    return str(folder / "schema.json")


def test_the_answer_of_a_run_is_alone_on_stdout_and_its_sources_are_told(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("hello")
    goal, schema = "What does it say?\n\n1. Use read_file with path = a.md\n", schema_file(tmp_path)
    with serving(telling) as model:
        run = nebulus("run", "-", "-C", str(tmp_path), "-m", model, "--result", schema, stdin=goal)
        text = nebulus("run", "-", "-C", str(tmp_path), "-m", model, "--result", "text", "-q", stdin=goal)
        strict = nebulus(
            "run",
            "-",
            "-C",
            str(tmp_path),
            "-m",
            model,
            "--result",
            schema,
            "--require-proof",
            "--json",
            stdin=goal,
        )
    assert (run.returncode, json.loads(run.stdout)) == (0, {"word": "hello", "mood": "glad"})
    assert '✓ /word "hello": seen in ' in run.stderr
    assert '~ /mood "glad": claimed, seen nowhere' in run.stderr
    assert (text.returncode, text.stdout, text.stderr) == (0, "It says hello.\n", "")
    document = json.loads(strict.stdout)
    assert (strict.returncode, document["exit_code"], document["proof"]) == (8, 8, "claimed")
    assert {source["path"]: source["is_proven"] for source in document["sources"]} == {
        "/word": True,
        "/mood": False,
    }


def test_a_question_is_answered_with_one_call_and_leaves_nothing_behind(tmp_path: Path) -> None:
    folder = tmp_path / "here"
    folder.mkdir()
    with serving(telling) as model:
        asked = nebulus("ask", "-", "-C", str(folder), "-m", model, stdin="What does it say?")
        typed = nebulus(
            "ask",
            "What does it say?",
            "-C",
            str(folder),
            "-m",
            model,
            "--schema",
            schema_file(tmp_path),
            "--json",
        )
    assert (asked.returncode, asked.stdout) == (0, "It says hello.\n")
    document = json.loads(typed.stdout)
    assert (document["answer"], document["spent"]["model_calls"]) == ({"word": "hello", "mood": "glad"}, 1)
    assert list(folder.iterdir()) == []


def test_a_question_without_words_is_refused(tmp_path: Path) -> None:
    run = nebulus("ask", "-", "-C", str(tmp_path), stdin=" \n")
    assert run.returncode == 2
    assert "there is no question" in run.stderr


def test_a_spent_budget_has_its_code(model: str, tmp_path: Path) -> None:
    (tmp_path / "nebulus.toml").write_text(f"[tiers.small]\nmodel = '{model}'\n\n[budget]\nmodel_calls = 1\n")
    goal = "Look.\n\n1. Use list_files\n2. Use list_files\n"
    run = nebulus("run", "-", "--quiet", cwd=tmp_path, stdin=goal)
    assert run.returncode == 5
    assert "raise budget.model_calls" in run.stdout
    assert run.stderr == ""


def test_a_server_that_is_not_there_is_an_error_of_the_settings(tmp_path: Path) -> None:
    goal = "Look.\n\n1. Use list_files\n"
    run = nebulus("run", "-", "-C", str(tmp_path), "-m", "http://127.0.0.1:9#none", "--json", stdin=goal)
    document = json.loads(run.stdout)
    assert (run.returncode, document["error"]) == (2, "ConfigError")
    assert "127.0.0.1:9" in json.dumps(document["failure"])


def test_a_pipe_that_closes_early_is_no_error(model: str, tmp_path: Path) -> None:
    nebulus(
        "run", "-", "-C", str(tmp_path), "-m", model, "--run-id", "one", stdin="Do.\n\n1. Use list_files\n"
    )
    command = f"{COMMAND[0]} -c '{COMMAND[2]}' show one -C {tmp_path} --journal | head -c 10"
    shown = subprocess.run(
        ["/bin/sh", "-c", command], env=environment(), capture_output=True, text=True, check=False
    )
    assert shown.stdout == '{"position'
    assert shown.stderr == ""


def test_doctor_looks_into_a_database_that_is_named_by_url(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "runs.sqlite").write_bytes(b"not a database" * 100)
    (tmp_path / "nebulus.toml").write_text(f'[engine]\nurl = "sqlite:///{tmp_path}/state/runs.sqlite"\n')
    run = nebulus("doctor", "--json", cwd=tmp_path)
    (found,) = [sign for sign in json.loads(run.stdout)["findings"] if sign["what"] == "runs"]
    assert "runs.sqlite is damaged" in found["found"]


def test_doctor_reports_on_everything_and_only_looks(tmp_path: Path) -> None:
    run = nebulus("doctor", "--json", cwd=tmp_path)
    document = json.loads(run.stdout)
    assert run.returncode == document["exit_code"]
    looked = {sign["what"] for sign in document["findings"]}
    assert {"Python", "packages", "llama.cpp", "nano model", "settings", "sandbox", "runs"} <= looked
    assert list(tmp_path.iterdir()) == []


def test_init_writes_a_file_that_holds_and_never_overwrites_unasked(tmp_path: Path) -> None:
    assert nebulus("init", cwd=tmp_path).returncode == 0
    first = (tmp_path / "nebulus.toml").read_text()
    again = nebulus("init", cwd=tmp_path)
    assert again.returncode == 2
    assert "--force" in again.stderr
    assert (tmp_path / "nebulus.toml").read_text() == first
    assert nebulus("init", "--force", cwd=tmp_path).returncode == 0
    assert nebulus("runs", "--json", cwd=tmp_path).stdout == "[]\n"


@needs_nano
def test_the_demo_on_the_nano_model_ends_proven(tmp_path: Path) -> None:
    run = nebulus("demo", "-C", str(tmp_path / "demo"))
    assert run.returncode == 0, run.stdout + run.stderr
    assert run.stdout.startswith("Done, and proven")
    assert "a wind tunnel, not an assistant" in run.stderr


@needs_nano
@pytest.mark.crash
def test_the_demo_on_the_nano_model_survives_a_kill(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    process = started("demo", "-C", str(folder))
    wait_for("[5/16]", process)
    process.kill()
    process.communicate()
    resumed = nebulus("resume", only_run(folder), "-C", str(folder), "--yes")
    assert resumed.returncode == 0, resumed.stdout + resumed.stderr
    assert resumed.stdout.startswith("Done, and proven")
