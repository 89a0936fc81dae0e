"""A forecast follows from what was measured: more steps fail more often, and little knowledge gives a wide interval."""

from nebulus.ceiling.depth import depth_curve
from nebulus.ceiling.forecast import MeasuredTier, PlannedStep, forecast, forecast_mix
from nebulus.ceiling.profile import Cost, ModelIdentity, Profile, Row
from nebulus.core.demand import Demand, ToolDemand, ValueDemand, WorkKind

EASY = Demand(
    kind=WorkKind.ACT, tools=ToolDemand(count=1, schema_depth=1, required_arguments=1), prompt_tokens=500
)
LONG = Demand(
    kind=WorkKind.ACT,
    tools=ToolDemand(count=5, schema_depth=1, required_arguments=3),
    values=ValueDemand(longest_copy_characters=256),
    prompt_tokens=500,
)
COST = Cost(answers=20, prompt_tokens=10_000, completion_tokens=600, seconds=30.0)


def profile(*, scale: int = 1) -> Profile:
    rows = [
        Row(demand=EASY, trials=10 * scale, right=9 * scale, cost=COST),
        Row(demand=LONG, trials=10 * scale, right=4 * scale, cost=COST),
    ]
    return Profile(model=ModelIdentity(name="m")).with_rows(rows)


def steps(*demands: Demand) -> list[PlannedStep]:
    return [PlannedStep(number=n, text=f"step {n}", demand=one) for n, one in enumerate(demands, start=1)]


def test_each_further_step_makes_a_right_end_less_likely() -> None:
    chances = [forecast("m", steps(*[EASY] * count), profile()).chance for count in (1, 2, 4, 8)]
    assert chances == sorted(chances, reverse=True)
    assert chances[0] < 0.95


def test_a_run_of_one_step_is_as_likely_as_the_step() -> None:
    found = forecast("m", steps(LONG), profile())
    estimate = found.steps[0].estimate
    assert abs(found.chance - estimate.mean) < 0.01
    assert abs(found.low - estimate.low) < 0.01
    assert abs(found.high - estimate.high) < 0.01


def test_more_measurements_of_the_same_narrow_the_interval() -> None:
    few, many = (forecast("m", steps(EASY, LONG), profile(scale=scale)) for scale in (1, 20))
    assert many.high - many.low < few.high - few.low


def test_what_is_unknown_is_shared_by_the_steps_so_their_interval_is_wider_than_if_it_were_not() -> None:
    found = forecast("m", steps(*[EASY] * 4), profile())
    single = found.steps[0].estimate
    assert abs(found.low - single.low**4) < 0.05
    assert abs(found.high - single.high**4) < 0.05


def test_a_run_without_steps_is_right_for_certain() -> None:
    assert forecast("m", [], profile()).chance == 1.0


def test_the_weakest_step_is_named_first_with_what_would_help() -> None:
    found = forecast("m", steps(EASY, LONG, EASY), profile(scale=5))
    assert found.weakest[0].number == 2
    advice = found.weakest[0].advice
    assert any("one tool alone" in one.what for one in advice)
    assert all(one.chance > found.weakest[0].estimate.mean for one in advice)


def test_a_step_says_what_its_estimate_rests_on() -> None:
    other = Demand(kind=WorkKind.PLAN)
    known, unknown = forecast("m", steps(EASY, other), profile()).steps
    assert known.estimate.observations >= 10
    assert unknown.estimate.observations == 20
    assert unknown.estimate.cell == "all"


def test_the_cost_of_a_run_is_that_of_its_steps() -> None:
    found = forecast("m", steps(EASY, LONG), profile())
    assert (found.cost.answers, found.cost.seconds) == (4, 6.0)


def test_the_curve_of_depth_falls_and_names_where_every_second_run_ends_right() -> None:
    measured = Profile(model=ModelIdentity(name="m"))
    for number in range(20):
        measured = measured.with_question(("stated", 1), number % 10 != 0, [], seconds=1.0)
    curve = depth_curve(measured)
    chances = [point.chance for point in curve.points]
    assert chances == sorted(chances, reverse=True)
    assert all(point.low <= point.chance <= point.high for point in curve.points)
    assert 4 <= curve.half <= 7
    assert curve.trials == 20


def test_a_mix_of_one_tier_is_that_tier() -> None:
    tier = MeasuredTier(name="m", profile=profile())
    mix = forecast_mix("m", [(step, tier) for step in steps(EASY, LONG)])
    assert mix == forecast("m", steps(EASY, LONG), profile())


def test_a_mix_is_as_good_as_the_tier_of_each_step_and_what_is_unknown_about_two_models_is_independent() -> (
    None
):
    easy, long = steps(EASY, LONG)
    strong = [Row(demand=LONG, trials=20, right=19, cost=COST)]
    small = MeasuredTier(name="small", profile=profile())
    large = MeasuredTier(name="large", profile=Profile(model=ModelIdentity(name="l")).with_rows(strong))
    mix = forecast_mix("mix", [(easy, small), (long, large)])
    alone = forecast("small", [easy, long], profile())
    one = forecast("small", [easy], profile())
    other = forecast("large", [long], large.profile)
    assert mix.chance > alone.chance
    assert abs(mix.chance - one.chance * other.chance) < 0.01
    assert one.low * other.low < mix.low < mix.chance < mix.high < one.high * other.high
    assert [step.tier for step in mix.steps] == ["small", "large"]
