"""What of the state is worth showing to a step, in the order in which it would be missed.

Laws: a fact that the step asks for by its step comes before all that is shown for other reasons; what
ranks lowest goes first when there is no room.
"""

import re
from itertools import islice, takewhile, zip_longest

from msgspec import Struct

from nebulus.core.provenance import Provenance
from nebulus.core.state import Artifact, Fact, Lesson, State
from nebulus.memory.recall import Index
from nebulus.memory.references import (
    ANSWER,
    GENERIC_FIELDS,
    QUESTION,
    fact_name,
    is_note,
    mentioned_fields,
    resolve,
)

RECENT_SHOWN = 3
"""The latest facts, shown to every step that does not ask for many others."""
FACTS_SHOWN = 6
"""Where a step asks for more facts than this leaves room for, the latest give way."""
RECALLED_SHOWN = 16
"""Facts found by the words of the step: what came with three or four results."""
RECALLED_A_CLAUSE = 4
"""As many for each clause of a step that says much."""
MENTIONED_SHOWN = 24
"""Facts shown because the step asks for them; one step's result may hold a page of them."""
CLAUSES_SOUGHT = 24
"""Clauses that are searched one by one; a step is also searched as a whole."""
LESSONS_SHOWN = 3
ARTIFACTS_SHOWN = 5
_CLAUSE = re.compile(r"[,;\n]|\.\s|\b(?:and|then)\b")


class Choice(Struct, frozen=True, kw_only=True):
    """What to show, each kind best first: facts asked for, recalled by words, come with those, and the latest.

    `beside` are the other facts of a step whose fact was asked for by its name. `unshown` counts facts that
    the step asks for and that are too many to show.
    """

    asked: tuple[Fact, ...] = ()
    recalled: tuple[Fact, ...] = ()
    beside: tuple[Fact, ...] = ()
    recent: tuple[Fact, ...] = ()
    artifacts: tuple[Artifact, ...] = ()
    lessons: tuple[Lesson, ...] = ()
    unshown: int = 0

    @property
    def facts(self) -> tuple[Fact, ...]:
        """All facts, best first."""
        return (*self.asked, *self.recalled, *self.beside, *self.recent)


def choose(state: State, text: str, index: Index) -> Choice:
    """Return what is worth showing for `text`; `index` covers the facts of `state`.

    Facts are found by the words of the active step as they were written: a value that code put in for a
    mention needs no finding.
    """
    named, others = _asked(state.facts, text)
    asked = list(dict.fromkeys((*_told(state), *named, *others)))
    kept = tuple(asked[:MENTIONED_SHOWN])
    recent = _recent(state.facts, {fact.step for fact in kept}, min(RECENT_SHOWN, FACTS_SHOWN - len(kept)))
    taken = {*kept, *recent}
    recalled = _recalled(state.step.text, index, besides=taken)
    is_beside = frozenset(others).__contains__
    return Choice(
        asked=tuple(fact for fact in kept if not is_beside(fact)),
        recalled=recalled,
        beside=tuple(fact for fact in kept if is_beside(fact)),
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


def _asked(facts: tuple[Fact, ...], text: str) -> tuple[list[Fact], list[Fact]]:
    """The facts of the steps that `text` mentions: what it asks for, the named field first; and what came beside.

    A mention that no fact answers by its name asks for all that its step brought.
    """
    mentions = mentioned_fields(text)
    if not mentions:
        return [], []
    steps = {step for step, _ in mentions}
    of_steps = [fact for fact in facts if fact.step in steps]
    known = {fact.name.lower() for fact in of_steps}
    answers = {step_field: _answer(step_field, known) for step_field in mentions}
    vague = {step for (step, _), answer in answers.items() if not answer}
    named = [fact for fact in of_steps if fact.name.lower() in answers.values()]
    rest = sorted((fact for fact in of_steps if fact not in named), key=is_note)
    return [*named, *(fact for fact in rest if fact.step in vague)], [
        fact for fact in rest if fact.step not in vague
    ]


def _answer(mention: tuple[int, str], known: set[str]) -> str:
    """The name of the fact that a mention asks for, "" if there is none of this name."""
    step, field = mention
    for name in (fact_name(step, field), fact_name(step) if field in GENERIC_FIELDS else ""):
        if name in known:
            return name
    return ""


def _recalled(text: str, index: Index, *, besides: set[Fact]) -> tuple[Fact, ...]:
    """Facts that share telling words with a clause of `text`, the best of each clause first; then with all of it."""
    parts = [part for part in _CLAUSE.split(text) if part.strip()][:CLAUSES_SOUGHT]
    most = max(RECALLED_SHOWN, RECALLED_A_CLAUSE * len(parts))
    of_parts = [index.best(part, most=most + len(besides)) for part in parts] if len(parts) > 1 else []
    of_all = index.best(text, most=most + len(besides))
    in_turn = (fact for row in zip_longest(*of_parts) for fact in row if fact is not None)
    ranked = dict.fromkeys(fact for fact in (*in_turn, *of_all) if fact not in besides)
    return tuple(islice(ranked, most))


def _recent(facts: tuple[Fact, ...], besides: set[int], most: int) -> tuple[Fact, ...]:
    """The latest facts, newest first, that were declared, said or the whole of a result."""
    found: list[Fact] = []
    for fact in reversed(facts):
        if len(found) >= most:
            break
        if fact.step not in besides and not fact.where:
            found.append(fact)
    return tuple(found)
