"""The answer of a run: how it is requested, and which parts of it code can check.

Invariants: a concluding prompt shows all that was found, as far as there is room, the most relevant first; an answer
that does not fit its schema is a finding; of one that does, each value says whether the run saw it.
"""

import json
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import msgspec

from nebulus.core.answers import Form, FreeForm, Shape
from nebulus.core.digest import canonical
from nebulus.core.findings import Finding, FindingKind
from nebulus.core.plan import StepStatus
from nebulus.core.prompt import Piece, PieceKind, Prompt
from nebulus.core.result import WRAPPED, Result, ResultSpec, wrapped
from nebulus.core.schemas import compiled
from nebulus.core.state import Fact, Observation, State
from nebulus.core.text import bounded
from nebulus.core.unreadable import UNREADABLE
from nebulus.memory.extract import unfenced
from nebulus.memory.pieces import (
    BOUNDLESS,
    SAID,
    head_pieces,
    lesson_piece,
    observation_piece,
    question_piece,
    size_of,
    whole_fact,
)
from nebulus.memory.recall import Index
from nebulus.memory.room import Room
from nebulus.memory.structure import scalars_of
from nebulus.memory.trace import trace

FROM_NOTHING = "Answer what is asked under Now."
FROM_FOUND = (
    "Answer what is asked under Now, from what is shown. Copy names, numbers and values exactly as written. "
    "Where what is shown is not enough, say what is missing."
)
AFTER_CALLS = (
    "The calls are over. Answer what is asked under Now, from what they returned. Copy names, numbers and values exactly "
    "as written. Where that is not enough, say what is missing."
)
AS_JSON = "Answer with JSON alone."
AS_JSON_INSIDE = f'Answer with JSON alone: {{"{WRAPPED}": ...}}.'
OR_FAILURE = "Where the answer can't be given, answer with the fields under Failure instead."
RECALLED_FIRST = 24
"""Facts that share words with the goal, shown before all others."""
STEP_CHARS = 160
ERROR_CHARS = 300
LESSONS_SHOWN = 5
LAST_SHARE = 0.4
"""The share of the room that the last result may take; it is shown whole if that is enough."""
QUESTION_CHARS = 600
"""A longer goal is not repeated as the question: it is above."""
_STATUSES = {
    StepStatus.FAILED: "failed",
    StepStatus.DROPPED: "given up",
    StepStatus.PENDING: "not done",
    StepStatus.ACTIVE: "not done",
}
_TITLES_BYTES = 160
_PLAIN = frozenset({"type", "title", "description", "default"})
_SAID = ("description", "title")


def compose_answer(
    state: State, spec: ResultSpec, *, room_bytes: int = BOUNDLESS, index: Index | None = None
) -> Prompt:
    """Return the prompt that asks for the answer of a run: the goal, what was done and found, and the question.

    By rank: the last result, facts that share words with the goal, the other facts and results from the newest on,
    errors, lessons, open questions. Beyond `room_bytes`, what ranks lowest is left out, and the prompt says so.
    """
    head = [*_instructions(state, spec), *head_pieces(state)]
    now = [*_fields(spec), _question(state)]
    room = Room(room_bytes - sum(size_of(piece.line) for piece in (*head, *now)) - _TITLES_BYTES)
    return Prompt((*head, *_found(state, room, (index or Index()).covering(state.facts)), *now))


def closing_pieces(state: State, spec: ResultSpec, *, said: str = "") -> tuple[Piece, ...]:
    """Return what is asked for at the end of a prompt that has shown the calls of the run as turns.

    `said` is how the model ended the calls: without it, one that had counted four lines answered three.
    """
    parts = [AFTER_CALLS, AS_JSON_INSIDE]
    parts += [OR_FAILURE] if spec.failure_schema else []
    return (
        *([Piece(PieceKind.PROGRESS, said, SAID, label="You ended the calls with: ")] if said else []),
        Piece(PieceKind.STEP, label=" ".join(parts)),
        *(() if spec.is_text else _fields(spec)),
        _question(state),
    )


def answer_form(spec: ResultSpec, *, has_tools: bool = False) -> Form:
    """Return the form of the answer: free text, or an object, of the schema or with the field `answer`.

    `has_tools`: the prompt shows tools, so every answer is asked for as the field `answer`, lest it become a call: a
    model that had just called tools answered `{"name": "read_file"` where a product's name was wanted.
    """
    if spec.is_text and not has_tools:
        return FreeForm()
    if spec.is_text:
        return Shape(wrapped({"type": "string", "minLength": 1}))
    if not (spec.is_wrapped or has_tools):
        return Shape(spec.schema)
    either = {"anyOf": [spec.schema, spec.failure_schema]} if spec.failure_schema else spec.schema
    return Shape(wrapped(either))


def answer_of(text: str, spec: ResultSpec, state: State) -> Result | Finding:
    """Return the answer that a model wrote as `text`, checked and traced; a finding if it can't be used.

    JSON may be in a Markdown fence, and a wrapped answer without its wrapper. What fits both the result and the
    failure is the result.
    """
    if not text.strip():
        return Finding(kind=FindingKind.EMPTY, rule="the answer is empty")
    if spec.is_text:
        return Result(value=_unwrapped(text).strip())
    try:
        value: Any = msgspec.json.decode(unfenced(text))
    except UNREADABLE as error:
        rule = f"the answer is not JSON: {error}"
        return Finding(kind=FindingKind.UNREADABLE, rule=rule, value=bounded(text, 80))
    if isinstance(value, dict) and value.keys() == {WRAPPED} and _iswrapped(spec, value[WRAPPED]):
        value = value[WRAPPED]
    wrong = _complaint(spec.schema, value)
    if wrong is None:
        return Result(value=value, sources=trace(value, state, schema=spec.schema))
    if spec.failure_schema and _complaint(spec.failure_schema, value) is None:
        sources = trace(value, state, schema=spec.failure_schema)
        return Result(value=value, sources=sources, is_failure=True)
    return wrong


def _iswrapped(spec: ResultSpec, inner: Any) -> bool:
    """Whether an object whose only field is `answer`, with the value `inner`, wraps the answer and is not the answer."""
    return spec.is_wrapped or _complaint(spec.schema, inner) is None


def _unwrapped(text: str) -> str:
    """Return the field `answer` of a JSON object that has no other; any other text as it is."""
    try:
        value = msgspec.json.decode(text)
    except UNREADABLE:  # Text is what was asked for.
        return text
    inner = value.get(WRAPPED) if isinstance(value, dict) and value.keys() == {WRAPPED} else None
    return inner if isinstance(inner, str) else text


def _instructions(state: State, spec: ResultSpec) -> Iterator[Piece]:
    has_found = bool(state.facts or state.observations or state.artifacts)
    parts = [FROM_FOUND if has_found else FROM_NOTHING]
    parts += [] if spec.is_text else [AS_JSON_INSIDE if spec.is_wrapped else AS_JSON]
    parts += [OR_FAILURE] if spec.failure_schema else []
    yield Piece(PieceKind.INSTRUCTIONS, label=" ".join(parts))


def _question(state: State) -> Piece:
    is_short = len(state.goal.text) <= QUESTION_CHARS
    asked = f"answer this: {' '.join(state.goal.text.split())}" if is_short else "answer the goal."
    return Piece(PieceKind.STEP, label=f"Now: {asked}")


def _fields(spec: ResultSpec) -> Iterator[Piece]:
    """Return what the schema asks for: a line for each field of an object, else the schema itself."""
    for title, schema in (("Answer with these fields:", spec.schema), ("Failure:", spec.failure_schema)):
        properties = schema.get("properties")
        if isinstance(properties, dict):
            for name, inner in properties.items():
                yield Piece(PieceKind.STEP, title=title, label=f"- {name}: {_meaning(inner)}")
        elif schema:
            yield Piece(PieceKind.STEP, title=title, label=f"- {canonical(schema).decode()}")


def _meaning(schema: Any) -> str:
    """Return a field's schema in words: its description, and which values it may have."""
    if not isinstance(schema, dict):
        return "any value"
    kind = schema.get("type")
    is_plain = isinstance(kind, str) and kind not in ("object", "array") and not schema.keys() - _PLAIN
    said = " ".join(str(schema.get("description", "")).split())
    shape = kind if is_plain else canonical({k: v for k, v in schema.items() if k not in _SAID}).decode()
    return f"{said} ({shape})" if said else str(shape)


def _found(state: State, room: Room, index: Index) -> Iterator[Piece]:
    """What was done and found, by rank as far as there is room, in the order in which it is shown."""
    results = [
        seen
        for seen in reversed(state.observations)
        if not seen.is_error and not _is_covered(seen, index.of_steps((seen.step,)))
    ]
    errors = [seen for seen in reversed(state.observations) if seen.is_error]
    last = [
        room.observed(seen, most_chars=BOUNDLESS, most_bytes=int(LAST_SHARE * room.left), name=_name_of(seen))
        for seen in results[:1]
    ]
    facts, steps = _facts_and_steps(state, room, index)
    others = room.taken(
        "results", results[1:], lambda seen: observation_piece(seen, BOUNDLESS, name=_name_of(seen))
    )
    failed = room.taken(
        "errors", errors, lambda seen: observation_piece(seen, ERROR_CHARS, name=_name_of(seen))
    )
    lessons = room.taken("lessons", state.lessons[::-1][:LESSONS_SHOWN], lesson_piece)
    questions = room.taken("questions", reversed(state.questions), question_piece)
    yield from steps
    yield from facts
    yield from (piece for _, piece in reversed(questions))
    yield from (piece for _, piece in reversed(lessons))
    yield from (piece for _, piece in reversed(failed))
    yield from (piece for _, piece in reversed(others))
    yield from (piece for piece in last if piece is not None)
    yield from room.notice()


def _facts_and_steps(state: State, room: Room, index: Index) -> tuple[list[Piece], list[Piece]]:
    """The facts that fit, those that share words with the goal first, then the newest; and the steps they belong to.

    A fact is shown with the step that produced it: without it, a number says little. Failed steps are shown too.
    """
    recalled = index.best(state.goal.text, most=RECALLED_FIRST)
    count = len(state.plan.steps)
    places = {fact: place for place, fact in enumerate(state.facts)}
    steps: dict[int, Piece] = {}
    facts: list[tuple[int, Piece]] = []
    for fact in dict.fromkeys((*recalled, *reversed(state.facts))):
        piece = whole_fact(fact)
        new = [_step(state, fact.step)] if 0 < fact.step <= count and fact.step not in steps else []
        if room.fits(piece, *new):
            facts.append((places[fact], piece))
            steps.update((fact.step, step) for step in new)
        else:
            room.miss("facts", 1)
    unmet = [step.number for step in reversed(state.plan.steps) if step.status in _STATUSES]
    others = room.taken("steps", (n for n in unmet if n not in steps), lambda n: _step(state, n))
    steps.update(others)
    return (
        [piece for _, piece in sorted(facts, key=lambda pair: pair[0])],
        [piece for _, piece in sorted(steps.items())],
    )


def _is_covered(seen: Observation, facts: tuple[Fact, ...]) -> bool:
    """Whether the facts of its step contain all that was seen: the text itself, or each field of a flat JSON object."""
    if any(not fact.field and fact.value == seen.text for fact in facts):
        return True
    known = {(fact.field, fact.value) for fact in facts}
    fields = {(mark.name, mark.value) for mark in scalars_of(seen.text)}
    return bool(fields) and fields <= known


def _name_of(seen: Observation) -> str:
    return f"Result of step {seen.step}"


def _step(state: State, number: int) -> Piece:
    step = state.step(number)
    status = _STATUSES.get(step.status, "")
    return Piece(
        PieceKind.PROGRESS,
        bounded(step.text, STEP_CHARS),
        state.plan.provenance,
        title="Done:",
        label=f"- step {number}: ",
        note=f" ({status})" if status else "",
    )


def _complaint(schema: dict[str, Any], value: Any) -> Finding | None:
    """Return the first thing that is wrong with `value`, or None if it is valid."""
    error = next(iter(_validator(canonical(schema)).iter_errors(value)), None)
    if error is None:
        return None
    where = "".join(f"/{part}" for part in error.instance_path)
    return Finding(
        kind=FindingKind.UNREADABLE,
        rule="the answer does not fit what was asked for",
        where=where,
        value=bounded(error.message, 200),
    )


@lru_cache(maxsize=64)
def _validator(schema_json: str) -> Any:
    return compiled(json.loads(schema_json), is_own=True)
