"""`State + what happened → State`: facts, artifacts, observations and lessons, kept by code.

Invariants: finished work stays finished; no model is needed to remember it. All that a tool returned is in a
fact, or behind a handle. What a model says is a note under its name, and replaces nothing.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

import msgspec
from msgspec.structs import replace

from nebulus.core.digest import canonical
from nebulus.core.plan import FINISHED_STATUSES, Plan, Step, StepStatus
from nebulus.core.provenance import CONFIG, USER, Origin, Provenance, join
from nebulus.core.references import reference_of
from nebulus.core.state import Artifact, Fact, FactKind, Lesson, Observation, OpenQuestion, State
from nebulus.core.text import bounded
from nebulus.core.tools import Mark, ToolResult
from nebulus.core.unreadable import UNREADABLE
from nebulus.memory.references import mentioned_steps
from nebulus.memory.structure import marks_of, slug

FACT_VALUE_CHARS = 400
"""The longest value that is kept as a fact; a longer one is read from its artifact."""
HEAD_CHARS = 400
NOTE_CHARS = 400
QUESTIONS_KEPT = 8
ARGUMENT_CHARS = 1000
"""The longest part of a text argument that is kept with the output of its call."""
OBSERVATIONS_OF_ANSWER = 16
"""How many outputs of the calls of one answer are kept to be shown, the last ones."""
OBSERVATIONS_OF_OPEN_STEP = 64
"""How many outputs are kept of a step that is open, the last ones."""
OBSERVATIONS_KEPT = 32
"""Above this number, observations that no step will be shown are dropped: memory does not grow with the plan."""
USER_ANSWER_CHARS = 2000
"""The longest part of a user's answer that is kept; the prompt says what was cut."""


def with_plan(state: State, plan: Plan) -> State:
    """Return `state` with `plan` in place."""
    return replace(state, plan=plan)


def with_active(state: State, number: int) -> State:
    """Return `state` with step `number` active, whichever others are.

    Raises:
        ValueError: the step is finished; what was done is not begun again.
    """
    status = state.step(number).status
    if status in FINISHED_STATUSES:
        raise ValueError(f"step {number} is {status}; it can't become active again")
    return _with_status(state, number, StepStatus.ACTIVE)


def with_step_ended(state: State, number: int, status: StepStatus) -> State:
    """Return `state` with step `number` ended as `status`; its lessons are kept, and shown to no other step."""
    return _with_status(state, number, status)


def with_result(
    state: State,
    *,
    step: int,
    tool: str,
    call_id: str,
    result: ToolResult,
    made_from: tuple[Provenance, ...] = (),
    declared: tuple[str, ...] = (),
    reads: Collection[str] = (),
    arguments: str = "",
) -> State:
    """Return `state` with a tool's result distilled into facts, an artifact and the step's last observation.

    `made_from` are the provenances of what the tool was given: they are joined with the tool's own. `declared` names the
    fields that the tool declares as worth remembering, dotted for inner ones; all scalars if it declares none.
    What the text labels with a name in `reads` becomes a fact in any case. `arguments` are those of the call, as JSON.
    """
    provenance = provenance_of(tool=tool, call_id=call_id, is_trusted=result.is_trusted, made_from=made_from)
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
            step=step,
            provenance=provenance,
        )
        artifacts = (*artifacts, artifact)
    found: tuple[Mark, ...] = ()
    if not result.is_lost:
        found = tuple(_declared(result, declared) if declared else _found(result))
        found = (*found, *_labelled(result, reads, besides=found))
    seen = Observation(
        step=step,
        tool=tool,
        text=result.text,
        provenance=provenance,
        handle=call_id if result.artifact else "",
        answer=answer_of_call(call_id),
        arguments=arguments,
    )
    known = replace(state, facts=(*state.facts, *_facts_of(found, step, provenance)), artifacts=artifacts)
    return _with_seen(known, seen)


def kept_arguments(arguments: Mapping[str, Any]) -> str:
    """Return the arguments of a call as JSON, each long text cut to its beginning."""
    return canonical(_shortened(arguments)).decode()


def _shortened(value: Any) -> Any:
    match value:
        case str() if len(value) > ARGUMENT_CHARS:
            return f"{value[:ARGUMENT_CHARS]}… ({len(value) - ARGUMENT_CHARS} more characters)"
        case Mapping():
            return {name: _shortened(inner) for name, inner in value.items()}
        case list() | tuple():
            return [_shortened(inner) for inner in value]
        case _:
            return value


def answer_of_call(call_id: str) -> str:
    """Return the id that the calls of one answer share: `c7` for `c7`, `c7.1` and `c7.2`."""
    return call_id.partition(".")[0]


def provenance_of(
    *, tool: str, call_id: str, is_trusted: bool, made_from: tuple[Provenance, ...] = ()
) -> Provenance:
    """Return the provenance of a result or an error: the tool's own, joined with that of what it was given."""
    return join((Provenance((Origin("tool", tool, call_id),), is_trusted), *made_from))


def with_read(state: State, marks: Iterable[Mark], *, step: int, label: Provenance, model: str) -> State:
    """Return `state` with values that `model` read from a text that contains them: they keep the text's provenance."""
    origins = tuple(sorted({*label.origins, Origin("model", model)}))
    read = _facts_of(marks, step, replace(label, origins=origins))
    return replace(state, facts=(*state.facts, *read))


def with_error(
    state: State,
    *,
    step: int,
    tool: str,
    text: str,
    provenance: Provenance,
    call_id: str = "",
    arguments: str = "",
) -> State:
    """Return `state` with a tool's error as the step's last observation; the rest as for a result."""
    seen = Observation(
        step=step,
        tool=tool,
        text=text,
        provenance=provenance,
        is_error=True,
        answer=answer_of_call(call_id),
        arguments=arguments,
    )
    return _with_seen(state, seen)


def with_lesson(state: State, *, step: int, kind: str, why: str, provenance: Provenance = CONFIG) -> State:
    """Return `state` with one more failure of `step` counted, under its kind and reason; 0 is for the planner.

    `provenance` is that of the text which `why` quotes; a lesson that quotes nothing is ours.
    """
    lessons = list(state.lessons)
    for index, lesson in enumerate(lessons):
        if (lesson.step, lesson.kind, lesson.why) == (step, kind, why):
            both = join((lesson.provenance, provenance))
            lessons[index] = replace(lesson, count=lesson.count + 1, provenance=both)
            return replace(state, lessons=tuple(lessons))
    return replace(state, lessons=(*state.lessons, Lesson(step, kind, why, provenance=provenance)))


def without_mistakes(state: State, *, step: int) -> State:
    """Return `state` without the lessons of `step`, once a call has succeeded; what the guard refused stays known."""
    kept = tuple(lesson for lesson in state.lessons if lesson.step != step or lesson.kind == "refused")
    return state if len(kept) == len(state.lessons) else replace(state, lessons=kept)


def with_note(state: State, text: str, *, step: int, model: str, is_trusted: bool) -> State:
    """Return `state` with what `model` said in `step`: bounded, under its name, and never treated as a result.

    `is_trusted` is false if text from outside was in the prompt that it answered.
    """
    said = " ".join(text.split())
    if not said:
        return state
    if len(said) > NOTE_CHARS:
        said = f"{said[:NOTE_CHARS]}… [{len(said) - NOTE_CHARS} more characters not kept]"
    label = Provenance((Origin("model", model),), is_trusted)
    note = Fact(step=step, value=said, provenance=label, kind=FactKind.NOTE)
    return replace(state, facts=(*state.facts, note))


def with_question(state: State, question: str, *, provenance: Provenance = CONFIG) -> State:
    """Return `state` with an open question, verbatim; of many, the newest are kept."""
    asked = OpenQuestion(question, provenance)
    return replace(state, questions=(*state.questions, asked)[-QUESTIONS_KEPT:])


def without_question(state: State, question: str) -> State:
    """Return `state` with `question` answered."""
    return replace(state, questions=tuple(item for item in state.questions if item.text != question))


def with_user_answer(
    state: State, question: str, answer: str, *, step: int, model: str, is_trusted: bool
) -> State:
    """Return `state` with what `model` asked in `step`, and what the user answered.

    The answer is the user's. The question is not: a model chose its words, `is_trusted` as for a note.
    """
    label = Provenance((Origin("model", model),), is_trusted)
    asked = Fact(step=step, value=question, provenance=label, kind=FactKind.QUESTION)
    answered = Fact(
        step=step, value=bounded(answer, USER_ANSWER_CHARS), provenance=USER, kind=FactKind.ANSWER
    )
    return replace(state, facts=(*state.facts, asked, answered))


def _with_status(state: State, number: int, status: StepStatus) -> State:
    steps: list[Step] = list(state.plan.steps)
    steps[number - 1] = replace(steps[number - 1], status=status)
    return replace(state, plan=replace(state.plan, steps=tuple(steps)))


def _with_seen(state: State, seen: Observation) -> State:
    """`state` with `seen` as the last observation of its step, without what no unfinished step will be shown.

    What the other calls of the same answer returned stays; what earlier answers of the step brought is dropped, unless
    the step is open.
    """
    own = [item for item in state.observations if item.step == seen.step]
    kept = [item for item in state.observations if item.step != seen.step]
    if seen.step and state.step(seen.step).is_open:
        kept += own[1 - OBSERVATIONS_OF_OPEN_STEP :]
        return replace(state, observations=(*kept, seen))
    same = [item for item in own if item.answer == seen.answer]
    kept += same[1 - OBSERVATIONS_OF_ANSWER :] if seen.answer else []
    if len(kept) >= OBSERVATIONS_KEPT:
        unfinished = [step for step in state.plan.steps if step.status not in FINISHED_STATUSES]
        needed = {
            number for step in unfinished for number in (step.number, *step.depends_on, *_wanted_by(step))
        }
        kept = [item for item in kept if item.step in needed]
    return replace(state, observations=(*kept, seen))


def _wanted_by(step: Step) -> frozenset[int]:
    """The steps whose results a step asks for, in its text or by reference."""
    given = [reference_of(value) for value in step.arguments.values()]
    named = {reference.number for reference in given if reference is not None and reference.kind == "step"}
    return mentioned_steps(step.text) | named


def _facts_of(found: Iterable[Mark], step: int, provenance: Provenance) -> Iterator[Fact]:
    for mark in found:
        if 0 < len(mark.value) <= FACT_VALUE_CHARS:
            yield Fact(
                step=step,
                field=mark.name,
                value=mark.value,
                provenance=provenance,
                where=mark.where,
                is_labelled=mark.is_labelled,
            )


def _declared(result: ToolResult, declared: tuple[str, ...]) -> Iterator[Mark]:
    """Yield only the declared fields, inner ones read from the text if it is JSON."""
    for name in declared:
        value = result.fields.get(name, _inner(result.text, name))
        if value is not None:
            yield Mark("" if name == "result" else name, str(value))


def _found(result: ToolResult) -> Iterator[Mark]:
    """Yield one mark per field, or the whole of a short text, or its marks; a field `result` is the step's own."""
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
        if slug(mark.name) in wanted and mark.is_labelled:
            yield mark


def _inner(text: str, path: str) -> str | None:
    """The scalar at a dotted path of a JSON text."""
    try:
        value: Any = msgspec.json.decode(text)
    except UNREADABLE:  # Text that is not JSON has no inner values.
        return None
    for part in path.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    match value:
        case None | dict() | list():
            return None
        case _:
            return str(value)
