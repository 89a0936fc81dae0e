"""What a real run shows about the models that were asked in it, as rows of their profiles.

Invariant: only what code knows is counted. A step is right if its checks passed, and wrong for a model at which it failed or
that a larger one had to replace. Where a larger model was asked for a second opinion, the answer that was not used is right if
it proposed the calls that the checks then proved right. A step that was only called or claimed shows nothing, nor does one
that failed since a tool, the policy or a server did.
"""

from collections.abc import Iterator, Sequence

from msgspec import Struct

from nebulus.ceiling.profile import RUNS, Cost, Row
from nebulus.core.demand import Demand
from nebulus.core.digest import canonical
from nebulus.core.failure import Fault
from nebulus.core.findings import Call
from nebulus.core.outcome import Done, Failed, Proof
from nebulus.core.plan import StepStatus
from nebulus.core.tiers import StepKind
from nebulus.report.step_outcomes import RunOutcomes, StepOutcome


class Verdict(Struct, frozen=True, kw_only=True):
    """How a whole run ended for the model that was asked first about each of its steps."""

    demands: tuple[Demand, ...]
    is_right: bool


def learned_rows(found: RunOutcomes, *, day: str) -> dict[str, list[Row]]:
    """Return the rows that a run adds to the profile of each tier; `day` is when it ended, as YYYY-MM-DD."""
    rows: dict[str, list[Row]] = {}
    for work in found.steps:
        for tier, is_right in _verdicts(work, found):
            if work.demand is not None:
                rows.setdefault(tier, []).append(_row(work, is_right, day=day))
    return rows


def verdicts_of(found: RunOutcomes) -> dict[str, Verdict]:
    """Return the verdict on the whole run by the name of a tier, where code knows one and that tier began all of it."""
    steps = [work for work in found.steps if work.kind is StepKind.EXECUTE]
    demands = tuple(work.demand for work in steps if work.demand is not None)
    first = {work.tiers[0] for work in steps if work.tiers}
    if len(first) != 1 or len(demands) < len(steps) or any(work.unused for work in steps):
        return {}
    failed = any(
        is_right is False for work in steps for tier, is_right in _verdicts(work, found) if tier in first
    )
    is_proven = isinstance(found.outcome, Done) and found.outcome.proof is Proof.PROVEN
    if not failed and not is_proven:
        return {}
    return dict.fromkeys(first, Verdict(demands=demands, is_right=not failed))


def _verdicts(work: StepOutcome, found: RunOutcomes) -> Iterator[tuple[str, bool]]:
    """Yield the tiers that a step shows something about, each with whether it was right."""
    if work.kind is not StepKind.EXECUTE or not work.tiers:
        return
    *replaced, last = work.tiers
    is_proven = work.status is StepStatus.PROVEN
    for tier in replaced:
        if tier not in work.unused:
            yield tier, False
        elif is_proven:
            yield tier, _signature(work.unused[tier]) == _signature(work.calls)
    if is_proven:
        yield last, True
    elif isinstance(found.outcome, Failed):
        is_here = found.outcome.step == work.step
        if is_here and found.outcome.failure.fault is Fault.MODEL:
            yield last, False


def _signature(calls: Sequence[Call]) -> list[tuple[str, bytes]]:
    return sorted((call.tool, canonical(call.arguments)) for call in calls)


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
