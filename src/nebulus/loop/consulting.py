"""A model that asks: what only the user can say is put to a person, and the answer is the user's own word.

Laws: a question is no work done; it stands in the state, verbatim, until it is answered; a person is asked only
when nothing else helps, and only so often in a step.
"""

from msgspec.structs import replace

from nebulus.core.events import PersonAnswered
from nebulus.core.findings import Finding, FindingKind
from nebulus.core.outcome import Question
from nebulus.loop.judging import heard
from nebulus.loop.progress import Machine, Phase
from nebulus.loop.recovering import on_finding, possible
from nebulus.loop.trying import answered, ask, ask_person, fail, failure_of
from nebulus.loop.turn import tier_of
from nebulus.memory.distil import with_told
from nebulus.memory.prompt import bounded
from nebulus.recovery import strategy
from nebulus.recovery.strategy import History, Move

QUESTION_CHARS = 1000
"""Longest question that is put to a person; what is cut is said."""
ASKED = Finding(
    kind=FindingKind.ASKED,
    rule="the answer is a question, and nothing was done",
    fix="do the step with what is known; ask again only what nobody but the user can say",
)


def on_question(machine: Machine, text: str) -> Machine:
    """Do what recovery says about an answer that only asks; where it would give up, ask the person."""
    tries, limits = machine.tries, machine.setup.limits
    moves = possible(machine) & {Move.ASK, Move.ESCALATE, Move.STOP}
    decided = strategy.for_finding(
        ASKED, before=tries.findings, history=History(possible=moves), limits=limits
    )
    if not isinstance(decided, strategy.GiveUp):
        return on_finding(machine, ASKED)
    if tries.consulted >= limits.attempts:
        return fail(machine, failure_of(ASKED, attempts=tries.consulted + 1))
    step = machine.step
    question = Question(
        question_id=f"q{machine.position}",
        kind="question",
        text=bounded(text.strip(), QUESTION_CHARS),
        reason=f"{tier_of(machine).name} asks this about step {step.number}: {step.text}",
        run_id=machine.run_id,
        step=step.number,
    )
    return ask_person(machine, Phase.CONSULTING, question)


def on_consulted(machine: Machine, event: PersonAnswered) -> Machine:
    """Go on with the step, knowing what the user said; without words, their yes or no is the answer."""
    assert machine.question is not None
    tier = tier_of(machine).name
    known = answered(machine)
    state = with_told(
        known.state,
        machine.question.text,
        event.text or ("yes" if event.is_yes else "no"),
        step=known.active,
        model=tier,
        is_trusted=not heard(machine, tier=tier).is_tainted,
    )
    return ask(replace(known, state=state).anew(consulted=known.tries.consulted + 1))
