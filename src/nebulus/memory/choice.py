"""Which parts of the state are worth showing to a step, the most important first.

Invariants: a fact that the step asks for by its step comes before all that is shown for other reasons; what
ranks lowest is left out first when there is no room.
"""

import re
from itertools import islice, zip_longest

from msgspec import Struct
from msgspec.structs import replace

from nebulus.core.plan import Step
from nebulus.core.state import Artifact, Fact, FactKind, Lesson, Observation, State
from nebulus.memory.recall import Index
from nebulus.memory.references import is_note, mentioned_fields, mentioned_steps, named_facts

RECENT_SHOWN = 3
"""The latest facts, shown to every step that does not ask for many others."""
FACTS_SHOWN = 6
"""If a step asks for so many facts that less than this is left, the latest facts are left out."""
RECALLED_SHOWN = 16
"""Facts found by the words of the step: about what three or four results give."""
RECALLED_A_CLAUSE = 4
"""As many for each clause of a long step."""
MENTIONED_SHOWN = 24
"""Facts shown because the step asks for them; one step's result may contain a page of them."""
CLAUSES_SOUGHT = 24
"""Clauses that are searched one by one; a step is also searched as a whole."""
LESSONS_SHOWN = 3
ARTIFACTS_SHOWN = 5
_CLAUSE = re.compile(r"[,;\n]|\.\s|\b(?:and|then)\b")


class Choice(Struct, frozen=True, kw_only=True):
    """What to show, each kind best first: facts asked for, recalled by words, come with those, and the latest.

    `related` are the other facts of a step whose fact was asked for by its name. `unshown` counts facts that
    the step asks for and that are too many to show.
    """

    asked: tuple[Fact, ...] = ()
    recalled: tuple[Fact, ...] = ()
    related: tuple[Fact, ...] = ()
    recent: tuple[Fact, ...] = ()
    observations: tuple[Observation, ...] = ()
    artifacts: tuple[Artifact, ...] = ()
    lessons: tuple[Lesson, ...] = ()
    unshown: int = 0


def choose(state: State, text: str, index: Index, *, step: int) -> Choice:
    """Return what is worth showing for step `step`, which says `text`; `index` covers the facts of `state`.

    Facts are found by the words of the step as written: a value that code put in for a mention need not be
    finding.
    """
    named, others = _asked(index, text)
    asked = list(dict.fromkeys((*_questions_and_answers(index, step), *named, *others)))
    kept = tuple(asked[:MENTIONED_SHOWN])
    most = min(RECENT_SHOWN, FACTS_SHOWN - len(kept))
    recent = _recent(state, state.step(step), exclude={fact.step for fact in kept}, most=most)
    recalled = _recalled(state.step(step).text, index, exclude={*kept, *recent})
    is_related = frozenset(others).__contains__
    return Choice(
        asked=tuple(fact for fact in kept if not is_related(fact)),
        recalled=recalled,
        related=tuple(fact for fact in kept if is_related(fact)),
        recent=recent,
        observations=observations_for(state, step),
        artifacts=artifacts_for(state, text, step=step),
        lessons=tuple(lesson for lesson in state.lessons if lesson.step == step)[-LESSONS_SHOWN:],
        unshown=len(asked) - len(kept),
    )


def without_steps(chosen: Choice, steps: frozenset[int]) -> Choice:
    """Return `chosen` without what is known of `steps`."""
    if not steps:
        return chosen
    asked = tuple(fact for fact in chosen.asked if fact.step not in steps)
    return replace(
        chosen,
        asked=asked,
        recalled=tuple(fact for fact in chosen.recalled if fact.step not in steps),
        related=tuple(fact for fact in chosen.related if fact.step not in steps),
        recent=tuple(fact for fact in chosen.recent if fact.step not in steps),
        observations=tuple(seen for seen in chosen.observations if seen.step not in steps),
        artifacts=tuple(item for item in chosen.artifacts if item.step not in steps),
        unshown=chosen.unshown if asked else 0,
    )


def observations_for(state: State, number: int) -> tuple[Observation, ...]:
    """Return what step `number` is shown under "Last".

    It is what the calls of the step's last answer returned; else those of the steps that it depends on; else, only where the plan does not
    say what it depends on, the last of all.
    """
    seen = state.observations
    own = tuple(item for item in seen if item.step == number)
    if own:
        return own
    step = state.step(number)
    needed = tuple(item for item in seen if item.step in step.depends_on)
    return needed or (seen[-1:] if step.after is None else ())


def artifacts_for(state: State, text: str, *, step: int) -> tuple[Artifact, ...]:
    """Return the stored results that `text` asks for, by step or by handle, and those of which `step` sees a part."""
    if not state.artifacts:
        return ()
    steps = mentioned_steps(text)
    words = set(text.replace(",", " ").replace(".", " . ").split())
    open_handles = {seen.handle for seen in observations_for(state, step)}
    chosen = [
        item
        for item in state.artifacts
        if item.step in steps or item.handle in words or item.handle in open_handles
    ]
    return tuple(chosen[-ARTIFACTS_SHOWN:])


def _questions_and_answers(index: Index, step: int) -> list[Fact]:
    """Return what was asked in the step, and what the user answered."""
    return [fact for fact in index.of_steps((step,)) if fact.kind in (FactKind.QUESTION, FactKind.ANSWER)]


def _asked(index: Index, text: str) -> tuple[list[Fact], list[Fact]]:
    """The facts of the steps that `text` mentions: what it asks for, the named field first; and the other facts of those steps.

    A mention that matches no fact by name asks for all facts of its step.
    """
    mentions = mentioned_fields(text)
    if not mentions:
        return [], []
    steps = {step for step, _ in mentions}
    of_steps = index.of_steps(steps)
    named: list[Fact] = []
    vague: set[int] = set()
    for step, field in mentions:
        answers = named_facts((fact for fact in of_steps if fact.step == step), field)
        named += answers
        if not answers:
            vague.add(step)
    named = [fact for fact in of_steps if fact in named]
    rest = sorted((fact for fact in of_steps if fact not in named), key=is_note)
    return [*named, *(fact for fact in rest if fact.step in vague)], [
        fact for fact in rest if fact.step not in vague
    ]


def _recalled(text: str, index: Index, *, exclude: set[Fact]) -> tuple[Fact, ...]:
    """Facts that share distinctive words with a clause of `text`, the best of each clause first; then with all of it."""
    parts = [part for part in _CLAUSE.split(text) if part.strip()][:CLAUSES_SOUGHT]
    most = max(RECALLED_SHOWN, RECALLED_A_CLAUSE * len(parts))
    of_parts = [index.best(part, most=most + len(exclude)) for part in parts] if len(parts) > 1 else []
    of_all = index.best(text, most=most + len(exclude))
    in_turn = (fact for row in zip_longest(*of_parts) for fact in row if fact is not None)
    ranked = dict.fromkeys(fact for fact in (*in_turn, *of_all) if fact not in exclude)
    return tuple(islice(ranked, most))


def _recent(state: State, step: Step, *, exclude: set[int], most: int) -> tuple[Fact, ...]:
    """The latest facts, newest first, that were declared, said or the whole of a result.

    Where the plan says what `step` depends on, they are of these steps and its own.
    """
    needed = None if step.after is None else {step.number, *step.after}
    found: list[Fact] = []
    for fact in reversed(state.facts):
        if len(found) >= most:
            break
        if fact.step not in exclude and not fact.where and (needed is None or fact.step in needed):
            found.append(fact)
    return tuple(found)
