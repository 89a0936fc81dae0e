"""Estimates follow the trials, say how little is known, and fade."""

from msgspec.structs import replace

from nebulus.ceiling.estimate import NO_EFFECT, SuccessModel, fit, prior_of
from nebulus.ceiling.features import NAMES, features
from nebulus.core.demand import Demand, ToolDemand, Trial, WorkKind

EASY = Demand(kind=WorkKind.ACT, tools=ToolDemand(count=1, schema_depth=1, required_arguments=1))
HARD = Demand(kind=WorkKind.ACT, tools=ToolDemand(count=20, schema_depth=3, required_arguments=6), calls=6)


def tried(demand: Demand, right: int, wrong: int, *, age_days: float = 0.0) -> list[Trial]:
    return [
        Trial(demand=demand, is_right=is_right, age_days=age_days)
        for is_right, count in ((True, right), (False, wrong))
        for _ in range(count)
    ]


def test_nothing_measured_means_an_interval_from_almost_none_to_almost_all() -> None:
    estimate = fit([]).estimate(EASY)
    assert estimate.cell == "nothing measured"
    assert estimate.observations == 0
    assert estimate.low < 0.1
    assert estimate.high > 0.9


def test_more_trials_make_a_narrower_interval_around_the_rate() -> None:
    few, many = fit(tried(EASY, 8, 2)).estimate(EASY), fit(tried(EASY, 160, 40)).estimate(EASY)
    assert many.high - many.low < few.high - few.low
    assert many.low < 0.8 < many.high
    assert abs(many.mean - 0.8) < 0.02


def test_harder_work_that_failed_is_told_apart_from_easier_work_that_succeeded() -> None:
    model = fit(tried(EASY, 30, 2) + tried(HARD, 4, 28))
    assert model.estimate(EASY).low > model.estimate(HARD).high


def test_an_estimate_names_the_finest_group_of_demands_that_was_tried() -> None:
    model = fit(tried(EASY, 5, 0))
    assert model.estimate(EASY).cell == "act, 1 tool, 0-1 arguments"
    assert model.estimate(HARD).cell == "act"
    assert model.estimate(replace(HARD, kind=WorkKind.PLAN)).cell == "all"


def test_work_unlike_all_that_was_tried_has_a_wider_interval() -> None:
    model = fit(tried(EASY, 80, 20))
    near, far = model.estimate(EASY), model.estimate(replace(HARD, kind=WorkKind.PLAN))
    assert far.high - far.low > near.high - near.low


def test_old_trials_count_less_than_new_ones() -> None:
    trials = [*tried(EASY, 0, 40, age_days=900), *tried(EASY, 40, 0)]
    assert fit(trials).estimate(EASY).low > 0.8


def test_a_weight_counts_like_so_many_trials_and_order_does_not_matter() -> None:
    once = [Trial(demand=EASY, is_right=True, weight=9.0), Trial(demand=EASY, is_right=False, weight=3.0)]
    each = tried(EASY, 9, 3)
    assert abs(fit(once).estimate(EASY).mean - fit(each).estimate(EASY).mean) < 1e-6
    assert abs(fit(each[::-1]).estimate(EASY).low - fit(each).estimate(EASY).low) < 1e-6


def test_other_models_teach_what_is_hard_but_not_how_good_a_new_model_is() -> None:
    others: list[SuccessModel] = [
        fit(tried(EASY, 30, good) + tried(HARD, 6, 30 + good)) for good in range(1, 5)
    ]
    prior = prior_of(others)
    informed = fit(tried(EASY, 10, 0), prior=prior)
    alone = fit(tried(EASY, 10, 0))
    assert informed.estimate(HARD).mean < alone.estimate(HARD).mean
    assert informed.estimate(HARD).cell == "act"
    assert fit([], prior=prior).estimate(HARD).cell == "4 other models"


def test_one_other_model_is_not_a_prior() -> None:
    assert prior_of([fit(tried(EASY, 3, 3))]) is NO_EFFECT


def test_another_level_gives_another_interval() -> None:
    model = fit(tried(EASY, 8, 2))
    wide, narrow = model.estimate(EASY, level=0.99), model.estimate(EASY, level=0.5)
    assert wide.low < narrow.low < narrow.mean < narrow.high < wide.high


def test_every_number_of_a_demand_has_a_name() -> None:
    assert len(features(EASY)) == len(NAMES) == len(set(NAMES))
