"""`State + what happened → State`: facts, artifacts, observations and lessons, kept by code.

Laws: finished work stays finished; no model is needed to remember it. What a tool returned stands whole
in a fact, or whole behind a handle. What a model says is a note with its name on it, and replaces nothing.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

import msgspec
from msgspec.structs import replace

from nebulus.core.plan import FINISHED_STATUSES, Plan, Step, StepStatus
from nebulus.core.provenance import USER, Origin, Provenance, join
from nebulus.core.state import Artifact, Fact, Lesson, Observation, State
from nebulus.core.text import bounded
from nebulus.core.tools import Mark, ToolResult
from nebulus.memory.references import ANSWER, QUESTION, fact_name
from nebulus.memory.structure import is_labelled, marks_of, slug

FACT_VALUE_CHARS = 400
"""Longest value kept as a fact; a longer one is reached through its artifact."""
HEAD_CHARS = 400
NOTE_CHARS = 400
QUESTIONS_KEPT = 8
TOLD_CHARS = 2000
"""Longest part of a user's answer that is kept; what is cut is said."""


def with_plan(state: State, plan: Plan) -> State:
    """Return `state` with `plan` in place, no step active yet."""
    return replace(state, plan=plan, active=0)


def with_active(state: State, number: int) -> State:
    """Return `state` with step `number` active and the last step's observations let go.

    Raises:
        ValueError: that step is finished; nothing that was done is begun again.
    """
    if state.plan.steps[number - 1].status in FINISHED_STATUSES:
        raise ValueError(
            f"step {number} is {state.plan.steps[number - 1].status}; it can't become active again"
        )
    started = _with_status(state, number, StepStatus.ACTIVE)
    last = tuple(state.observations[-1:])
    return replace(started, active=number, observations=last)


def with_step_ended(state: State, status: StepStatus) -> State:
    """Return `state` with the active step ended as `status`; its lessons stay, and are shown to no other step."""
    return replace(_with_status(state, state.active, status), active=0)


def with_result(
    state: State,
    *,
    tool: str,
    call_id: str,
    result: ToolResult,
    made_from: tuple[Provenance, ...] = (),
    declared: tuple[str, ...] = (),
    reads: Collection[str] = (),
) -> State:
    """Return `state` with a tool's result distilled into facts, an artifact and the last observation.

    `made_from` are the labels of what the tool was given: they join the tool's own. `declared` names the
    fields that the tool says are worth remembering, dotted for inner ones; all scalars if it says none.
    What the text labels with a name in `reads` becomes a fact in any case.
    """
    provenance = provenance_of(result, tool=tool, call_id=call_id, made_from=made_from)
    artifacts = state.artifacts
    if result.artifact:
        artifact = Artifact(
            handle=call_id,
            content=result.artifact,
            size_bytes=result.size_bytes,
            head=result.text[:HEAD_CHARS],
            call_id=call_id,
            tool=tool,
            shape=result.shape,
            step=state.active,
            provenance=provenance,
        )
        artifacts = (*artifacts, artifact)
    found: tuple[Mark, ...] = ()
    if not result.is_lost:
        found = tuple(_declared(result, declared) if declared else _found(result))
        found = (*found, *_labelled(result, reads, besides=found))
    return replace(
        state,
        facts=(*state.facts, *_named(found, state.active, provenance)),
        artifacts=artifacts,
        observations=(
            Observation(
                tool,
                result.text,
                is_trusted=result.is_trusted,
                is_derived=result.is_trusted and not provenance.is_trusted,
                handle=call_id if result.artifact else "",
            ),
        ),
    )


def provenance_of(
    result: ToolResult, *, tool: str, call_id: str, made_from: tuple[Provenance, ...]
) -> Provenance:
    """Return the label of all that `result` holds: the tool's own, joined with what the tool was given."""
    own = Provenance((Origin("tool", f"{tool} {call_id}"),), result.is_trusted)
    return join((own, *made_from))


def with_read(state: State, marks: Iterable[Mark], *, label: Provenance, model: str) -> State:
    """Return `state` with values that `model` read out of a text, each found there: they keep the text's label."""
    origins = tuple(sorted({*label.origins, Origin("model", model)}))
    read = _named(marks, state.active, replace(label, origins=origins))
    return replace(state, facts=(*state.facts, *read))


def with_error(state: State, *, tool: str, text: str, is_derived: bool = False) -> State:
    """Return `state` with a tool's error as the last observation; `is_derived`: what it was given came from outside."""
    return replace(state, observations=(Observation(tool, text, True, is_derived=is_derived),))


def with_lesson(state: State, *, kind: str, why: str) -> State:
    """Return `state` with one more failure of the active step counted, under its kind and reason."""
    lessons = list(state.lessons)
    for index, lesson in enumerate(lessons):
        if (lesson.step, lesson.kind, lesson.why) == (state.active, kind, why):
            lessons[index] = replace(lesson, count=lesson.count + 1)
            return replace(state, lessons=tuple(lessons))
    return replace(state, lessons=(*state.lessons, Lesson(state.active, kind, why)))


def with_note(state: State, text: str, *, model: str, is_trusted: bool) -> State:
    """Return `state` with what `model` said in the active step: bounded, its own, and no word of code's.

    `is_trusted` is false where text from outside stood in the prompt that it was said to.
    """
    said = " ".join(text.split())
    if not said:
        return state
    if len(said) > NOTE_CHARS:
        said = f"{said[:NOTE_CHARS]}… [{len(said) - NOTE_CHARS} more characters not kept]"
    label = Provenance((Origin("model", model),), is_trusted)
    note = Fact(fact_name(state.active, "(the model's words)"), said, label, state.active)
    return replace(state, facts=(*state.facts, note))


def with_question(state: State, question: str) -> State:
    """Return `state` with an open question, verbatim; of many, the newest are kept."""
    return replace(state, questions=(*state.questions, question)[-QUESTIONS_KEPT:])


def without_question(state: State, question: str) -> State:
    """Return `state` with `question` answered."""
    return replace(state, questions=tuple(open_ for open_ in state.questions if open_ != question))


def with_told(state: State, question: str, answer: str, *, model: str, is_trusted: bool) -> State:
    """Return `state` with what `model` asked in the active step, and what the user answered.

    The answer is the user's own word. The question is not: a model chose its words, `is_trusted` as for a note.
    """
    label = Provenance((Origin("model", model),), is_trusted)
    asked = Fact(fact_name(state.active, QUESTION), question, label, state.active)
    told = Fact(fact_name(state.active, ANSWER), bounded(answer, TOLD_CHARS), USER, state.active)
    return replace(state, facts=(*state.facts, asked, told))


def _with_status(state: State, number: int, status: StepStatus) -> State:
    steps: list[Step] = list(state.plan.steps)
    steps[number - 1] = replace(steps[number - 1], status=status)
    return replace(state, plan=replace(state.plan, steps=tuple(steps)))


def _named(found: Iterable[Mark], step: int, provenance: Provenance) -> Iterator[Fact]:
    for mark in found:
        if 0 < len(mark.value) <= FACT_VALUE_CHARS:
            yield Fact(fact_name(step, mark.name), mark.value, provenance, step, mark.where)


def _declared(result: ToolResult, declared: tuple[str, ...]) -> Iterator[Mark]:
    """The declared fields alone, inner ones read from the text where it is JSON."""
    for name in declared:
        value = result.fields.get(name, _inner(result.text, name))
        if value is not None:
            yield Mark("" if name == "result" else name, str(value))


def _found(result: ToolResult) -> Iterator[Mark]:
    """One mark a field, a field called result being the step's own; else the whole of a short text, or its marks."""
    for name, value in result.fields.items():
        yield Mark("" if name == "result" else name, str(value))
    if result.fields:
        return
    if not result.artifact and 0 < len(result.text) <= FACT_VALUE_CHARS:
        yield Mark("", result.text)
    if "\n" in result.text or result.marks or len(result.text) > FACT_VALUE_CHARS:
        yield from result.marks or marks_of(result.text)


def _labelled(result: ToolResult, names: Collection[str], *, besides: Iterable[Mark]) -> Iterator[Mark]:
    """What the text labels with one of `names`, unless it is among the marks that were found already."""
    wanted = {slug(name) for name in names} - {slug(mark.name) for mark in besides}
    for mark in (result.marks or marks_of(result.text, first=names)) if wanted else ():
        if slug(mark.name) in wanted and is_labelled(mark.where):
            yield mark


def _inner(text: str, path: str) -> str | None:
    """The scalar at a dotted path of a JSON text."""
    try:
        value: Any = msgspec.json.decode(text)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):  # Text that is no JSON has no inner values.
        return None
    for part in path.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    match value:
        case None | dict() | list():
            return None
        case _:
            return str(value)
