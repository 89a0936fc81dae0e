"""The last screen of a run: how it ended, why, and what to do next, for somebody who is tired. Pure."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import assert_never

from nebulus.cli.story import Story
from nebulus.cli.words import Line, cost, counted, one_line
from nebulus.core.failure import Failure, Fault, Recognised
from nebulus.core.outcome import Blocked, Done, Evidence, Exhausted, Failed, Outcome, Proof, Refused

FAULTS: Mapping[Fault, str] = MappingProxyType(
    {
        Fault.MODEL: "the model's: it did not write what the step needs",
        Fault.TOOL: "the tool's: it could not do what it was asked",
        Fault.POLICY: "nobody's: the policy forbids it",
        Fault.BUDGET: "nobody's: the budget is spent",
        Fault.BACKEND: "the model server's: no usable answer came from it",
        Fault.CONTRACT: "the task's: what was asked for can't be, or its checks do not hold",
        Fault.RUNTIME: "Nebulus's own, or this machine's",
    }
)
_EFFECTS_SHOWN = 8


def ending(story: Story, *, again: str) -> list[Line]:
    """Return the screen for a run; `again` is the command that takes it up ("nebulus resume RUN")."""
    outcome = story.outcome
    if outcome is None:
        return _unfinished(story, again)
    match outcome:
        case Done():
            lines = [*_done(outcome), _field("see also", f"`{_show(again)}`: every step as it went")]
        case Blocked():
            lines = _blocked(outcome, again)
        case Refused():
            lines = _refused(story, outcome, again)
        case Exhausted():
            lines = _exhausted(story, outcome, again)
        case Failed():
            lines = _failed(story, outcome, again)
        case _:
            assert_never(outcome)
    return [*lines, _field("cost", cost(story.spent))]


def headline(outcome: Outcome | None) -> Line:
    """Return the outcome in one line."""
    match outcome:
        case None:
            return Line("not ended", "yellow")
        case Done(proof=Proof.PROVEN):
            return Line("Done, and proven: code has checked it", "bold green")
        case Done():
            return Line("Done, on the model's word: no code has checked all of it", "bold yellow")
        case Blocked():
            return Line("Blocked: a person must answer first", "bold yellow")
        case Refused():
            return Line("Refused: it may not be done", "bold red")
        case Exhausted():
            return Line(f"Exhausted: the budget of {outcome.resource} is spent", "bold red")
        case Failed():
            return Line("Failed: something broke that could not be mended", "bold red")
        case _:
            assert_never(outcome)


def _done(outcome: Done) -> list[Line]:
    lines = [headline(outcome), Line(f"  {outcome.summary}"), *map(_evidence, outcome.evidence)]
    if any(not item.is_proven for item in outcome.evidence):
        lines.append(Line("  (✓ code looked at the world · ~ a call succeeded, or the model said so)", "dim"))
    return lines


def _evidence(item: Evidence) -> Line:
    mark, style = ("✓", "green") if item.is_proven else ("~", "yellow")
    return Line(f"  {mark} {one_line(item.what)}", style)


def _blocked(outcome: Blocked, again: str) -> list[Line]:
    question = outcome.question
    lines = [headline(outcome), _field("question", question.text)]
    if question.tool:
        lines.append(_field("call", f"{question.tool} {one_line(question.arguments, 400)}"))
    lines.append(_field("why", question.reason))
    if question.kind == "unknown_outcome":
        lines.append(
            _field("to know", "look yourself whether it happened; Nebulus will not do it twice on a guess")
        )
    yes = f", or `{again} --yes` to allow it unseen" if question.kind == "approval" else ""
    return [*lines, _field("to go on", f"`{again}` on a terminal, where you will be asked{yes}")]


def _refused(story: Story, outcome: Refused, again: str) -> list[Line]:
    return [
        headline(outcome),
        *_asked(story, outcome.step),
        _field("who", "a person" if outcome.rule == "person" else f"the rule {outcome.rule}"),
        _field("why", one_line(outcome.reason, 400)),
        *_stands(story),
        _field("to go on", f"change the plan or the policy; then `{again}` tries this step anew"),
    ]


def _exhausted(story: Story, outcome: Exhausted, again: str) -> list[Line]:
    left = [Line(f"    {one_line(step)}") for step in outcome.undone]
    return [
        headline(outcome),
        _field("limit", f"{outcome.limit:g} {outcome.resource}"),
        *_stands(story),
        _field("left", counted(len(left), "step")),
        *left,
        _field(
            "to go on",
            f"raise budget.{outcome.resource} in nebulus.toml, then `{again}`: finished steps stay",
        ),
    ]


def _failed(story: Story, outcome: Failed, again: str) -> list[Line]:
    failure = outcome.failure
    tried = [Line(f"    {one_line(lesson, 300)}") for lesson in story.lessons]
    return [
        headline(outcome),
        *_asked(story, outcome.step),
        _field("what broke", one_line(failure.what, 400)),
        *([_field("with", one_line(failure.value, 400))] if failure.value else []),
        *([_field("class", f"{failure.kind.value}: a guess by its words")] if _is_guess(failure) else []),
        _field("tried", f"{counted(failure.attempts, 'time')}{':' if tried else ''}"),
        *tried,
        _field("at fault", FAULTS[failure.fault]),
        *_stands(story),
        _field("would help", _help(failure)),
        _field("to go on", f"`{again}` takes it up at this step; finished steps stay finished"),
        _field("see also", f"`{_show(again)}`: every step as it went"),
    ]


def _is_guess(failure: Failure) -> bool:
    return failure.recognised is Recognised.TEXT


def _help(failure: Failure) -> str:
    return one_line(failure.fix, 400) or "nothing is known; the lines above are all there is"


def _asked(story: Story, step: int) -> list[Line]:
    lines = [_field("asked for", one_line(story.goal.text, 300))]
    if step:
        text = story.plan.steps[step - 1].text
        lines.append(_field("it broke at", f"step {step} of {len(story.plan.steps)}: {one_line(text, 300)}"))
    return lines


def _stands(story: Story) -> list[Line]:
    """Return what stays: the steps that are done, and what they did to the world."""
    lines = [_field("what stands", f"{story.done_count} of {counted(len(story.plan.steps), 'step')} done")]
    hidden = len(story.effects) - _EFFECTS_SHOWN
    if hidden > 0:
        lines.append(Line(f"    … {counted(hidden, 'earlier change')}"))
    lines += [Line(f"    {one_line(effect, 120)}") for effect in story.effects[-_EFFECTS_SHOWN:]]
    return lines


def _unfinished(story: Story, again: str) -> list[Line]:
    return [
        headline(None),
        *_asked(story, 0),
        *_stands(story),
        _field("to go on", f"`{again}`"),
        _field("cost", cost(story.spent)),
    ]


def _show(again: str) -> str:
    return again.replace("resume", "show", 1)


def _field(name: str, value: str) -> Line:
    return Line(f"  {name + ':':<13}{value}")
