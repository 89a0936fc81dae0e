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
from nebulus.loop import acting, asking, stepping
from nebulus.loop.progress import Machine, Phase, Setup, new_machine


class Rule(Struct, frozen=True):
    """What handles an event in a phase, and the phases that it may lead to."""

    handle: Callable[[Machine, Any], Machine]
    to: frozenset[Phase]


def _to(*phases: Phase) -> frozenset[Phase]:
    return frozenset({*phases, Phase.FINISHED})


_NEXT = (Phase.ASKING, Phase.CHECKING)
"""Where a finished piece of work leads: the next question, or a look at the checks."""

TABLE: Mapping[tuple[Phase, type], Rule] = MappingProxyType(
    {
        (Phase.NEW, e.GoalGiven): Rule(stepping.on_goal, _to(Phase.PLANNING, *_NEXT)),
        (Phase.PLANNING, e.ModelAnswered): Rule(asking.on_plan, _to(Phase.PLANNING, *_NEXT)),
        (Phase.PLANNING, e.ModelFailed): Rule(asking.on_failed, _to(Phase.PLANNING, Phase.WAITING)),
        (Phase.ASKING, e.ModelAnswered): Rule(asking.on_answer, _to(Phase.JUDGING, *_NEXT)),
        (Phase.ASKING, e.ModelFailed): Rule(asking.on_failed, _to(Phase.ASKING, Phase.WAITING)),
        (Phase.JUDGING, e.CallAllowed): Rule(acting.on_allowed, _to(Phase.INTENDING, Phase.RUNNING)),
        (Phase.JUDGING, e.CallRefused): Rule(acting.on_refused, _to(Phase.ASKING)),
        (Phase.JUDGING, e.ApprovalAsked): Rule(acting.on_approval_asked, _to(Phase.APPROVING)),
        (Phase.APPROVING, e.PersonAnswered): Rule(acting.on_approval, _to(Phase.INTENDING, Phase.RUNNING)),
        (Phase.APPROVING, e.PersonAbsent): Rule(acting.on_absent, _to()),
        (Phase.INTENDING, e.EffectIntended): Rule(acting.on_intended, _to(Phase.RUNNING)),
        (Phase.RUNNING, e.ToolReturned): Rule(acting.on_returned, _to(Phase.JUDGING, *_NEXT)),
        (Phase.RUNNING, e.ToolFailed): Rule(acting.on_tool_failed, _to(Phase.ASKING, Phase.WAITING)),
        (Phase.RUNNING, e.OutcomeUnknown): Rule(acting.on_unknown, _to(Phase.RECONCILING)),
        (Phase.RECONCILING, e.PersonAnswered): Rule(
            acting.on_reconciled, _to(Phase.INTENDING, Phase.RUNNING, Phase.JUDGING, *_NEXT)
        ),
        (Phase.RECONCILING, e.PersonAbsent): Rule(acting.on_absent, _to()),
        (Phase.CHECKING, e.ChecksJudged): Rule(stepping.on_checked, _to(*_NEXT)),
        (Phase.WAITING, e.TimePassed): Rule(
            asking.on_waited, _to(Phase.ASKING, Phase.PLANNING, Phase.INTENDING, Phase.RUNNING)
        ),
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
        for target in sorted(rule.to, key=list(Phase).index):
            lines.append(f"    {phase.value} --> {target.value}: {event.__name__}")
    return "\n".join([*lines, f"    {Phase.FINISHED.value} --> [*]"])
