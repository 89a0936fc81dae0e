"""The machine: which event is legal in which phase, and what is wanted next.

Laws: `feed` is a pure function; a replayed event takes the place of the command that it answered;
`RunTool` is reached only through `CallAllowed` or a person's yes. The diagram in the documents is drawn
from `TABLE`.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from msgspec import Struct

from nebulus.core import events as e
from nebulus.core.errors import IllegalEventError
from nebulus.core.events import Event
from nebulus.loop import acting, adopting, asking, consulting, reading, recovering, stepping
from nebulus.loop.progress import Machine, Phase, Setup, new_machine


class Rule(Struct, frozen=True):
    """What handles an event in a phase, and the phases that it may lead to."""

    handle: Callable[[Machine, Any], Machine]
    to: frozenset[Phase]


_ASK = (Phase.ASKING, Phase.FINISHED)
"""The next question; or the end, where a budget or what recovery may try is spent."""
_ON = (Phase.ASKING, Phase.JUDGING, Phase.CHECKING, Phase.FINISHED)
"""On from a result: the next question, the next call of the answer, a look at the checks, or the end."""
_MENDED = (Phase.ASKING, Phase.PLANNING, Phase.HELPING, Phase.FINISHED)
"""What recovery may lead to: another question, another plan, a person, or the end."""
_EFFECT = (Phase.INTENDING, Phase.RUNNING, Phase.FINISHED)


def _rule(handle: Callable[[Machine, Any], Machine], *to: Phase) -> Rule:
    return Rule(handle, frozenset(to))


_BETWEEN = tuple(phase for phase in Phase if phase not in (Phase.NEW, Phase.FINISHED))
"""The phases in which a run can be interrupted, and so be taken up with another setup."""


def _adopted(phase: Phase) -> tuple[Phase, ...]:
    """Where a changed setup leads: a question is put anew, anything else goes on."""
    match phase:
        case Phase.WAITING:
            return (Phase.PLANNING, Phase.READING, *_ASK)
        case Phase.PLANNING | Phase.ASKING | Phase.READING:
            return (phase, Phase.FINISHED)
        case _:
            return (phase,)


TABLE: Mapping[tuple[Phase, type], Rule] = MappingProxyType(
    {
        (Phase.NEW, e.GoalGiven): _rule(stepping.on_goal, Phase.PLANNING, *_ASK),
        (Phase.PLANNING, e.ModelAnswered): _rule(asking.on_plan, Phase.PLANNING, *_ASK),
        (Phase.PLANNING, e.ModelFailed): _rule(
            asking.on_failed, Phase.PLANNING, Phase.WAITING, Phase.FINISHED
        ),
        (Phase.ASKING, e.ModelAnswered): _rule(
            asking.on_answer, Phase.JUDGING, Phase.CHECKING, Phase.CONSULTING, *_MENDED
        ),
        (Phase.ASKING, e.ModelFailed): _rule(asking.on_failed, Phase.WAITING, *_MENDED),
        (Phase.JUDGING, e.CallAllowed): _rule(acting.on_allowed, *_EFFECT),
        (Phase.JUDGING, e.CallRefused): _rule(acting.on_refused, *_ASK),
        (Phase.JUDGING, e.ApprovalAsked): _rule(acting.on_approval_asked, Phase.APPROVING),
        (Phase.APPROVING, e.PersonAnswered): _rule(acting.on_approval, Phase.ASKING, *_EFFECT),
        (Phase.APPROVING, e.PersonAbsent): _rule(acting.on_absent, Phase.FINISHED),
        (Phase.INTENDING, e.EffectIntended): _rule(acting.on_intended, Phase.RUNNING),
        (Phase.RUNNING, e.ToolReturned): _rule(acting.on_returned, Phase.READING, *_ON),
        (Phase.RUNNING, e.ToolFailed): _rule(acting.on_tool_failed, Phase.WAITING, *_MENDED),
        (Phase.RUNNING, e.OutcomeUnknown): _rule(acting.on_unknown, Phase.RECONCILING),
        (Phase.READING, e.ModelAnswered): _rule(reading.on_read, Phase.READING, *_ON),
        (Phase.READING, e.ModelFailed): _rule(reading.on_not_read, Phase.READING, Phase.WAITING, *_ON),
        (Phase.RECONCILING, e.PersonAnswered): _rule(
            acting.on_reconciled, Phase.INTENDING, Phase.RUNNING, Phase.READING, *_ON
        ),
        (Phase.RECONCILING, e.PersonAbsent): _rule(acting.on_absent, Phase.FINISHED),
        (Phase.HELPING, e.PersonAnswered): _rule(recovering.on_helped, *_ASK),
        (Phase.HELPING, e.PersonAbsent): _rule(recovering.on_nobody, Phase.FINISHED),
        (Phase.CONSULTING, e.PersonAnswered): _rule(consulting.on_consulted, *_ASK),
        (Phase.CONSULTING, e.PersonAbsent): _rule(acting.on_absent, Phase.FINISHED),
        (Phase.CHECKING, e.ChecksJudged): _rule(stepping.on_checked, Phase.CHECKING, *_MENDED),
        (Phase.WAITING, e.TimePassed): _rule(
            asking.on_waited, Phase.PLANNING, Phase.ASKING, Phase.READING, Phase.RUNNING
        ),
        **{(phase, e.SetupChanged): _rule(adopting.on_setup_changed, *_adopted(phase)) for phase in _BETWEEN},
    }
)


def feed(machine: Machine, event: Event) -> Machine:
    """Return the machine after `event`; its `command` is what is wanted next.

    Raises:
        IllegalEventError: the table does not allow this event in this phase.
    """
    rule = TABLE.get((machine.phase, type(event)))
    if rule is None:
        legal = sorted(kind.__name__ for phase, kind in TABLE if phase is machine.phase)
        raise IllegalEventError(
            f"{type(event).__name__} came at position {machine.position + 1} while {machine.phase.value}; "
            f"legal here: {', '.join(legal) or 'nothing, the run is over'}"
        )
    after = rule.handle(machine.counted(), event)
    if after.phase not in rule.to:
        raise IllegalEventError(
            f"{type(event).__name__} led from {machine.phase.value} to {after.phase.value}, which the table forbids"
        )
    return after


def replay(setup: Setup, events: tuple[Event, ...]) -> Machine:
    """Return the machine after `events`, from the beginning.

    Raises:
        IllegalEventError: the events do not fit the table.
    """
    machine = new_machine(setup)
    for event in events:
        machine = feed(machine, event)
    return machine


def diagram() -> str:
    """Return the table as a Mermaid state diagram, one line a transition."""
    lines = ["stateDiagram-v2", f"    [*] --> {Phase.NEW.value}"]
    for (phase, event), rule in TABLE.items():
        targets = sorted(rule.to, key=list(Phase).index)
        lines.extend(f"    {phase.value} --> {target.value}: {event.__name__}" for target in targets)
    return "\n".join([*lines, f"    {Phase.FINISHED.value} --> [*]"])
