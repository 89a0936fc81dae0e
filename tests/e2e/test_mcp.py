"""Runs that use the tools of MCP servers: judged, labelled, redacted, and accepted first."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from nebulus.adapters.mcp.pins import PinStore
from nebulus.adapters.mcp.servers import Place, accepted, look
from nebulus.adapters.mcp.settings import McpServerSettings, McpToolSettings
from nebulus.app.application import open_application
from nebulus.app.settings import EngineSettings, Settings, TierSettings
from nebulus.core.errors import ConfigError
from nebulus.core.events import ToolFailed, ToolReturned
from nebulus.core.journal import Record
from nebulus.core.outcome import Blocked, Done, Outcome, Refused
from nebulus.core.tools import Effect
from nebulus.testing.backends import ScriptedBackend
from tests.contract.mcp_homes import READS, honest, hostile
from tests.e2e.literal import literal as literal_reply
from tests.e2e.literal import serving
from tests.unit.cli.runs import literal

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("new_user")]
ROOT = Path(__file__).parents[2]


async def accept(name: str, server: McpServerSettings, folder: Path) -> None:
    place = Place(base=folder, workspace=folder, state=PinStore().folder)
    found = await look(name, server, place, pins=PinStore())
    PinStore().accept(name, server, found.offered)


async def carry_out(
    folder: Path, runbook: str, servers: Mapping[str, McpServerSettings], *, policy: str = ""
) -> tuple[Outcome, Sequence[Record]]:
    """Carry out a runbook by a model that does what it says, with accepted servers."""
    settings = Settings(
        tiers={"small": TierSettings(model="http://127.0.0.1:1#none")},
        engine=EngineSettings(url="memory"),
        commands="off",
        mcp=dict(servers),
        policy=policy,
    )
    for name, server in servers.items():
        await accept(name, server, folder)
    plugs = {"backends": {"small": ScriptedBackend(literal)}}
    async with open_application(settings, folder, **plugs) as application:
        handle = await application.start(runbook, workspace=folder, run_id="run")
        outcome = await handle.result()
        return outcome, await application.supervisor.journal("run")


def results(records: Sequence[Record]) -> list[ToolReturned]:
    return [record.event for record in records if isinstance(record.event, ToolReturned)]


async def test_a_run_uses_a_tool_of_a_server(tmp_path: Path) -> None:
    server = honest(tools={"add": READS})
    outcome, records = await carry_out(tmp_path, "Add.\n\n1. Use one_add with a = 2, b = 3", {"one": server})
    assert isinstance(outcome, Done), outcome
    (returned,) = results(records)
    assert returned.result.text == "5"
    assert not returned.result.is_trusted


async def test_what_nobody_said_to_be_harmless_waits_for_a_person(tmp_path: Path) -> None:
    outcome, records = await carry_out(
        tmp_path, "Add.\n\n1. Use one_add with a = 2, b = 3", {"one": honest()}
    )
    assert isinstance(outcome, Blocked)
    assert outcome.question.tool == "one_add"
    assert results(records) == []


async def test_what_carries_data_out_needs_a_policy(tmp_path: Path) -> None:
    server = honest(tools={"add": McpToolSettings(effect=Effect.EGRESS)})
    outcome, records = await carry_out(tmp_path, "Add.\n\n1. Use one_add with a = 2, b = 3", {"one": server})
    assert isinstance(outcome, Refused)
    assert results(records) == []


async def test_a_policy_decides_about_the_tools_of_servers(tmp_path: Path) -> None:
    server = honest(tools={"add": McpToolSettings(effect=Effect.EGRESS)})
    rules = '[[policy]]\ntool = "one_add"\nargument = "a"\nat_most = 2\nthen = "allow"\n'
    (tmp_path / "rules.toml").write_text(rules)
    for number, ends in ((2, Done), (3, Refused)):
        runbook = f"Add.\n\n1. Use one_add with a = {number}, b = 3"
        outcome, _ = await carry_out(tmp_path, runbook, {"one": server}, policy="rules.toml")
        assert isinstance(outcome, ends), outcome
    known = [tool.spec for tool in accepted({"one": server}, pins=PinStore())]
    assert {spec.name: spec.effect for spec in known}["one_add"] is Effect.EGRESS


async def test_a_model_that_obeys_the_orders_of_a_result_reaches_no_effect(tmp_path: Path) -> None:
    servers = {"bad": hostile("ordering"), "one": honest()}
    runbook = "Look.\n\n1. Use bad_look with what = page\n2. Use one_long with lines = 3"
    outcome, records = await carry_out(tmp_path, runbook, servers)
    assert isinstance(outcome, Blocked), "the second call is what the result ordered: it is asked about"
    assert [returned.result.is_trusted for returned in results(records)] == [False]


async def test_a_secret_that_a_server_tells_is_hidden_everywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MINE", "value-that-nobody-reads")
    server = hostile("echoing", secrets={"SERVER_KEY": "MINE"})
    _, records = await carry_out(tmp_path, "Look.\n\n1. Use one_look with what = key", {"one": server})
    (returned,) = results(records)
    assert returned.result.text == "the key is [secret MINE]"
    assert "value-that-nobody-reads" not in repr(records)


async def test_a_long_result_becomes_an_artifact(tmp_path: Path) -> None:
    server = honest(tools={"long": READS})
    outcome, records = await carry_out(
        tmp_path, "Read.\n\n1. Use one_long with lines = 5000", {"one": server}
    )
    assert isinstance(outcome, Done), outcome
    (returned,) = results(records)
    assert len(returned.result.artifact) == 64
    assert len(returned.result.text) < 3000 < returned.result.size_bytes


async def test_a_server_that_dies_is_a_failure_of_the_call_and_not_of_the_runtime(tmp_path: Path) -> None:
    _, records = await carry_out(
        tmp_path, "Look.\n\n1. Use one_look with what = page", {"one": hostile("dying")}
    )
    failed = [record.event for record in records if isinstance(record.event, ToolFailed)]
    assert failed
    assert all("it ended with exit code 3" in event.failure.what for event in failed)


async def test_two_tools_of_one_name_stop_the_start(tmp_path: Path) -> None:
    servers = {
        "a": hostile("twins", tools={}, allow=("b_c",)),
        "a_b": hostile("twins", tools={}, allow=("c",)),
    }
    with pytest.raises(
        ConfigError, match="two tools are called 'a_b_c'; give one, or its MCP server, another"
    ):
        await carry_out(tmp_path, "Look.\n\n1. Use a_b_c", servers)


def nebulus(*arguments: str, cwd: Path) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-c", "from nebulus.cli.main import run; run()", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "COLUMNS": "200", "TERM": "dumb"}
    return subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=300, check=False
    )


def written(folder: Path, server: McpServerSettings) -> None:
    command = json.dumps(list(server.command))
    text = f'[mcp.one]\ncommand = {command}\nstart_timeout_s = 300\n\n[mcp.one.tools.add]\neffect = "read"\n'
    (folder / "nebulus.toml").write_text(text)


def test_a_server_is_confirmed_then_accepted_then_used(tmp_path: Path) -> None:
    written(tmp_path, honest())
    goal = "Add.\n\n1. Use one_add with a = 2, b = 3"
    with serving(literal_reply) as model:
        refused = nebulus("run", goal, "-m", model, cwd=tmp_path)
        assert refused.returncode == 2
        assert "outside of the sandbox" in refused.stderr
        assert nebulus("trust", cwd=tmp_path).returncode == 0

        refused = nebulus("run", goal, "-m", model, cwd=tmp_path)
        assert refused.returncode == 2
        assert "`nebulus mcp accept one`" in refused.stderr

        checked = nebulus("mcp", "check", cwd=tmp_path)
        assert checked.returncode == 2
        assert "new one_add  read" in checked.stdout
        assert "a word on stderr" in checked.stdout
        assert nebulus("mcp", "accept", "one", cwd=tmp_path).returncode == 2, "nobody said yes"
        accepted = nebulus("mcp", "accept", "one", "--yes", cwd=tmp_path)
        assert accepted.returncode == 0, accepted.stderr
        assert "accepted: 7 tools of one" in accepted.stdout

        done = nebulus("run", goal, "-m", model, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert "a word on stderr" not in done.stderr
    listed: Any = json.loads(nebulus("mcp", "list", "--json", cwd=tmp_path).stdout)
    assert listed[0]["accepted"] == 7
    assert nebulus("mcp", "check", cwd=tmp_path).returncode == 0
