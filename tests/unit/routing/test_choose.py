"""The smallest tier that is good enough is asked first; what bars the others is said."""

from hypothesis import given
from hypothesis import strategies as st

from nebulus.core.demand import Demand, ErrorCost, Estimate, WorkKind
from nebulus.core.routes import RouteMode, RoutePolicy
from nebulus.routing.choose import NoTierAllowed, Route, TierOption, choose

MEASURED = RoutePolicy(mode=RouteMode.MEASURED)
READ = Demand(kind=WorkKind.ACT)
DELETE = Demand(kind=WorkKind.ACT, error_cost=ErrorCost.IRREVERSIBLE)


def known(mean: float, around: float = 0.05, observations: float = 40.0) -> Estimate:
    low, high = max(0.0, mean - around), min(1.0, mean + around)
    return Estimate(mean=mean, low=low, high=high, observations=observations, cell="act")


def route(demand: Demand, tiers: list[TierOption], policy: RoutePolicy = MEASURED) -> Route:
    chosen = choose(demand, tiers, policy)
    assert isinstance(chosen, Route)
    return chosen


SMALL, LARGE = TierOption(name="small", estimate=known(0.8)), TierOption(name="large", estimate=known(0.97))


def test_what_an_error_costs_decides_how_sure_a_tier_must_be() -> None:
    assert route(READ, [SMALL, LARGE]).tier == "small"
    assert route(DELETE, [SMALL, LARGE]).tier == "large"


def test_the_lower_bound_counts_and_not_the_mean() -> None:
    unsure = TierOption(name="small", estimate=known(0.95, around=0.4))
    assert route(DELETE, [unsure, LARGE]).tier == "large"


def test_a_choice_says_what_was_wanted_and_why_the_others_were_not_taken() -> None:
    chosen = route(DELETE, [SMALL, LARGE])
    assert chosen.needed == 0.9
    assert chosen.shortfall == 0.0
    assert [(one.tier, one.why) for one in chosen.alternatives] == [("small", "its lower bound is 75%")]


def test_where_no_tier_is_good_enough_the_best_is_taken_and_the_shortfall_is_said() -> None:
    best = TierOption(name="large", estimate=known(0.88))
    chosen = route(DELETE, [SMALL, best])
    assert chosen.tier == "large"
    assert chosen.shortfall == 0.07
    assert "short by 7%" in chosen.reason


def test_where_the_intervals_show_no_difference_the_smaller_is_taken_and_it_is_said() -> None:
    alike = TierOption(name="large", estimate=known(0.82))
    chosen = route(DELETE, [SMALL, alike])
    assert chosen.tier == "small"
    assert "no larger one is measurably better" in chosen.reason


def test_a_tier_without_measurements_is_never_called_good_enough() -> None:
    unmeasured = TierOption(name="small", estimate=known(0.99, observations=0.0))
    assert route(READ, [unmeasured, LARGE]).tier == "large"
    alone = route(READ, [TierOption(name="small")])
    assert "nothing was measured" in alone.reason


def test_private_data_never_goes_to_another_machine() -> None:
    away = TierOption(name="large", estimate=known(0.97), leaves_machine=True)
    policy = RoutePolicy(mode=RouteMode.MEASURED, is_private=True, pins={WorkKind.ACT: "large"})
    assert route(DELETE, [SMALL, away], policy).tier == "small"
    assert isinstance(choose(DELETE, [away], policy), NoTierAllowed)


def test_price_and_time_bar_a_tier_with_the_figure() -> None:
    dear = TierOption(name="large", estimate=known(0.97), cost_usd=0.5, seconds=20)
    chosen = route(DELETE, [SMALL, dear], RoutePolicy(mode=RouteMode.MEASURED, most_usd=0.1))
    assert chosen.tier == "small"
    assert "$0.5000" in chosen.alternatives[0].why
    quick = RoutePolicy(mode=RouteMode.MEASURED, most_seconds=5)
    assert "20.0 s" in route(DELETE, [SMALL, dear], quick).alternatives[0].why


def test_a_pin_decides_for_its_kind_alone_and_an_unknown_one_is_not_silent() -> None:
    policy = RoutePolicy(mode=RouteMode.PIN, pins={WorkKind.PLAN: "large", WorkKind.CHECK: "gone"})
    assert route(Demand(kind=WorkKind.PLAN), [SMALL, LARGE], policy).tier == "large"
    assert route(READ, [SMALL, LARGE], policy).tier == "small"
    assert "pinned to gone" in route(Demand(kind=WorkKind.CHECK), [SMALL, LARGE], policy).reason


def test_a_ladder_begins_at_the_smallest_whatever_was_measured() -> None:
    assert route(DELETE, [SMALL, LARGE], RoutePolicy()).tier == "small"


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 0.5), st.booleans()), min_size=1, max_size=5))
def test_the_chosen_tier_is_allowed_and_no_smaller_allowed_one_is_good_enough(
    drawn: list[tuple[float, float, bool]],
) -> None:
    tiers = [
        TierOption(name=str(place), estimate=known(mean, around), leaves_machine=is_away)
        for place, (mean, around, is_away) in enumerate(drawn)
    ]
    policy = RoutePolicy(mode=RouteMode.MEASURED, is_private=True)
    chosen = choose(DELETE, tiers, policy)
    if isinstance(chosen, NoTierAllowed):
        assert all(tier.leaves_machine for tier in tiers)
        return
    place = int(chosen.tier)
    assert not tiers[place].leaves_machine
    smaller = [tier for tier in tiers[:place] if not tier.leaves_machine]
    assert all(tier.estimate is not None and tier.estimate.low < 0.9 for tier in smaller)
    assert {one.tier for one in chosen.alternatives} == {tier.name for tier in tiers} - {chosen.tier}
