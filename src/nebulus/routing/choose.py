"""Which tier is asked first about a step: the smallest whose lower bound of success meets what an error would cost.

Invariants: a tier that may not see the data is never chosen, whatever it promises; where no tier is good enough, the best
allowed one is taken and the shortfall is stated; a tier without measurements is never called good enough.
"""

from collections.abc import Mapping, Sequence

from msgspec import Struct

from nebulus.core.demand import Demand, Estimate
from nebulus.core.routes import Alternative, RouteMode, RoutePolicy


class TierOption(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A tier as it can be chosen for one request."""

    name: str
    estimate: Estimate | None = None
    """How likely it is to be right; None where nothing was measured."""
    leaves_machine: bool = False
    """Whether its prompts go to another machine."""
    cost_usd: float = 0.0
    """The expected price of one answer."""
    seconds: float = 0.0
    """The expected time of one answer."""


class Route(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A choice, with what it was based on."""

    tier: str
    demand: Demand
    reason: str
    needed: float = 0.0
    """The lower bound of success that was wanted."""
    estimate: Estimate | None = None
    shortfall: float = 0.0
    """How far below that the chosen tier is; 0 if it meets it."""
    alternatives: tuple[Alternative, ...] = ()


class NoTierAllowed(Struct, frozen=True):
    """No tier may do this work; `barred` says why for each."""

    barred: tuple[Alternative, ...]


def choose(demand: Demand, tiers: Sequence[TierOption], policy: RoutePolicy) -> Route | NoTierAllowed:
    """Return the tier to ask first about `demand`, of `tiers` from small to large. Nothing is asked or looked up."""
    barred = {tier.name: why for tier in tiers if (why := _bar(tier, policy))}
    allowed = [tier for tier in tiers if tier.name not in barred]
    if not allowed:
        return NoTierAllowed(tuple(_alternative(tier, barred[tier.name]) for tier in tiers))
    needed = policy.needed.get(demand.error_cost, 0.0)
    pinned = policy.pins.get(demand.kind)
    chosen, reason = _pinned(allowed, demand, pinned, barred=barred) if pinned else (None, "")
    if chosen is None:
        is_measured = policy.mode is RouteMode.MEASURED
        found, why = _measured(allowed, needed) if is_measured else (allowed[0], _smallest(allowed, demand))
        chosen, reason = found, "; ".join(filter(None, (reason, why)))
    low = chosen.estimate.low if chosen.estimate is not None else None
    return Route(
        tier=chosen.name,
        demand=demand,
        reason=reason,
        needed=needed,
        estimate=chosen.estimate,
        shortfall=round(max(0.0, needed - low), 4) if low is not None else 0.0,
        alternatives=_others(tiers, chosen, barred, needed=needed),
    )


def is_allowed(tier: TierOption, policy: RoutePolicy) -> bool:
    """Whether a tier may be asked at all."""
    return not _bar(tier, policy)


def _bar(tier: TierOption, policy: RoutePolicy) -> str:
    """Return why a tier may not be asked, "" if it may."""
    if policy.is_private and tier.leaves_machine:
        return "the data is private, and this tier is on another machine"
    if policy.most_usd is not None and tier.cost_usd > policy.most_usd:
        return f"an answer costs about ${tier.cost_usd:.4f}, and at most ${policy.most_usd:.4f} is allowed"
    if policy.most_seconds is not None and tier.seconds > policy.most_seconds:
        return (
            f"an answer takes about {tier.seconds:.1f} s, and at most {policy.most_seconds:.1f} s is allowed"
        )
    return ""


def _pinned(
    allowed: Sequence[TierOption], demand: Demand, pinned: str, *, barred: Mapping[str, str]
) -> tuple[TierOption | None, str]:
    for tier in allowed:
        if tier.name == pinned:
            return tier, f"{demand.kind.value} is pinned to {pinned}"
    return (
        None,
        f"{demand.kind.value} is pinned to {pinned}, but {barred.get(pinned, 'no such tier may do it')}",
    )


def _smallest(allowed: Sequence[TierOption], demand: Demand) -> str:
    return f"the smallest of {len(allowed)} that may {demand.kind.value}"


def _measured(allowed: Sequence[TierOption], needed: float) -> tuple[TierOption, str]:
    """Return the smallest tier that is good enough, or the best, with the reason.

    A larger tier is not taken for an advantage that its interval does not show: of several that fall short, the
    smallest is taken whose interval reaches the best mean.
    """
    measured = [
        (tier, tier.estimate) for tier in allowed if tier.estimate is not None and tier.estimate.observations
    ]
    if not measured:
        return allowed[0], "nothing was measured, so the smallest is tried first"
    for tier, estimate in measured:
        if estimate.low >= needed:
            return tier, f"the smallest that is right in at least {needed:.0%}: {_described(estimate)}"
    best = max(estimate.mean for _, estimate in measured)
    tier, estimate = next((tier, estimate) for tier, estimate in measured if estimate.high >= best)
    short = f"none is sure to be right in {needed:.0%}, short by {needed - estimate.low:.0%}"
    if estimate.mean < best:
        return tier, f"{short}; no larger one is measurably better: {_described(estimate)}"
    return tier, f"{short}; the best of {len(measured)}: {_described(estimate)}"


def _described(estimate: Estimate) -> str:
    return (
        f"{estimate.mean:.0%} ({estimate.low:.0%} to {estimate.high:.0%}) "
        f"by {estimate.observations:.0f} trials of {estimate.cell}"
    )


def _others(
    tiers: Sequence[TierOption], chosen: TierOption, barred: Mapping[str, str], *, needed: float
) -> tuple[Alternative, ...]:
    place = tiers.index(chosen)
    return tuple(
        _alternative(tier, barred.get(tier.name) or _why_not(tier, index < place, needed))
        for index, tier in enumerate(tiers)
        if tier is not chosen
    )


def _why_not(tier: TierOption, is_smaller: bool, needed: float) -> str:
    if tier.estimate is None or not tier.estimate.observations:
        return "nothing was measured"
    if is_smaller and tier.estimate.low < needed:
        return f"its lower bound is {tier.estimate.low:.0%}"
    return "larger than needed" if not is_smaller else "another was preferred"


def _alternative(tier: TierOption, why: str) -> Alternative:
    return Alternative(tier.name, why, tier.estimate.low if tier.estimate is not None else None)
