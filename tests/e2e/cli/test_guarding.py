"""The policy can be asked, questions can be answered from another process, and a journal can be verified."""

import asyncio
import json
import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from nebulus.app.application import open_application
from nebulus.app.settings import EngineSettings, Settings, TierSettings
from nebulus.cli.exits import Exit
from nebulus.cli.main import app
from nebulus.core.outcome import Blocked, Done, Outcome
from nebulus.runtime.handle import RunHandle
from nebulus.runtime.supervise import Supervisor
from nebulus.testing.backends import ScriptedBackend
from tests.unit.cli.runs import YES, carry_out, literal

POLICY = """
[[policy]]
effect = ["read", "write"]
then = "allow"

[[policy]]
name = "delete-asks"
tool = "delete_file"
then = "ask"
reason = "it can't be undone"
"""
CASES = """
[[case]]
tool = "delete_file"
arguments = { path = "a.md" }
expect = "ask"
rule = "delete-asks"

[[case]]
tool = "write_file"
arguments = { path = "../b", content = "x" }
expect = "deny"
rule = "workspace"

[[case]]
tool = "write_file"
arguments = { path = "b.md", content = "x" }
tainted = true
endorsed = ["path"]
expect = "allow"
"""
SETTINGS = 'commands = "off"\npolicy = "rules.toml"\n'


def nebulus(folder: Path, *arguments: str) -> Result:
    line = [*arguments, "--workspace", str(folder)]
    return CliRunner().invoke(app, line, env={"COLUMNS": "200", "TERM": "dumb"})


@pytest.fixture(scope="module", autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run that waits for an approval.

    Made before any command: the engine's library keeps the stderr that it first sees, and a runner's closes.
    """
    folder = tmp_path_factory.mktemp("guarded")
    carry_out(folder, engine=".nebulus/runs.sqlite", run_id="done", replies=(YES,))
    carry_out(folder, engine=".nebulus/runs.sqlite", run_id="waiting")
    return folder


@pytest.fixture
def ruled(tmp_path: Path) -> Path:
    (tmp_path / "nebulus.toml").write_text(SETTINGS)
    (tmp_path / "rules.toml").write_text(POLICY)
    return tmp_path


def test_a_policy_that_holds_is_said_with_its_rules_and_places(ruled: Path) -> None:
    result = nebulus(ruled, "policy", "check")
    assert result.exit_code == Exit.DONE
    assert "rules.toml:6" in result.stdout


def test_a_policy_says_what_it_closes_to_commands_and_what_it_can_not(ruled: Path) -> None:
    (ruled / "rules.toml").write_text(
        f'{POLICY}\n[[policy]]\npath = ["secrets/**", "**/*.pem"]\nthen = "deny"\nreason = "no"\n'
    )
    result = nebulus(ruled, "policy", "check")
    assert "hidden from commands: secrets" in result.stdout
    assert "note: open to commands, since it is neither a file nor a folder: **/*.pem" in result.stdout


def test_a_policy_that_cant_hold_ends_with_2_and_names_line_and_fix(ruled: Path) -> None:
    (ruled / "rules.toml").write_text(POLICY.replace("delete_file", "delet_file"))
    for command in (("check",), ("explain", "read_file"), ("test", str(ruled / "none.toml"))):
        assert nebulus(ruled, "policy", *command).exit_code == Exit.USAGE
    result = nebulus(ruled, "policy", "check")
    assert "rules.toml:6" in result.stderr
    assert "did you mean 'delete_file'" in result.stderr


def test_an_explanation_names_the_rule_its_place_and_its_text(ruled: Path) -> None:
    result = nebulus(ruled, "policy", "explain", "delete_file", '{"path": "a.md"}', "--json")
    found = json.loads(result.stdout)
    assert found["verdict"] == "ask"
    assert found["rule"] == "delete-asks"
    assert found["place"] == "rules.toml:6"
    assert "forbid" in found["text"]


def test_cases_are_decided_and_a_wrong_one_ends_with_6(ruled: Path) -> None:
    cases = ruled / "cases.toml"
    cases.write_text(CASES)
    assert nebulus(ruled, "policy", "test", str(cases)).exit_code == Exit.DONE
    cases.write_text(CASES.replace('"ask"', '"allow"'))
    result = nebulus(ruled, "policy", "test", str(cases))
    assert result.exit_code == Exit.FAILED
    assert "expected allow" in result.stdout


def test_the_schema_names_every_tool_and_argument(ruled: Path) -> None:
    schema = json.loads(nebulus(ruled, "policy", "schema").stdout)
    context = schema[""]["actions"]["write_file"]["appliesTo"]["context"]["attributes"]
    assert set(context["arguments"]["attributes"]) == {"path", "content"}


def test_a_question_is_listed_and_answered_once_from_another_process(home: Path) -> None:
    [waiting] = json.loads(nebulus(home, "approvals", "--json").stdout)
    assert waiting["run_id"] == "waiting"
    assert waiting["question"]["tool"] == "delete_file"
    digest = waiting["question"]["digest"]
    approved = nebulus(home, "approve", digest[:12])
    assert approved.exit_code == Exit.DONE
    assert "nebulus resume waiting" in approved.stdout
    assert nebulus(home, "deny", digest[:12], "no").exit_code == Exit.USAGE
    assert json.loads(nebulus(home, "approvals", "--json").stdout) == []
    assert isinstance(go_on(home, "waiting"), Done)
    assert not (home / "a.md").exists(), "the yes that was given elsewhere served the call"
    (home / "a.md").write_text("hello")
    assert isinstance(rewound(home, "waiting", step=3), Blocked), "and it serves no second one"
    assert (home / "a.md").exists()


def test_a_whole_journal_is_whole_and_an_edited_one_is_not(home: Path) -> None:
    whole = nebulus(home, "verify", "done", "--json")
    assert whole.exit_code == Exit.DONE
    found = json.loads(whole.stdout)
    assert nebulus(home, "verify", "done", "--head", found["verification"]["head"]).exit_code == Exit.DONE
    assert nebulus(home, "verify", "done", "--head", "0" * 16).exit_code == Exit.FAILED
    with sqlite3.connect(home / ".nebulus" / "runs.sqlite") as database:
        changed = 0
        for table, column in _texts(database):
            sql = f"UPDATE {table} SET {column} = replace({column}, 'hello', 'jello') WHERE {column} LIKE '%hello%'"
            changed += database.execute(sql).rowcount
    assert changed
    broken = nebulus(home, "verify", "done")
    assert broken.exit_code == Exit.FAILED
    assert "broken: record " in broken.stdout


def go_on(folder: Path, run_id: str) -> Outcome:
    return asyncio.run(_carried_on(folder, lambda supervisor: supervisor.resume(run_id)))


def rewound(folder: Path, run_id: str, *, step: int) -> Outcome:
    return asyncio.run(_carried_on(folder, lambda supervisor: supervisor.rewind(run_id, step=step)))


async def _carried_on(folder: Path, take: Callable[[Supervisor], Awaitable[RunHandle]]) -> Outcome:
    settings = Settings(
        tiers={"small": TierSettings(model="http://127.0.0.1:1#none")},
        engine=EngineSettings(url=".nebulus/runs.sqlite"),
        commands="off",
    )
    async with open_application(
        settings, folder, backends={"small": ScriptedBackend(literal)}
    ) as application:
        handle = await take(application.supervisor)
        return await handle.result()


def _texts(database: sqlite3.Connection) -> list[tuple[str, str]]:
    tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    return [
        (table, column)
        for table in tables
        for _, column, kind, *_ in database.execute(f"PRAGMA table_info({table})")
        if kind.upper() in {"TEXT", "VARCHAR", "BLOB"}
    ]
