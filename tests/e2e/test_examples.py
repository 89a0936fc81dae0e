"""Every example runs as it is, against a model that answers what the example is written for."""

import ast
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from nebulus.core.answers import RawCall
from nebulus.core.result import WRAPPED
from nebulus.testing.server_faces import Reply
from tests.e2e.literal import NOW, literal, serving
from tests.unit.house.source import ROOT
from tests.unit.house.test_docs import blocks_of

pytestmark = pytest.mark.e2e

EXAMPLES = ROOT / "examples"


def call(tool: str, **arguments: Any) -> Reply:
    return Reply(calls=(RawCall(tool, json.dumps(arguments), "call_1"),))


def value(answer: Any) -> Reply:
    return Reply(text=json.dumps(answer))


WEATHER = (call("weather", city="Oslo"), call("finish", summary="looked"), value({WRAPPED: 7.0}))
SCRIPTS: Mapping[str, tuple[Sequence[Reply], Sequence[str]]] = {
    "ask.py": (
        [value({"name": "Southend", "country": "England"})],
        ["Town(name='Southend', country='England')"],
    ),
    "own_tools.py": (WEATHER, ["7.0", "seen in:"]),
    "runbook.py": ([], ["Proven: 2 steps done"]),
    "own_check.py": ([], ["Proven: "]),
    "approval.py": ([call("pay", invoice="rent", amount=740)], ["May pay be called?", "step done"]),
    "rules.py": (
        [call("transfer", to="savings", amount=50), call("transfer", to="savings", amount=5000)],
        ["step done", "more than 100 is for a person"],
    ),
    "durable.py": ([], ["left after [1]", "each number was counted once: [1, 2]"]),
    "follow.py": ([], ["1 RunStarted", "ToolReturned", "step done"]),
    "side_by_side.py": ([], ["tea ->", "milk ->"]),
    "extract.py": (
        [call("read_file", path="note.md"), value({"who": "Anna", "time": "14:00"})],
        ["Anna", "14:00"],
    ),
    "hand_over.py": (
        [
            call("lookup", product="chair"),
            call("read_file", path="prices/list.txt"),
            call("finish", summary="It costs 40.50."),
            value({WRAPPED: 40.5}),
            call("finish", summary="looked"),
            value({WRAPPED: 40.5}),
        ],
        ["40.5"],
    ),
    "vote.py": (
        [
            call("read_file", path="may.csv"),
            call("write_file", path="total.txt", content="789\n"),
            call("finish", summary="789"),
            call("query_table", path="may.csv", columns="amount", aggregate="sum"),
            call("write_file", path="total.txt", content="789"),
            call("finish", summary="written"),
        ],
        ["['may.csv', 'total.txt']", "2 of 2 tries in copies of the workspace ended the same"],
    ),
    "first_steps.ipynb": (WEATHER, ["7.0"]),
}
"""What the model answers, in order (nothing: what each step says), and what is printed because of it."""


class Scripted:
    """Answers one reply after the other; without any, just what a step says."""

    def __init__(self, replies: Sequence[Reply]) -> None:
        self._replies = list(replies)

    def __call__(self, body: dict[str, Any]) -> Reply:
        if self._replies:
            return self._replies.pop(0)
        assert NOW.search(body["messages"][-1]["content"]), body["messages"][-1]["content"]
        return literal(body)


def source_of(example: Path) -> str:
    """The program of an example; the cells of a notebook, in order."""
    text = example.read_text("utf-8")
    if example.suffix == ".py":
        return text
    cells = [cell for cell in json.loads(text)["cells"] if cell["cell_type"] == "code"]
    return "\n\n".join(cell["source"] for cell in cells)


RUNNER = """\
import ast, asyncio, sys
program = compile(sys.stdin.read(), sys.argv[1], "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
found = eval(program, {"__name__": "__main__"})
if found is not None:
    asyncio.run(found)
"""


@pytest.mark.parametrize("name", sorted(SCRIPTS))
def test_an_example_runs_and_prints_what_it_is_for(name: str, tmp_path: Path) -> None:
    replies, printed = SCRIPTS[name]
    with serving(Scripted(replies)) as model:
        ended = subprocess.run(
            [sys.executable, "-W", "error", "-c", RUNNER, name],
            input=source_of(EXAMPLES / name),
            cwd=tmp_path,
            env={
                **os.environ,
                "PYTHONPATH": str(ROOT / "src"),
                "NEBULUS_MODEL": model,
                "TMPDIR": str(tmp_path),
            },
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    assert ended.returncode == 0, ended.stderr
    for text in printed:
        assert text in ended.stdout


def test_the_program_of_the_readme_runs(tmp_path: Path) -> None:
    (block,) = [block for block in blocks_of((ROOT / "README.md").read_text("utf-8")) if block.is_python]
    with serving(Scripted(WEATHER)) as model:
        program = block.code.replace("ollama:qwen3:8b", model)
        command = [sys.executable, "-W", "error", "-c", program]
        environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
        ended = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120, check=False
        )
    assert ended.stdout == "7.0\n", ended.stderr


def test_there_is_a_script_for_each_example_and_each_says_what_it_shows() -> None:
    found = {path.name for path in EXAMPLES.iterdir() if path.suffix in (".py", ".ipynb")}
    assert found == set(SCRIPTS)
    assert all(
        ast.get_docstring(ast.parse((EXAMPLES / name).read_text())) for name in found if name.endswith("py")
    )
    index = (EXAMPLES / "README.md").read_text()
    assert all(f"[{name}]({name})" in index for name in found)
