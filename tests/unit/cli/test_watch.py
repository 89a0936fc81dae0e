"""Progress follows a run without ever getting in its way, and every kind of line has its mark."""

import io
import re

from rich.console import Console

from nebulus.cli.terminal import TerminalFace
from nebulus.cli.watch import PlainFace, Watcher
from nebulus.core.answers import ModelAnswer
from nebulus.core.commands import AskModel, RunTool
from nebulus.core.config import RunConfig
from nebulus.core.events import (
    AnswerParsed,
    ClaimParsed,
    Event,
    ModelAnswered,
    RouteChosen,
    RunStarted,
    WaitEnded,
)
from nebulus.core.failure import Fault
from nebulus.core.findings import Call
from nebulus.core.journal import records
from nebulus.core.plan import Goal, Plan, Step, StepStatus
from nebulus.core.tiers import StepKind, Tier
from nebulus.report.line_kinds import LineKind
from nebulus.report.marks import MARKS, STATUS_MARKS
from nebulus.report.summary import FAULTS

CONFIG = RunConfig(tiers=(Tier(name="small", window_tokens=4096),))
THINK = Step(number=1, text="Think.", after=())
ASKING = AskModel(step=1, kind=StepKind.EXECUTE, tier="small")


def started(*steps: Step) -> RunStarted:
    return RunStarted(goal=Goal(text="Tidy."), plan=Plan(steps), config=CONFIG)


def routed(step: int) -> RouteChosen:
    return RouteChosen(step=step, kind=StepKind.EXECUTE, tier="small", reason="the smallest")


def claimed(step: int, text: str) -> tuple[Event, Event]:
    """Return an answer in words and how it is parsed."""
    answered = ModelAnswered(
        step=step, kind=StepKind.EXECUTE, tier="small", answer=ModelAnswer(text=text), took_s=1.0
    )
    return answered, AnswerParsed(step=step, parsed=ClaimParsed(text=text))


ONE = (started(THINK), routed(1), *claimed(1, "\x1b[31mDone."))


def watched(*events: Event, live_from: int = 3) -> str:
    """Return what a plain face prints for `events`; those before `live_from` are the past."""
    out = io.StringIO()
    watcher = Watcher(PlainFace(Console(file=out, width=200)))
    for record in records(events):
        if record.position == live_from:
            watcher.on_command(ASKING)
        watcher.on_record(record)
    return out.getvalue()


def test_every_kind_every_status_and_every_fault_has_its_words() -> None:
    assert set(MARKS) == set(LineKind)
    assert set(STATUS_MARKS) == set(StepStatus)
    assert set(FAULTS) == set(Fault)


def test_a_new_run_is_told_from_its_goal_on() -> None:
    told = watched(*ONE)
    assert told.index("Tidy.") < told.index("[1/1] Think.") < told.index("small says: \\x1b[31mDone.")


def test_a_resumed_run_tells_how_far_it_had_come_and_not_the_past() -> None:
    second = Step(number=2, text="Think again.")
    told = watched(started(THINK, second), *ONE[1:], routed(2), *claimed(2, "Yes."), live_from=6)
    assert "resumed: 1 of 2 steps done already" in told
    assert "Done." not in told
    assert told.index("[2/2] Think again.") < told.index("small says: Yes.")


def test_lines_of_steps_under_way_at_once_name_their_step() -> None:
    second = Step(number=2, text="Think too.", after=())
    told = watched(
        started(THINK, second), routed(1), routed(2), *claimed(2, "Two."), *claimed(1, "One."), live_from=4
    )
    assert "[1/2] Think." in told
    assert "[2/2] Think too." in told
    assert "small says: Two." in told
    assert told.count("[1/2]") == told.count("[2/2]") == 1


def test_all_that_is_under_way_is_on_the_terminal_until_its_answer_is_there() -> None:
    second = Step(number=2, text="Think too.", after=())
    *past, answer, parsed = records([started(THINK, second), routed(1), routed(2), *claimed(2, "Two.")])
    face = TerminalFace(Console(file=io.StringIO(), width=120, height=40))
    watcher = Watcher(face)
    for record in past:
        watcher.on_record(record)
    for step in (1, 2):
        watcher.on_command(AskModel(step=step, kind=StepKind.EXECUTE, tier="small"))
    assert asked_for(face) == ["step 1", "step 2"]
    watcher.on_record(answer)
    assert asked_for(face) == ["step 1"]
    watcher.on_record(parsed)
    assert "small says: Two." in picture(face)


def picture(face: TerminalFace) -> str:
    console = Console(file=io.StringIO(), width=120, height=40)
    with console.capture() as captured:
        console.print(face)
    return captured.get()


def asked_for(face: TerminalFace) -> list[str]:
    return re.findall(r"asking small for (step \d)", picture(face))


def test_records_that_do_not_fit_are_let_go_without_an_error() -> None:
    assert "Tidy." in watched(started(THINK), routed(1), WaitEnded(step=1, seconds=1.0), *ONE[2:])


def test_a_tool_that_says_how_far_it_is_is_shown_with_it() -> None:
    face = TerminalFace(Console(file=io.StringIO(), width=120, height=40))
    watcher = Watcher(face)
    for record in records([started(THINK), routed(1)]):
        watcher.on_record(record)
    call = Call(call_id="c1", tool="one_slow", arguments={})
    watcher.on_command(RunTool(step=1, call=call, key="k"))
    watcher.on_progress("another", "9/9")
    assert "9/9" not in picture(face)
    watcher.on_progress("one_slow", "1/3 \x1b[2Kbegun")
    assert "1/3 \\x1b[2Kbegun" in picture(face)
