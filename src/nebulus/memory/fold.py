"""Folds any chat history into State: what was done becomes finished steps, facts and artifacts, by the same functions.

Invariants: only a call with exactly one answer is folded, and it is finished for good; what can't be folded with
certainty (what people and models said, calls without an answer) stays verbatim, newest first, as far as
there is room, and the prompt says how much was left out.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from msgspec import Struct, field

from nebulus.core.plan import FINISHED_STATUSES, TRANSCRIPT, Goal, Plan, Step, StepStatus
from nebulus.core.prompt import Piece, PieceKind, Prompt, Source
from nebulus.core.provenance import USER, Origin, Provenance
from nebulus.core.state import State
from nebulus.core.text import bounded
from nebulus.core.tools import ToolResult, ToolSpec
from nebulus.memory.distil import (
    provenance_of,
    with_active,
    with_error,
    with_lesson,
    with_plan,
    with_result,
    with_step_ended,
)
from nebulus.memory.prompt import BOUNDLESS, Aside, compose_step
from nebulus.memory.record import needs_store, stored_result
from nebulus.memory.turns import Answered, Called, Said, Turn, turns_of

ARGUMENTS_CHARS = 200
"""What is shown of a finished call's arguments."""
ERROR_CHARS = 400
ASIDE_BYTES = 3000
"""Room for finished calls, and again for verbatim words, however large the window: a prompt stays flat."""
_MODEL = Provenance((Origin("model", "chat history"),))
"""What somebody else's model said: nobody knows what it had read."""
ON = "go on towards the goal"
"""What is asked if the user spoke once: the goal says the rest."""


class Folded(Struct, frozen=True, kw_only=True):
    """A history folded: step `now` of `state` is the user's last turn, `system` the client's own instructions.

    `asides` are the texts that could not be folded, newest first. `contents` is what must be put into
    the artifact store, by address.
    """

    state: State
    now: int
    system: str = ""
    asides: tuple[Source, ...] = ()
    contents: dict[str, str] = field(default_factory=dict)


def fold(messages: Iterable[Mapping[str, Any]], *, tools: Sequence[ToolSpec] = ()) -> Folded:
    """Return a history in OpenAI's or Anthropic's form as state.

    The goal is what the user said first, the active step what the user said last. A result is text from
    outside, unless `tools` contains its tool and does not mark it as untrusted.
    """
    turns = turns_of(messages)
    pairs = _pairs(turns)
    asked = [turn.text for turn in turns if isinstance(turn, Said) and turn.role == "user"]
    steps = [Step(number=n, text=_call_line(call)) for n, (call, _) in enumerate(pairs, start=1)]
    now = Step(number=len(steps) + 1, text=asked[-1] if len(asked) > 1 else ON)
    goal = Goal(text=asked[0] if asked else "")
    state = with_plan(State(goal=goal), Plan((*steps, now), origin=TRANSCRIPT))
    contents: dict[str, str] = {}
    specs = {tool.name: tool for tool in tools}
    for number, (call, answer) in enumerate(pairs, start=1):
        spec = specs.get(call.tool)
        state = _with_pair(with_active(state, number), call, answer, number=number, spec=spec)
        if needs_store(answer.text) and not answer.is_error:
            contents[_address(answer.text)] = answer.text
    state = with_active(state, now.number)
    for call, answer in pairs:
        if answer.is_error:
            why = bounded(f"{_call_line(call)}: {answer.text}", ERROR_CHARS)
            label = _label(call, specs.get(call.tool))
            state = with_lesson(state, step=now.number, kind="tool_error", why=why, provenance=label)
    return Folded(
        state=state,
        now=now.number,
        system="\n\n".join(
            t.text for t in turns if isinstance(t, Said) and t.role in ("system", "developer")
        ),
        asides=tuple(reversed(_asides(turns, pairs))),
        contents=contents,
    )


def compose_folded(folded: Folded, *, room_bytes: int = BOUNDLESS, aside_bytes: int = ASIDE_BYTES) -> Prompt:
    """Return the prompt for the next answer to a folded history; its size does not depend on the history's length.

    The client's own instructions come first and whole. References are not resolved: the numbers of these
    steps are ours, and a user who says "step 3" means something else.
    """
    steps = folded.state.plan.steps
    done = [Source(step.text, _MODEL) for step in steps if step.status in FINISHED_STATUSES]
    asides = (
        Aside("Done before:", tuple(reversed(done)), aside_bytes),
        Aside("Said before:", folded.asides, aside_bytes),
    )
    room = room_bytes - len(folded.system.encode())
    prompt = compose_step(folded.state, step=folded.now, resolves=False, room_bytes=room, asides=asides)
    if not folded.system:
        return prompt
    return Prompt((Piece(PieceKind.INSTRUCTIONS, folded.system, USER), *prompt.pieces))


def _pairs(turns: Sequence[Turn]) -> list[tuple[Called, Answered]]:
    """Return each call with its only answer, in the order of the answers; calls without exactly one are left out."""
    calls = {turn.call_id: turn for turn in turns if isinstance(turn, Called)}
    answers = [turn for turn in turns if isinstance(turn, Answered)]
    called = Counter(turn.call_id for turn in turns if isinstance(turn, Called))
    answered = Counter(turn.call_id for turn in answers)
    return [
        (calls[turn.call_id], turn)
        for turn in answers
        if turn.call_id and called[turn.call_id] == 1 == answered[turn.call_id]
    ]


def _asides(turns: Sequence[Turn], pairs: Sequence[tuple[Called, Answered]]) -> list[Source]:
    """What could not be folded, verbatim, in order; without the first and last words of the user and the system's."""
    folded = {id(part) for pair in pairs for part in pair}
    users = [turn for turn in turns if isinstance(turn, Said) and turn.role == "user"]
    elsewhere = folded | {id(turn) for turn in (*users[:1], *users[-1:])}
    lines = []
    for turn in turns:
        match turn:
            case _ if id(turn) in elsewhere:
                continue
            case Said(role="system" | "developer"):
                continue
            case Said(role, text):
                lines.append(Source(f"{role}: {text}", USER if role == "user" else _MODEL))
            case Called():
                lines.append(Source(f"a call without an answer: {_call_line(turn)}", _MODEL))
            case Answered(call_id, text):
                label = Provenance((Origin("tool", "", call_id),))
                lines.append(Source(f"an answer to no call ({call_id}): {text}", label))
    return lines


def _with_pair(state: State, call: Called, answer: Answered, *, number: int, spec: ToolSpec | None) -> State:
    if answer.is_error:
        text = bounded(answer.text, ERROR_CHARS)
        failed = with_error(state, step=number, tool=call.tool, text=text, provenance=_label(call, spec))
        return with_step_ended(failed, number, StepStatus.FAILED)
    is_trusted = _is_trusted(spec)
    result = ToolResult(text=answer.text, size_bytes=len(answer.text.encode()), is_trusted=is_trusted)
    if needs_store(answer.text):
        result = stored_result(answer.text, address=_address(answer.text), is_trusted=is_trusted)
    known = with_result(
        state,
        step=number,
        tool=call.tool,
        call_id=call.call_id,
        result=result,
        declared=spec.facts if spec else (),
        reads=spec.reads if spec else (),
    )
    return with_step_ended(known, number, StepStatus.CALLED)


def _label(call: Called, spec: ToolSpec | None) -> Provenance:
    return provenance_of(tool=call.tool, call_id=call.call_id, is_trusted=_is_trusted(spec))


def _is_trusted(spec: ToolSpec | None) -> bool:
    return spec is not None and not spec.is_untrusted


def _call_line(call: Called) -> str:
    return f"{call.tool} {bounded(' '.join(call.arguments.split()), ARGUMENTS_CHARS)}".strip()


def _address(text: str) -> str:
    """The content's address, as artifact stores give it. Source: `ArtifactStore.put`, SHA-256 of the UTF-8."""
    return hashlib.sha256(text.encode()).hexdigest()
