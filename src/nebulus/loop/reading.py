"""Values that must be read out of a result: a model is asked, and code believes what the text holds.

Laws: a value keeps the label of the text that it was read out of, and names the model that read it; what
could not be read is said in a lesson, and never ends a run; what comes after the result waits until then.
"""

from msgspec.structs import replace

from nebulus.core.answers import Usage
from nebulus.core.budget import ASKING
from nebulus.core.events import ModelAnswered, ModelFailed
from nebulus.core.findings import Finding, FindingKind
from nebulus.core.provenance import Provenance
from nebulus.core.tools import ToolResult
from nebulus.loop.asking import judge, pay
from nebulus.loop.progress import Extraction, Machine, Phase
from nebulus.loop.stepping import after_call
from nebulus.loop.trying import ask, over_budget, wait
from nebulus.loop.turn import has_next_tier, question
from nebulus.memory.distil import with_lesson, with_read
from nebulus.memory.extract import accepted, unread_of
from nebulus.recovery import strategy
from nebulus.recovery.stagnation import blocked
from nebulus.recovery.strategy import History, Move

ATTEMPTS = 2
"""An answer that can't be read is asked for once more, with something changed."""


def reads_of(machine: Machine) -> dict[str, str]:
    """Return what must be read out of the result of the call under way: the step's own, and its tool's."""
    return machine.step.reads | machine.setup.tool(machine.call.tool).reads


def take_in(machine: Machine, result: ToolResult, *, known: int, label: Provenance) -> Machine:
    """Return the machine asking for what must be read out of `result`; or going on, where nothing must be.

    `known` is how many facts there were before the result; what it brought need not be read, nor what the step
    asks for and an earlier result has brought. `label` is the result's.
    """
    state, call = machine.state, machine.call
    brought = state.facts[known:]
    of_step = [fact for fact in state.facts[:known] if fact.step == machine.active]
    held = tuple(fact for fact in of_step if fact.field in machine.step.reads)
    unread = unread_of(result, reads_of(machine), (*brought, *held), tool=call.tool, label=label)
    if unread is None:
        return _go_on(machine)
    return _put(replace(machine, extraction=Extraction(unread=unread)))


def on_read(machine: Machine, event: ModelAnswered) -> Machine:
    """Keep what stands in the text; say what was made up; ask once more for what can't be read at all."""
    paid = pay(machine, event)
    extraction = _extraction(paid)
    unread = extraction.unread
    found = accepted(event.answer, unread)
    if isinstance(found, Finding):
        learned = _learned(paid, found.kind.value, f"what {event.tier} read in {unread.tool}: {found.rule}")
        tried = replace(extraction, attempts=extraction.attempts + 1)
        if tried.attempts >= ATTEMPTS:
            return _go_on(learned)
        return _put(replace(learned, extraction=tried))
    state = with_read(paid.state, found.marks, step=paid.active, label=unread.provenance, model=event.tier)
    read = replace(paid, state=state)
    if found.made_up:
        names = ", ".join(found.made_up)
        read = _learned(
            read, FindingKind.UNGROUNDED.value, f"{names}: the result of {unread.tool} holds no such value"
        )
    return _go_on(read)


def on_not_read(machine: Machine, event: ModelFailed) -> Machine:
    """Wait or go to the next tier, as for any question; where neither helps, go on without."""
    failure, extraction = event.failure, _extraction(machine)
    spent = machine.spent.with_answer(Usage(), seconds=event.took_s, usd=0.0)
    moves = {Move.WAIT, Move.STOP} | ({Move.ESCALATE} if has_next_tier(machine) else set())
    seen = extraction.broken.count(failure.kind)
    history = History(seen=seen, total=extraction.retries, possible=moves)
    decided = strategy.for_model_failure(failure, history=history, limits=machine.setup.limits)
    tried = replace(extraction, retries=extraction.retries + 1, broken=(*extraction.broken, failure.kind))
    failed = replace(machine, spent=spent, extraction=tried)
    match decided:
        case strategy.WaitAndRetry(seconds) if over_budget(failed, ASKING) is None:
            return wait(
                failed, seconds=seconds, why=failure.sentence(), then=(Phase.READING, question(failed))
            )
        case strategy.Escalate():
            learned = _learned(failed, failure.kind.value, failure.what)
            return _put(replace(learned, extraction=Extraction(unread=tried.unread, rung=tried.rung + 1)))
        case _:
            return _go_on(
                _learned(failed, failure.kind.value, f"{tried.unread.tool} was not read: {failure.what}")
            )


def _put(machine: Machine) -> Machine:
    """Return the machine asking, while anything may be spent on it."""
    if over_budget(machine, ASKING) is None:
        return ask(machine)
    tool = _extraction(machine).unread.tool
    return _go_on(_learned(machine, "exhausted_budget", f"{tool} was not read: nothing may be spent on it"))


def _go_on(machine: Machine) -> Machine:
    """Return the machine at the next call of the same answer, if it brings anything; else at what comes after it."""
    on = replace(machine, extraction=None)
    if not on.queue:
        return after_call(on)
    call = on.queue[0]
    why = blocked(on.tries.trail, call.tool, call.arguments)
    if not why:
        return judge(on, on.queue)
    return after_call(replace(_learned(on, FindingKind.NO_PROGRESS.value, f"{call.tool}: {why}"), queue=()))


def _learned(machine: Machine, kind: str, why: str) -> Machine:
    return replace(machine, state=with_lesson(machine.state, step=machine.active, kind=kind, why=why))


def _extraction(machine: Machine) -> Extraction:
    assert machine.extraction is not None
    return machine.extraction
