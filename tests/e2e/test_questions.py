"""A question that a model asked waits in SQLite until somebody answers, and the run goes on with the answer."""

from pathlib import Path

import pytest

from nebulus import tool
from nebulus.adapters.people.absent import AbsentPerson
from nebulus.app.application import open_application
from nebulus.app.settings import EngineSettings, Settings, TierSettings
from nebulus.core.answers import ModelAnswer, ModelRequest
from nebulus.core.outcome import Blocked, Done, Outcome
from nebulus.ports.guard import Person, PersonReply
from nebulus.testing.backends import ScriptedBackend, calls, says
from nebulus.testing.people import ScriptedPerson

pytestmark = pytest.mark.e2e

QUESTION = "Which folder should it go to?"


@tool(effect="write")
def put(folder: str) -> str:
    """Put the letter into a folder."""
    return f"put into {folder}"


def asking(request: ModelRequest) -> ModelAnswer:
    """Asks, until it is told."""
    shown = request.messages[-1].content
    if "step 1 answer: " not in shown:
        return says(QUESTION)
    return calls("put", folder=shown.partition("step 1 answer: ")[2].split("\n")[0])


async def test_a_question_blocks_the_run_until_its_answer_goes_into_the_call(tmp_path: Path) -> None:
    settings = Settings(
        tiers={"small": TierSettings(model="nano")},
        engine=EngineSettings(url=str(tmp_path / "runs.sqlite")),
    )

    async def carried_out(person: Person, *, is_new: bool) -> Outcome:
        plugs = {"tools": [put], "person": person, "backends": {"small": ScriptedBackend(asking)}}
        async with open_application(settings, tmp_path, **plugs) as application:
            if is_new:
                handle = await application.start("Tidy.\n\n1. Use put", run_id="r")
            else:
                handle = await application.supervisor.resume("r")
            return await handle.result()

    for is_new in (True, False):
        outcome = await carried_out(AbsentPerson(), is_new=is_new)
        assert isinstance(outcome, Blocked)
        assert outcome.question.text == QUESTION
    outcome = await carried_out(ScriptedPerson([PersonReply(is_yes=True, text="b/2019")]), is_new=False)
    assert isinstance(outcome, Done)
