"""The prompt of one step, composed from state.

Invariants: what never changes comes first (instructions, goal, constraints), what changes each step comes
last, so that a prefix cache keeps working; constraints are whole in every prompt; a failed attempt is
a count and one line, never its text; every part is bounded, and the prompt says what is left out.
"""

from collections.abc import Iterator

from msgspec import Struct
from msgspec.structs import replace

from nebulus.core.digest import canonical
from nebulus.core.plan import FINISHED_STATUSES, Step
from nebulus.core.prompt import Piece, PieceKind, Prompt, Source
from nebulus.core.provenance import USER, Provenance
from nebulus.core.state import Observation, State
from nebulus.memory.choice import Choice, choose, without_steps
from nebulus.memory.pieces import (
    BOUNDLESS,
    artifact_piece,
    fact_piece,
    head_pieces,
    lesson_piece,
    question_piece,
    size_of,
    whole_fact,
)
from nebulus.memory.recall import Index
from nebulus.memory.references import Words, mentioned_steps, resolved
from nebulus.memory.room import Room

__all__ = [
    "BOUNDLESS",
    "INSTRUCTIONS",
    "OBSERVATION_CHARS",
    "Aside",
    "compose_plan",
    "compose_step",
]

INSTRUCTIONS = (
    "Carry out the step under Now with a tool call. Copy names, paths and values exactly as written. "
    "When the step needs no more calls, say so in words."
)
PLAN_INSTRUCTIONS = (
    "Make a plan: the fewest steps that reach the goal, each a single tool call, in order. "
    "Name in each step the tool and every value it needs. "
    "A step that needs an earlier result says: the result of step N."
)

OBSERVATION_CHARS = 1200
CARRIED_CHARS = 200
"""How much is shown of an earlier step's result that does not fit whole and that the step does not mention.

Source: `bench/memory.py long`; of 16 steps, the nano model carries out 1 job of 40 with 1,200 characters, 12 with 200.
"""
DONE_SHOWN = 24
PLAN_LESSONS_SHOWN = 3
SOUGHT_SHARE = 0.75
"""The share of the room that facts found by words may take before the last observation gets more."""
TITLES_BYTES = 160
"""Room for the titles of all sections and the line that says what is not shown."""


class Aside(Struct, frozen=True):
    """Lines that could not be folded into state, newest first; whole lines, as far as they fit `most_bytes` and the prompt."""

    title: str
    lines: tuple[Source, ...]
    most_bytes: int = BOUNDLESS


def compose_step(
    state: State,
    *,
    step: int,
    resolves: bool = True,
    index: Index | None = None,
    room_bytes: int = BOUNDLESS,
    asides: tuple[Aside, ...] = (),
    is_narrow: bool = False,
    unseen: frozenset[int] = frozenset(),
) -> Prompt:
    """Return the prompt for step `step` of `state`.

    The size is bounded by the goal, the constraints and the step's text; it does not grow with the
    number of steps done. With `resolves` off, mentions of earlier results stay for the model to look up.
    `index` covers the facts; without it, one is made. Beyond `room_bytes`, of the system message and
    this one together, the least important is left out, and the prompt says so; goal, constraints and step never are.
    `asides` take the room that is left. `is_narrow` leaves out what the step does not ask for (recent
    facts, the last result): after a value was copied from the wrong place. `unseen` are steps whose results are left
    out, since code gives them to the step's call by reference.

    Raises:
        LookupError: the plan has no such step.
    """
    asked, known = state.step(step), (index or Index()).covering(state.facts)
    now = _now(asked, state.plan.provenance, known if resolves else Index())
    text = "".join(piece.text for piece in now)
    chosen = choose(state, text, known, step=step)
    if is_narrow:
        chosen = replace(chosen, recalled=(), recent=(), observations=())
    chosen = without_steps(chosen, unseen)
    head = [Piece(PieceKind.INSTRUCTIONS, label=INSTRUCTIONS), *head_pieces(state)]
    done = Piece(PieceKind.PROGRESS, label=f"Done: {state.done_count} of {len(state.plan.steps)} steps")
    floor = sum(size_of(piece.line) for piece in (*head, done, *now)) + TITLES_BYTES
    page = _Page(room_bytes - floor, steps=mentioned_steps(text) | {step})
    return Prompt((*head, done, *page.fill(state, chosen, asides), *now))


def compose_plan(state: State, *, step: int = 0) -> Prompt:
    """Return the prompt that asks for a plan towards the goal of `state`, from what is done on.

    `step` is the one whose lessons say why a new plan is wanted; 0 for lessons that belong to no step.
    """
    label = state.plan.provenance
    finished = [item for item in state.plan.steps if item.status in FINISHED_STATUSES][-DONE_SHOWN:]
    lessons = [lesson for lesson in state.lessons if lesson.step == step][-PLAN_LESSONS_SHOWN:]
    return Prompt(
        (
            Piece(PieceKind.INSTRUCTIONS, label=PLAN_INSTRUCTIONS),
            *head_pieces(state),
            *(
                Piece(PieceKind.PROGRESS, item.text, label, title="Done:", label=f"- step {item.number}: ")
                for item in finished
            ),
            *map(question_piece, state.questions),
            *map(lesson_piece, lessons),
            Piece(PieceKind.STEP, label="Now: write the plan."),
        )
    )


class _Page(Room):
    """The part of a prompt that changes from step to step; `steps` are those whose results are shown at length."""

    def __init__(self, room_bytes: int, *, steps: frozenset[int]) -> None:
        super().__init__(room_bytes)
        self._steps = steps

    def fill(self, state: State, chosen: Choice, asides: tuple[Aside, ...]) -> Iterator[Piece]:
        """Yield the pieces in the order in which they are shown."""
        asked = self.taken("facts", chosen.asked, whole_fact)
        sought = sum(size_of(fact_piece(fact).line) for fact in chosen.recalled)
        most = self.left - min(sought, int(SOUGHT_SHARE * self.left))
        observations = self._observed(chosen.observations, most)
        lessons = self.taken("lessons", reversed(chosen.lessons), lesson_piece)
        recalled = self.taken("facts", chosen.recalled, fact_piece)
        related = self.taken("facts", chosen.related, fact_piece)
        stored = self.taken("stored results", chosen.artifacts, artifact_piece)
        questions = self.taken("questions", reversed(state.questions), question_piece)
        recent = self.taken("facts", chosen.recent, fact_piece)
        for aside in asides:
            yield from self._aside(aside)
        facts = sorted([*asked, *recalled, *related, *reversed(recent)], key=lambda pair: pair[0].step)
        yield from (piece for _, piece in facts)
        yield from (piece for _, piece in stored)
        yield from (piece for _, piece in reversed(questions))
        yield from (piece for _, piece in reversed(lessons))
        yield from observations
        self.miss("facts", chosen.unshown)
        yield from self.notice()

    def _observed(self, seen: tuple[Observation, ...], most_bytes: int) -> list[Piece]:
        """Return the pieces of what the last calls returned, in order: each leaves room for those after it."""
        pieces: list[Piece] = []
        has_arguments = len({item.step for item in seen}) < len(seen)
        for count, item in zip(range(len(seen), 0, -1), seen, strict=True):
            before = self.left
            piece = self.observed(
                item,
                most_chars=self._chars_of(item),
                most_bytes=most_bytes // count,
                has_arguments=has_arguments,
            )
            most_bytes -= before - self.left
            pieces += [piece] if piece is not None else []
        return pieces

    def _aside(self, aside: Aside) -> Iterator[Piece]:
        """Yield the newest lines that fit, in order; the notice counts the older ones that do not."""
        shown: list[Piece] = []
        self.left -= size_of(aside.title)
        room = aside.most_bytes
        for line in aside.lines:
            piece = Piece(PieceKind.ASIDE, line.text, line.provenance, title=aside.title, label="- ")
            room -= size_of(piece.line)
            if room < 0 or not self.fits(piece):
                break
            shown.append(piece)
        self.miss(f"older lines of {aside.title!r}", len(aside.lines) - len(shown))
        yield from reversed(shown)

    def _chars_of(self, seen: Observation) -> int:
        """How much of `seen` is shown: less of a long result of an earlier step that is stored."""
        is_carried = bool(seen.handle) and seen.step not in self._steps
        is_long = len(seen.text) > OBSERVATION_CHARS
        return CARRIED_CHARS if is_carried and is_long else OBSERVATION_CHARS


def _now(step: Step, label: Provenance, index: Index) -> tuple[Piece, ...]:
    """The step: its own words with the label of who wrote them, and each value that is put in with that of its fact."""
    parts = resolved(step.text, index.of_steps(mentioned_steps(step.text)), label=label)
    first, *rest = parts or (Words("", USER),)
    return (
        Piece(PieceKind.STEP, first.text, first.provenance, label=f"Now: step {step.number}. "),
        *(Piece(PieceKind.STEP, part.text, part.provenance, continues=True) for part in rest),
        *_known(step, label),
    )


def _known(step: Step, label: Provenance) -> Iterator[Piece]:
    """Yield the arguments that the step gives as data, as JSON."""
    for name, value in step.arguments.items():
        text = value if isinstance(value, str) else canonical(value).decode()
        yield Piece(PieceKind.STEP, text, label, title="Known arguments:", label=f"- {name}: ")
