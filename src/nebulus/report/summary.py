"""The summary of a run: how it ended, with which answer, why, and what to do next."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, assert_never

from nebulus.core.failure import Failure, Fault, Recognised
from nebulus.core.outcome import Blocked, Done, Evidence, Exhausted, Failed, Outcome, Proof, Refused
from nebulus.core.plan import GOAL, EndsAs
from nebulus.core.result import FieldSource, Result
from nebulus.core.text import counted
from nebulus.report.run import RunReport
from nebulus.report.text import Line, format_cost, format_value, one_line, safe, safe_lines

FAULTS: Mapping[Fault, str] = MappingProxyType(
    {
        Fault.MODEL: "the model: it did not write what the step needs",
        Fault.TOOL: "the tool: it could not do what it was asked to do",
        Fault.POLICY: "nobody: the policy forbids it",
        Fault.BUDGET: "nobody: the budget is used up",
        Fault.BACKEND: "the model server: it gave no usable answer",
        Fault.CONTRACT: "the task: it is impossible, or its checks do not pass",
        Fault.RUNTIME: "Nebulus, or this machine",
    }
)
SHOWN_DIGITS = 12
"""How much is shown of the digest by which a question is answered: enough to be unique, short enough to type."""
_EFFECTS_SHOWN = 8
_SOURCES_SHOWN = 40


def summary_lines(report: RunReport, *, resume: str, has_answer: bool = True) -> list[Line]:
    """Return the summary of a run.

    `resume` is the command that resumes it ("nebulus resume RUN"), "" for a run that is not stored. `has_answer` says
    whether to include the answer itself, not only where its values were seen.
    """
    outcome = report.outcome
    if outcome is None:
        return _unfinished(report, resume)
    match outcome:
        case Done():
            lines = [*_done(outcome, has_answer=has_answer), *_see_also(report, resume)]
        case Blocked():
            lines = _blocked(outcome, resume)
        case Refused():
            lines = _refused(report, outcome, resume)
        case Exhausted():
            lines = _exhausted(report, outcome, resume)
        case Failed():
            lines = _failed(report, outcome, resume)
        case _:
            assert_never(outcome)
    return [*lines, _field("cost", format_cost(report.spent))]


def headline(outcome: Outcome | None) -> Line:
    """Return the outcome in one line."""
    match outcome:
        case None:
            return Line("not ended", "yellow")
        case Done(proof=Proof.PROVEN):
            return Line("Done, and proven: code has checked it", "bold green")
        case Done():
            return Line("Done, but claimed: code has not checked all of it", "bold yellow")
        case Blocked():
            return Line("Blocked: a person must answer first", "bold yellow")
        case Refused():
            return Line("Refused: it is not allowed", "bold red")
        case Exhausted():
            return Line(f"Exhausted: the budget of {outcome.resource} is used up", "bold red")
        case Failed():
            return Line("Failed: something broke that could not be fixed", "bold red")
        case _:
            assert_never(outcome)


def source_lines(result: Result) -> list[Line]:
    """Return each value of an answer with the place where it was seen; one that was seen nowhere is "claimed"."""
    if not result.sources:
        return [Line("    ~ the answer: claimed; code does not compare it with what was seen", "yellow")]
    lines = [_source(source, result.value) for source in result.sources[:_SOURCES_SHOWN]]
    hidden = len(result.sources) - _SOURCES_SHOWN
    return [*lines, Line(f"    … {counted(hidden, 'more value')}", "dim")] if hidden > 0 else lines


def _source(source: FieldSource, answer: Any) -> Line:
    name = safe(source.path) if source.path else "the answer"
    value = f" {one_line(format_value(value_at(answer, source.path)), 80)}" if source.path else ""
    trust = "" if source.provenance.is_trusted else ", in untrusted text"
    if source.is_proven:
        return Line(
            f"    ✓ {name}{value}: seen in {one_line(source.seen_in) or 'what the run saw'}{trust}", "green"
        )
    return Line(f"    ~ {name}{value}: claimed, seen nowhere", "yellow")


def value_at(value: Any, pointer: str) -> Any:
    """Return the value at a JSON pointer in decoded JSON, or None if there is none.

    Source: RFC 6901.
    """
    for part in pointer.split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        match value:
            case dict():
                value = value.get(key)
            case list() if key.isdecimal() and int(key) < len(value):
                value = value[int(key)]
            case _:
                return None
    return value


def _done(outcome: Done, *, has_answer: bool) -> list[Line]:
    lines = [headline(outcome), Line(f"  {outcome.summary}"), *map(_evidence, outcome.evidence)]
    if any(not item.is_proven for item in outcome.evidence):
        lines.append(Line("  (✓ code checked the world · ~ a call succeeded, or the model said so)", "dim"))
    if outcome.result is None:
        return lines
    answer = _answer(outcome.result) if has_answer else []
    return [*lines, *answer, *source_lines(outcome.result)]


def _answer(result: Result) -> list[Line]:
    name = "no answer" if result.is_failure else "answer"
    if not isinstance(result.value, str):
        return [_field(name, safe(format_value(result.value)))]
    first, *rest = safe_lines(result.value) or [""]
    return [_field(name, first), *(Line(f"{'':<15}{line}") for line in rest)]


def _evidence(item: Evidence) -> Line:
    mark, style = ("✓", "green") if item.is_proven else ("~", "yellow")
    return Line(f"  {mark} {one_line(item.what)}", style)


def _blocked(outcome: Blocked, resume: str) -> list[Line]:
    question = outcome.question
    lines = [headline(outcome), _field("question", one_line(question.text, 1000))]
    if question.tool:
        lines.append(_field("call", f"{question.tool} {one_line(question.arguments, 400)}"))
    lines.append(_field("why", one_line(question.reason, 600)))
    if question.kind == "unknown_outcome":
        lines.append(
            _field(
                "to know",
                "check yourself whether it happened; Nebulus does not guess, so it is not done twice",
            )
        )
    yes = f", or `{resume} --yes` to allow it without looking" if question.kind == "approval" else ""
    lines += _to_go_on(resume, f"`{resume}` in a terminal, where you will be asked{yes}")
    if question.run_id and question.digest and f"resume {question.run_id}" in resume:
        answer = f"{{}} {question.digest[:SHOWN_DIGITS]}".format
        commands = [resume.replace(f"resume {question.run_id}", answer(word)) for word in ("approve", "deny")]
        lines.append(_field("or decide", f"`{commands[0]}`, or `{commands[1]} REASON`; then resume it"))
    return lines


def _refused(report: RunReport, outcome: Refused, resume: str) -> list[Line]:
    return [
        headline(outcome),
        *_asked(report, outcome.step),
        _field("who", "a person" if outcome.rule == "person" else f"the rule {outcome.rule}"),
        _field("why", one_line(outcome.reason, 400)),
        *_kept(report),
        *_to_go_on(resume, f"change the plan or the policy; then `{resume}` tries this step again"),
    ]


def _exhausted(report: RunReport, outcome: Exhausted, resume: str) -> list[Line]:
    left = [Line(f"    {one_line(step)}") for step in outcome.undone]
    return [
        headline(outcome),
        _field("limit", f"{outcome.limit:g} {outcome.resource}"),
        *_kept(report),
        _field("left", counted(len(left), "step")),
        *left,
        *_to_go_on(
            resume,
            f"raise budget.{outcome.resource} in nebulus.toml, then `{resume}`: finished steps stay finished",
        ),
    ]


def _failed(report: RunReport, outcome: Failed, resume: str) -> list[Line]:
    failure = outcome.failure
    tried = [Line(f"    {one_line(lesson, 300)}") for lesson in report.lessons]
    return [
        headline(outcome),
        *_asked(report, outcome.step),
        _field("what broke", one_line(failure.what, 400)),
        *([_field("with", one_line(failure.value, 400))] if failure.value else []),
        *([_field("class", f"{failure.kind.value}: a guess from the wording")] if _is_guess(failure) else []),
        _field("tried", f"{counted(failure.attempts, 'time')}{':' if tried else ''}"),
        *tried,
        _field("at fault", FAULTS[failure.fault]),
        *_kept(report),
        _field("would help", one_line(failure.fix, 400) or "nothing is known except the lines above"),
        *_to_go_on(resume, f"`{resume}` tries this step again; finished steps stay finished"),
        *_see_also(report, resume),
    ]


def _is_guess(failure: Failure) -> bool:
    return failure.recognised is Recognised.TEXT


def _asked(report: RunReport, step: int) -> list[Line]:
    lines = [_field("asked for", one_line(report.goal.text, 300))]
    if step:
        text = report.plan.steps[step - 1].text
        lines.append(_field("it broke at", f"step {step} of {len(report.plan.steps)}: {one_line(text, 300)}"))
    return lines


def _kept(report: RunReport) -> list[Line]:
    """Return what is kept: the steps that are done, and what they did to the world."""
    if not report.plan.steps:
        return []
    lines = [_field("what stays", f"{report.done_count} of {counted(len(report.plan.steps), 'step')} done")]
    hidden = len(report.effects) - _EFFECTS_SHOWN
    if hidden > 0:
        lines.append(Line(f"    … {counted(hidden, 'earlier change')}"))
    lines += [Line(f"    {one_line(effect.text, 120)}") for effect in report.effects[-_EFFECTS_SHOWN:]]
    return lines


def _unfinished(report: RunReport, resume: str) -> list[Line]:
    return [
        headline(None),
        *_asked(report, 0),
        *_kept(report),
        *_to_go_on(resume, f"`{resume}`"),
        _field("cost", format_cost(report.spent)),
    ]


def _to_go_on(resume: str, text: str) -> list[Line]:
    return [_field("to go on", text)] if resume else []


def _see_also(report: RunReport, resume: str) -> list[Line]:
    """Name the commands that tell more: for a goal in prose that only the model says is reached, also the vote."""
    if not resume:
        return []
    show = resume.replace("resume", "show", 1)
    lines = [_field("see also", f"`{show}`: every step as it went")]
    is_claimed = isinstance(report.outcome, Done) and report.outcome.proof is Proof.CLAIMED
    is_voted = any(isinstance(check, EndsAs) for check in report.goal.checks)
    if is_claimed and report.plan.origin == GOAL and not is_voted:
        lines.append(
            _field("to be surer", "`--votes 3` tries it in copies, and does what most tries agree on")
        )
    return lines


def _field(name: str, value: str) -> Line:
    return Line(f"  {name + ':':<13}{value}")
