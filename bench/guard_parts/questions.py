"""How often a person is asked, by the hundred steps: in the demo, and in a long job that leaves nothing to ask.

The model is the one in the package. The person says yes, so that the whole job is seen.
"""

import asyncio
import random
import shutil
import tempfile
from collections import Counter
from collections.abc import Sequence
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from bench.ceiling import PATIENT, RESERVE_TOKENS, JobTool, specs
from nano.environment import Environment
from nano.language import make_job
from nebulus.app.application import open_application
from nebulus.app.settings import EngineSettings, Settings, TierSettings
from nebulus.app.settings_file import load_settings
from nebulus.core.budget import Budget
from nebulus.core.commands import Command
from nebulus.core.events import CallJudged
from nebulus.core.journal import Record
from nebulus.core.outcome import Question
from nebulus.ports.guard import PersonReply
from nebulus.ports.tool import Tool

USUAL = """
[[policy]]
effect = ["read", "write"]
then = "allow"

[[policy]]
tool = "delete_file"
then = "ask"
reason = "it can't be undone"
"""
IN_MEMORY = EngineSettings(url="memory")


class Yes:
    """A person who agrees to everything, and counts."""

    def __init__(self) -> None:
        self.questions: Counter[str] = Counter()

    async def ask(self, question: Question) -> PersonReply | None:
        """Say yes."""
        self.questions[question.rule or question.kind] += 1
        return PersonReply(is_yes=True, by="bench")


class Verdicts:
    """Counts what the guard said."""

    def __init__(self) -> None:
        self.found: Counter[str] = Counter()

    def on_command(self, command: Command) -> None:
        """Take no notice."""

    def on_text(self, piece: str) -> None:
        """Take no notice."""

    def on_record(self, record: Record) -> None:
        """Count."""
        match record.event:
            case CallJudged(verdict=verdict):
                self.found[type(verdict).__name__] += 1
            case _:
                return


def measure(*, jobs: int = 30, depth: int = 100) -> dict[str, Any]:
    """Return steps, verdicts and questions of the demo under two policies, and of long jobs under the default."""
    return asyncio.run(_measure(jobs, depth))


async def _measure(jobs: int, depth: int) -> dict[str, Any]:
    found = {"the demo": await _demo(""), "the demo, with a policy of two rules": await _demo(USUAL)}
    long = [await _long(seed, depth) for seed in range(jobs)]
    found[f"{jobs} jobs of {depth} steps, each as far as the model gets"] = {
        name: sum(row[name] for row in long) for name in ("steps", "steps done", "verdicts", "questions")
    }
    for row in found.values():
        row["questions per 100 steps"] = round(100 * row["questions"] / max(1, row["steps done"]), 2)
    return found


async def _demo(rules: str) -> dict[str, Any]:
    """The demo's own files and settings; `rules` in place of the default policy."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "demo"
        with as_file(files("nebulus") / "demo") as source:
            shutil.copytree(source, folder)
        settings = load_settings(None, folder)
        if rules:
            (folder / "policy.toml").write_text(rules, encoding="utf-8")
        settings = replace(settings, engine=IN_MEMORY, policy="policy.toml" if rules else "", commands="off")
        return await _run(
            settings, folder, (folder / "runbook.md").read_text(encoding="utf-8"), workspace=folder
        )


async def _long(seed: int, depth: int) -> dict[str, Any]:
    job = make_job(random.Random(seed), depth, "held_out", wordings="train")
    world = Environment(job, random.Random(seed), 0.0, "held_out")
    tools = [JobTool(spec, world) for spec in specs(job, is_grounded=True)]
    tiers = {"nano": TierSettings(model="nano", reserve_tokens=RESERVE_TOKENS)}
    settings = Settings(
        tiers=tiers, engine=IN_MEMORY, budget=Budget(model_calls=0, tool_calls=0), limits=PATIENT
    )
    with tempfile.TemporaryDirectory() as place:
        row = await _run(settings, Path(place), job.goal, tools=tools)
    return row | {"steps done": world.done}


async def _run(
    settings: Settings, folder: Path, goal: str, *, workspace: Path | None = None, tools: Sequence[Tool] = ()
) -> dict[str, Any]:
    person, verdicts = Yes(), Verdicts()
    async with open_application(
        settings, folder, tools=tools, person=person, watch=[lambda _: verdicts]
    ) as application:
        handle = await application.start(goal, workspace=workspace, run_id="run")
        outcome = await handle.result()
        steps = len(handle.machine.state.plan.steps)
    done = verdicts.found["Allow"] + verdicts.found["Ask"]
    return {
        "ended": type(outcome).__name__,
        "steps": steps,
        "steps done": min(done, steps),
        "verdicts": sum(verdicts.found.values()),
        "questions": sum(person.questions.values()),
        "asked by": ", ".join(f"{rule} {count}" for rule, count in person.questions.items()),
    }
