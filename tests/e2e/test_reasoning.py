"""A run whose tier reasons first: its reasoning, and what no grammar enforced, are in its record."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from nebulus.app.application import open_application
from nebulus.app.settings import EngineSettings, Settings, TierSettings
from nebulus.cli.kept_runs import report_of
from nebulus.core.errors import ConfigError
from nebulus.core.events import ModelAnswered
from nebulus.core.outcome import Done
from nebulus.core.tools import Effect, ToolSpec
from nebulus.report.timeline import run_lines
from nebulus.testing.backends import SCRIPTED, THOUGHT, ScriptedBackend
from nebulus.testing.server import ScriptedServer
from nebulus.testing.tools import FakeTool

pytestmark = pytest.mark.e2e


ADD_LABELS = ToolSpec(
    name="add_labels",
    parameters={
        "type": "object",
        "properties": {"labels": {"type": "array", "items": {"type": "string"}, "uniqueItems": True}},
        "required": ["labels"],
        "additionalProperties": False,
    },
    effect=Effect.WRITE,
)
"""It asks for more than a grammar can enforce."""


def settings(model: str) -> Settings:
    tier = TierSettings(model=model, reasoning_tokens=40)
    return Settings(tiers={"small": tier}, engine=EngineSettings(url="memory"))


async def test_thought_and_losses_are_recorded_and_told(tmp_path: Path) -> None:
    async with ScriptedServer(flavour="llama.cpp") as server:
        given = settings(f"llama.cpp+{server.url}")
        async with open_application(given, tmp_path, tools=[FakeTool(ADD_LABELS)]) as application:
            handle = await application.start("Label it.\n\n1. Use add_labels", run_id="r")
            outcome = await handle.result()
            journal = await application.supervisor.journal("r")
            report = await report_of(application.supervisor, "r")
    assert isinstance(outcome, Done)
    (answered,) = [record.event for record in journal if isinstance(record.event, ModelAnswered)]
    assert answered.answer.reasoning == THOUGHT
    assert answered.answer.usage.reasoning_tokens == 8
    assert answered.answer.unenforced == ("add_labels/properties/labels/uniqueItems",)
    lines = [line.text for line in run_lines(report, resume="nebulus resume r")]
    assert "Enforced only by validation, not by a grammar: add_labels/properties/labels/uniqueItems" in lines
    assert "(8 of them reasoning)" in " ".join(line.cost for step in report.steps for line in step.lines)


async def test_a_backend_that_carries_no_thought_out_is_refused_before_the_run(tmp_path: Path) -> None:
    plain = ScriptedBackend(info=replace(SCRIPTED, reasons=False))
    async with open_application(settings("nano"), tmp_path, backends={"small": plain}) as application:
        with pytest.raises(ConfigError, match=r"tiers\.small\.reasoning_tokens=40: scripted can't reason"):
            await application.start("Say hello.")
