"""What a real run shows about the models that were asked in it, as rows of their profiles.

Invariant: only what code knows is counted. A step is right if its checks passed, and wrong for a model at which it failed or
that a larger one had to replace. A step that was only called or claimed shows nothing, nor does one that failed since a tool,
the policy or a server did.
"""

from collections.abc import Iterable, Iterator

from nebulus.ceiling.profile import RUNS, Cost, Row
from nebulus.core.events import Event
from nebulus.core.failure import Fault
from nebulus.core.outcome import Failed
from nebulus.core.plan import StepStatus
from nebulus.core.tiers import StepKind
from nebulus.report.step_outcomes import RunOutcomes, StepOutcome, step_outcomes


def learned_rows(events: Iterable[Event], *, day: str) -> dict[str, list[Row]]:
    """Return the rows that a run adds to the profile of each tier; `day` is when it ended, as YYYY-MM-DD.

    Raises:
        IllegalEventError: the events do not fit the machine.
    """
    found = step_outcomes(events)
    rows: dict[str, list[Row]] = {}
    for work in found.steps:
        for tier, is_right in _verdicts(work, found):
            if work.demand is not None:
                rows.setdefault(tier, []).append(_row(work, is_right, day=day))
    return rows


def _verdicts(work: StepOutcome, found: RunOutcomes) -> Iterator[tuple[str, bool]]:
    """Yield the tiers that a step shows something about, each with whether it was right."""
    if work.kind is not StepKind.EXECUTE:
        return
    *replaced, last = work.tiers
    yield from ((tier, False) for tier in replaced)
    if work.status is StepStatus.PROVEN:
        yield last, True
    elif isinstance(found.outcome, Failed):
        is_here = found.outcome.step == work.step
        if is_here and found.outcome.failure.fault is Fault.MODEL:
            yield last, False


def _row(work: StepOutcome, is_right: bool, *, day: str) -> Row:
    assert work.demand is not None
    is_alone = len(work.tiers) == 1
    cost = Cost(
        answers=work.answers,
        prompt_tokens=work.prompt_tokens,
        completion_tokens=work.completion_tokens,
        seconds=work.seconds,
    )
    return Row(
        demand=work.demand,
        trials=1,
        right=int(is_right),
        cost=cost if is_alone else Cost(),
        source=RUNS,
        day=day,
    )
