"""Values read out of text by real parts: kept in SQLite, taken up by another process's hands, read by a real model."""

import json
from pathlib import Path

import pytest

from nebulus import tool
from nebulus.adapters.people.absent import AbsentPerson
from nebulus.app.application import open_application
from nebulus.app.settings import EngineSettings, Settings, TierSettings
from nebulus.core.answers import ModelAnswer, ModelRequest, Shape
from nebulus.core.events import ModelAnswered
from nebulus.core.outcome import Blocked, Done
from nebulus.core.state import State
from nebulus.core.tiers import StepKind
from nebulus.ports.guard import Person
from nebulus.testing.backends import ScriptedBackend, calls, says
from nebulus.testing.people import YES, ScriptedPerson
from tests.contract.backend_cases import NANO, missing

pytestmark = pytest.mark.e2e

LETTER = "Dear Anna,\nwhen we put it on the scale this morning the parcel came to 12.50 kg.\nWith kind regards, Berg"
RUNBOOK = "Send it on.\n\n1. Use letter with name = berg\n2. Use label with text = the weight of step 1\n"
READS = {"weight": "what the parcel weighs", "sender": "who wrote it"}


@tool(effect="read", untrusted=True, reads=READS)
def letter(name: str) -> str:
    """Fetch a letter."""
    return LETTER


@tool
def label(text: str) -> str:
    """Print a label."""
    return f"printed {text}"


def literal(request: ModelRequest) -> ModelAnswer:
    """Does the step under Now; reads the weight right, and makes the sender up."""
    if isinstance(request.form, Shape):
        return says(json.dumps({"weight": "12.50 kg", "sender": "Falk"}))
    said = request.messages[-1].content.rpartition(" = ")[2]
    if "Use label" in request.messages[-1].content:
        return calls("label", text=said)
    return calls("letter", name=said)


def settings(folder: Path, **tiers: TierSettings) -> Settings:
    return Settings(tiers=tiers, engine=EngineSettings(url=str(folder / "runs.sqlite")))


async def test_what_was_read_is_kept_in_sqlite_and_an_effect_with_it_waits_for_a_person(
    tmp_path: Path,
) -> None:
    given = settings(tmp_path, small=TierSettings(model="nano"))

    async def carried_out(person: Person, *, is_new: bool) -> tuple[object, State]:
        plugs = {"tools": [letter, label], "person": person, "backends": {"small": ScriptedBackend(literal)}}
        async with open_application(given, tmp_path, **plugs) as application:
            supervisor = application.supervisor
            if is_new:
                handle = await application.start(RUNBOOK, run_id="r")
            else:
                handle = await supervisor.resume("r")
            outcome = await handle.result()
            assert (await supervisor.verify("r")).is_whole
            return outcome, (await supervisor.machine("r")).state

    outcome, state = await carried_out(AbsentPerson(), is_new=True)
    assert isinstance(outcome, Blocked)
    assert json.loads(outcome.question.arguments) == {"text": "12.50 kg"}
    assert [(fact.value, fact.provenance.is_trusted) for fact in state.facts if "weight" in fact.name] == [
        ("12.50 kg", False)
    ]
    assert not any("sender" in fact.name for fact in state.facts)
    outcome, _ = await carried_out(ScriptedPerson([YES]), is_new=False)
    assert isinstance(outcome, Done)


@pytest.mark.skipif(bool(missing("real")), reason=missing("real") or "it can run")
async def test_what_the_nano_model_reads_is_in_the_text_or_is_dropped(tmp_path: Path) -> None:
    given = settings(
        tmp_path,
        small=TierSettings(model="nano"),
        reader=TierSettings(model=str(NANO), kinds=(StepKind.EXTRACT,), threads=1),
    )
    plugs = {
        "tools": [letter, label],
        "person": ScriptedPerson([YES]),
        "backends": {"small": ScriptedBackend(literal)},
    }
    async with open_application(given, tmp_path, **plugs) as application:
        handle = await application.start(RUNBOOK, run_id="r")
        assert isinstance(await handle.result(), Done)
        journal = await application.supervisor.journal("r")
        read = [record.event for record in journal if isinstance(record.event, ModelAnswered)]
        assert "reader" in {event.tier for event in read}, "the tier that is named for it was asked"
        state = (await application.supervisor.machine("r")).state
    found = [fact for fact in state.facts if fact.name in ("step 1 weight", "step 1 sender")]
    assert all(fact.value in LETTER and not fact.provenance.is_trusted for fact in found)
    assert len(found) == 2 or state.lessons or '""' in read[1].answer.text, "what was not read is said"
