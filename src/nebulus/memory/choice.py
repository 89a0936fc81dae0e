"""What of the state is worth showing to a step, in the order in which it would be missed.

Laws: a fact that the step asks for by its step comes before all that is shown for other reasons; what
ranks lowest goes first when there is no room.
"""

from itertools import takewhile

from msgspec import Struct

from nebulus.core.provenance import Provenance
from nebulus.core.state import Artifact, Fact, Lesson, State
from nebulus.memory.recall import Index
from nebulus.memory.references import ANSWER, QUESTION, fact_name, is_note, mentioned_fields, resolve

RECENT_SHOWN = 3
"""The latest facts, shown to every step that does not ask for many others."""
FACTS_SHOWN = 6
"""Where a step asks for more facts than this leaves room for, the latest give way."""
RECALLED_SHOWN = 16
"""Facts found by the words of the step: what came with three or four results."""
MENTIONED_SHOWN = 24
"""Facts shown because the step asks for them; one step's result may hold a page of them."""
LESSONS_SHOWN = 3
ARTIFACTS_SHOWN = 5


class Choice(Struct, frozen=True, kw_only=True):
    """What to show, each kind best first: facts asked for, recalled by words, and the latest.

    `unshown` counts facts that the step asks for and that are too many to show.
    """

    asked: tuple[Fact, ...] = ()
    recalled: tuple[Fact, ...] = ()
    recent: tuple[Fact, ...] = ()
    artifacts: tuple[Artifact, ...] = ()
    lessons: tuple[Lesson, ...] = ()
    unshown: int = 0

    @property
    def facts(self) -> tuple[Fact, ...]:
        """All facts, best first."""
        return (*self.asked, *self.recalled, *self.recent)


def choose(state: State, text: str, index: Index) -> Choice:
    """Return what is worth showing for `text`; `index` covers the facts of `state`.

    Facts are found by the words of the active step as they were written: a value that code put in for a
    mention needs no finding.
    """
    asked = list(dict.fromkeys((*_told(state), *_asked(state.facts, text))))
    kept = tuple(asked[:MENTIONED_SHOWN])
    recent = _recent(state.facts, {fact.step for fact in kept}, min(RECENT_SHOWN, FACTS_SHOWN - len(kept)))
    taken = {*kept, *recent}
    found = index.best(state.step.text, most=RECALLED_SHOWN + len(taken))
    recalled = tuple(fact for fact in found if fact not in taken)[:RECALLED_SHOWN]
    return Choice(
        asked=kept,
        recalled=recalled,
        recent=recent,
        artifacts=artifacts_for(state, text),
        lessons=tuple(lesson for lesson in state.lessons if lesson.step == state.active)[-LESSONS_SHOWN:],
        unshown=len(asked) - len(kept),
    )


def artifacts_for(state: State, text: str) -> tuple[Artifact, ...]:
    """Return the stored results that `text` asks for, by step or by handle, and the last one if it was cut."""
    if not state.artifacts:
        return ()
    steps = {step for step, _ in mentioned_fields(text)}
    words = set(text.replace(",", " ").replace(".", " . ").split())
    open_handles = {seen.handle for seen in state.observations}
    chosen = [
        item
        for item in state.artifacts
        if item.step in steps or item.handle in words or item.handle in open_handles
    ]
    return tuple(chosen[-ARTIFACTS_SHOWN:])


def remembered(state: State, index: Index) -> tuple[tuple[str, Provenance], ...]:
    """Return every fact and stored head that may stand in the prompt of the active step, with its label.

    A superset: what is left out for want of room is in it, so nothing that was shown is ever missed.
    """
    text = state.step.text
    raw, resolved = choose(state, text, index), choose(state, resolve(text, state.facts), index)
    facts = dict.fromkeys((*raw.facts, *resolved.facts))
    artifacts = dict.fromkeys((*raw.artifacts, *resolved.artifacts))
    return (
        *((f"{fact.value}\n{fact.where}" if fact.where else fact.value, fact.provenance) for fact in facts),
        *((item.head, item.provenance) for item in artifacts),
    )


def _told(state: State) -> list[Fact]:
    """What was asked in the active step, and what the user answered."""
    names = {fact_name(state.active, name) for name in (QUESTION, ANSWER)}
    here = takewhile(lambda fact: fact.step == state.active, reversed(state.facts))
    return [fact for fact in here if fact.name in names][::-1]


def _asked(facts: tuple[Fact, ...], text: str) -> list[Fact]:
    """The facts of the steps that `text` mentions: the named field first, then the whole result, then the rest."""
    mentions = mentioned_fields(text)
    if not mentions:
        return []
    steps = {step for step, _ in mentions}
    named = {fact_name(step, field) for step, field in mentions}
    whole = {fact_name(step) for step in steps}

    def rank(fact: Fact) -> int:
        if fact.name.lower() in named:
            return 0
        return 1 if fact.name in whole else 3 if is_note(fact) else 2

    return sorted((fact for fact in facts if fact.step in steps), key=rank)


def _recent(facts: tuple[Fact, ...], besides: set[int], most: int) -> tuple[Fact, ...]:
    """The latest facts, newest first, that were declared, said or the whole of a result."""
    found: list[Fact] = []
    for fact in reversed(facts):
        if len(found) >= most:
            break
        if fact.step not in besides and not fact.where:
            found.append(fact)
    return tuple(found)
