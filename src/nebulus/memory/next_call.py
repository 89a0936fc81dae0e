"""The prompt that asks for the next call of an open step: the goal, then each call so far with its result as a turn.

Invariants: instructions, goal and files come first and never change, calls come in order, so each prompt begins with
the one before it and a server evaluates only what is new; the room for results is bounded, however many calls there
were: the newest are whole, the oldest are cut to their beginning.
"""

from collections.abc import Iterable, Sequence

from nebulus.core.findings import FindingKind
from nebulus.core.plan import GOAL
from nebulus.core.prompt import Piece, PieceKind, Prompt
from nebulus.core.state import FactKind, Lesson, Observation, State
from nebulus.core.text import bounded
from nebulus.memory.choice import ARTIFACTS_SHOWN, LESSONS_SHOWN
from nebulus.memory.pieces import (
    BOUNDLESS,
    artifact_piece,
    files_pieces,
    head_pieces,
    question_piece,
    size_of,
    turn_piece,
    whole_fact,
)
from nebulus.memory.room import Room

NEXT_INSTRUCTIONS = (
    "Work towards the goal with one tool call at a time. Look before you change anything: list and read what the goal "
    "is about. Copy names, paths and values exactly as written. "
    "When all of the goal is done, call {finish}. Only if it can't be done, whatever is tried, call {give_up}."
)
RESULTS_BYTES = 16_000
"""The most that the results of earlier calls take of a prompt, about 4,000 tokens.

Source: a choice. At 16 to 35 ms for each token of a prompt, evaluating all of it takes 1 to 2 minutes on a laptop's
CPU, which happens only when results are cut.
"""
FILES_SHARE = 0.25
"""The share of the room that the names of files may take: a small window has more important things to show."""
SHORT_CHARS = 160
"""How much is shown of a result that is cut."""
CUT_TOGETHER = 4
"""Results are cut four at a time: each cut changes the prompt's middle, and a server evaluates what follows again."""
CORRECTION_CHARS = 300
_ENDINGS = (FindingKind.UNUSED, FindingKind.GAVE_UP, FindingKind.CHECK_FAILED)
"""What can be wrong with the end of the work."""
TURN_BYTES = 80
"""What a model's template adds to a turn."""


def compose_next(
    state: State,
    *,
    step: int,
    ending: tuple[str, str],
    room_bytes: int = BOUNDLESS,
    closing: tuple[Piece, ...] = (),
) -> Prompt:
    """Return the prompt for the next call of the open step `step`; `ending` names the tools that end it.

    With `closing`, the prompt asks for that at its end instead of the next call: it begins as the prompts for calls did.
    The files of the workspace are named if that takes little of the room.

    Raises:
        LookupError: the plan has no such step.
    """
    asked = state.step(step)
    head = [
        Piece(PieceKind.INSTRUCTIONS, label=NEXT_INSTRUCTIONS.format(finish=ending[0], give_up=ending[1])),
        *head_pieces(state),
    ]
    if state.plan.origin != GOAL:  # otherwise the step is the goal
        head.append(Piece(PieceKind.STEP, asked.text, state.plan.provenance, label=f"Now: step {step}. "))
    left = room_bytes - _lines_bytes((*head, *closing))
    files = tuple(files_pieces(state))
    if _lines_bytes(files) <= FILES_SHARE * left:
        head += files
        left -= _lines_bytes(files)
    room = Room(min(left, RESULTS_BYTES))
    lessons = room.taken("lessons", _lessons(state, step), _correction)
    said = [fact for fact in state.facts if fact.kind in (FactKind.QUESTION, FactKind.ANSWER)]
    answers = room.taken("answers", reversed(said), whole_fact)
    questions = room.taken("questions", reversed(state.questions), question_piece)
    stored = room.taken("stored results", state.artifacts[-ARTIFACTS_SHOWN:], artifact_piece)
    seen = [item for item in state.observations if item.step == step]
    return Prompt(
        (
            *head,
            *turns_of_calls(seen, room),
            *(piece for _, piece in reversed(answers)),
            *(piece for _, piece in stored),
            *(piece for _, piece in reversed(questions)),
            *(piece for _, piece in reversed(lessons)),
            *room.notice(),
            *closing,
        )
    )


def turns_of_calls(seen: Sequence[Observation], room: Room) -> list[Piece]:
    """Return the calls in `seen` as turns, in order: whole from one of them on, before that only their beginnings."""
    cut = _how_many_cut(seen, room.left)
    turns: list[Piece] = []
    for number, item in reversed(list(enumerate(seen, start=1))):
        piece = turn_piece(item, number, SHORT_CHARS if number <= cut else BOUNDLESS)
        if not turns and _size(piece) > room.left:  # the newest result alone is too long
            piece = turn_piece(item, number, max(SHORT_CHARS, room.left // 2))
        if _size(piece) > room.left and turns:
            room.miss("earlier calls", number)
            break
        room.left -= _size(piece)
        turns.append(piece)
    return turns[::-1]


def _how_many_cut(seen: Sequence[Observation], room_bytes: int) -> int:
    """How many of the oldest results must be cut so that the others fit whole; a multiple of `CUT_TOGETHER`."""
    total, cut = sum(_size(turn_piece(item, 1)) for item in seen), 0
    for item in seen[:-1]:
        if total <= room_bytes:
            break
        total += _size(turn_piece(item, 1, SHORT_CHARS)) - _size(turn_piece(item, 1))
        cut += 1
    rounded = -(-cut // CUT_TOGETHER) * CUT_TOGETHER
    return rounded if rounded < len(seen) else cut


def _lines_bytes(pieces: Iterable[Piece]) -> int:
    return sum(size_of(piece.line) for piece in pieces)


def _size(piece: Piece) -> int:
    assert piece.call is not None
    return (
        len(piece.text.encode()) + len(piece.note.encode()) + len(piece.call.arguments.encode()) + TURN_BYTES
    )


def _correction(lesson: Lesson) -> Piece:
    """Return what was wrong with an answer, as it is said to a model in the middle of its work.

    A list of failures ("Failed before: 1x unused") made a model of 1.5 billion parameters give up and repeat it as its reason.
    """
    why = bounded(" ".join(lesson.why.split()), CORRECTION_CHARS)
    label = "The goal is not reached yet: " if lesson.kind in _ENDINGS else "That was not done: "
    label = "Before you end: " if lesson.kind == FindingKind.MISSING else label
    return Piece(PieceKind.LESSON, why, lesson.provenance, label=label)


def _lessons(state: State, step: int) -> list[Lesson]:
    return [lesson for lesson in reversed(state.lessons) if lesson.step == step][:LESSONS_SHOWN]
