"""Runs of a model that does just what a step says, kept in a folder, for commands to look at."""

import asyncio
import json
import re
from pathlib import Path

from nebulus.app.application import open_application
from nebulus.app.settings import EngineSettings, Settings, TierSettings
from nebulus.cli.kept_runs import report_of
from nebulus.core.answers import ModelAnswer, ModelRequest, RawCall, Usage
from nebulus.core.budget import Budget
from nebulus.core.result import ResultSpec
from nebulus.ports.guard import PersonReply
from nebulus.report.run import RunReport
from nebulus.testing.backends import ScriptedBackend
from nebulus.testing.people import ScriptedPerson

NOW = re.compile(r"Now: step \d+\. Use (\w+)(?: with (.*))?\Z", re.DOTALL)
ARGUMENT = re.compile(r'(\w+) = (?:"([^"]*)"|([^,]*))(?:, |\Z)')
YES = PersonReply(is_yes=True, by="ann")
NO = PersonReply(is_yes=False, by="ann", text="keep it")

RUNBOOK = """\
Tidy the inbox.

1. Use read_file with path = a.md
2. Use write_file with path = b.md, content = "the result of step 1"
   - check: contains b.md: hello
3. Use delete_file with path = a.md

Checks:
- absent a.md
"""


def literal(request: ModelRequest) -> ModelAnswer:
    """Return the call that the step writes out, words where it writes none."""
    said = NOW.search(request.messages[-1].content)
    usage = Usage(prompt_tokens=100, completion_tokens=20)
    if said is None:
        return ModelAnswer(text="I am not sure.", usage=usage)
    arguments = {match[1]: match[2] or match[3] or "" for match in ARGUMENT.finditer(said[2] or "")}
    return ModelAnswer(calls=(RawCall(said[1], json.dumps(arguments)),), usage=usage)


def carry_out(
    folder: Path,
    runbook: str = RUNBOOK,
    *,
    replies: tuple[PersonReply, ...] = (),
    budget: Budget | None = None,
    engine: str = "memory",
    run_id: str = "tidy",
    text: str = "hello",
    result: ResultSpec | None = None,
) -> RunReport:
    """Carry `runbook` out in `folder`, where a.md contains `text`, and return the report of the run."""
    (folder / "a.md").write_text(text)
    settings = Settings(
        tiers={"small": TierSettings(model="http://127.0.0.1:1#none")},
        engine=EngineSettings(url=engine),
        budget=budget or Budget(),
        commands="off",
    )

    async def run() -> RunReport:
        plugs = {"backends": {"small": ScriptedBackend(literal)}, "person": ScriptedPerson(replies)}
        async with open_application(settings, folder, **plugs) as application:
            handle = await application.start(runbook, result=result, workspace=folder, run_id=run_id)
            await handle.result()
            return await report_of(application.supervisor, run_id)

    return asyncio.run(run())
