"""Progress follows a run without ever standing in its way, and every kind of line has its mark."""

import io

from rich.console import Console

from nebulus.cli.ending import FAULTS
from nebulus.cli.marks import MARKS, STATES
from nebulus.cli.narrate import Kind
from nebulus.cli.watch import PlainFace, Watcher
from nebulus.core.answers import ModelAnswer, ModelRequest
from nebulus.core.commands import AskModel
from nebulus.core.events import Event, GoalGiven, ModelAnswered, TimePassed
from nebulus.core.failure import Fault
from nebulus.core.journal import records
from nebulus.core.plan import Goal, Plan, Step, StepStatus
from nebulus.core.tiers import Tier
from nebulus.loop.progress import Setup

SETUP = Setup(tiers=(Tier(name="small", window_tokens=4096),))
GIVEN = GoalGiven(goal=Goal(text="Tidy."), plan=Plan((Step(number=1, text="Think."),)))
SAID = ModelAnswered(tier="small", answer=ModelAnswer(text="\x1b[31mDone."))
ASKING = AskModel(tier="small", request=ModelRequest(messages=()))


def watched(*events: Event, live_from: int = 2) -> str:
    """What a plain face prints for `events`; those before `live_from` are the past."""
    out = io.StringIO()
    watcher = Watcher(PlainFace(Console(file=out, width=200)))
    watcher.follow(SETUP)
    for record in records(events):
        if record.position == live_from:
            watcher.on_command(ASKING)
        watcher.on_record(record)
    watcher.on_command(ASKING)
    return out.getvalue()


def test_every_kind_every_state_and_every_fault_has_its_word() -> None:
    assert set(MARKS) == set(Kind)
    assert set(STATES) == set(StepStatus)
    assert set(FAULTS) == set(Fault)


def test_a_new_run_is_told_from_its_goal_on() -> None:
    told = watched(GIVEN, SAID)
    assert told.index("Tidy.") < told.index("[1/1] Think.") < told.index("small says: \\x1b[31mDone.")


def test_a_run_that_is_taken_up_tells_how_far_it_had_come_and_not_the_past() -> None:
    told = watched(GIVEN, SAID, live_from=3)
    assert "taken up again: 1 of 1 step done already" in told
    assert "small says" not in told


def test_a_run_with_another_setup_is_let_go_without_an_error() -> None:
    assert "Tidy." in watched(GIVEN, TimePassed(seconds=1.0), SAID)


def test_what_nobody_follows_is_not_shown() -> None:
    out = io.StringIO()
    watcher = Watcher(PlainFace(Console(file=out)))
    watcher.on_command(ASKING)
    watcher.on_record(records([GIVEN])[0])
    watcher.on_text("hello")
    assert out.getvalue() == ""
