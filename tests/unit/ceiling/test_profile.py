"""A profile keeps counts, survives its file, and says when it is about another model or version."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nebulus.ceiling.profile import (
    RUNS,
    AgeOf,
    Cost,
    ModelIdentity,
    Profile,
    Row,
    coarse,
    decode_profile,
    encode_profile,
)
from nebulus.core.demand import Demand, ToolDemand, ValueDemand, WorkKind
from nebulus.core.errors import ConfigError

MODEL = ModelIdentity(name="qwen", digest="ab12", quantisation="Q4_K_M", template="cd34", backend="embedded")
EMPTY = Profile(model=MODEL)


def row(*, right: int = 1, trials: int = 1, prompt_tokens: int = 700, **more: object) -> Row:
    demand = Demand(kind=WorkKind.ACT, tools=ToolDemand(count=5), prompt_tokens=prompt_tokens)
    return Row(demand=demand, trials=trials, right=right, cost=Cost(answers=2, seconds=1.5), **more)  # type: ignore[arg-type]


def test_equal_work_is_counted_in_one_row() -> None:
    profile = EMPTY.with_rows(
        [row(prompt_tokens=701), row(right=0, prompt_tokens=749), row(prompt_tokens=900)]
    )
    assert [(one.trials, one.right) for one in profile.rows] == [(1, 1), (2, 1)]
    assert profile.rows[1].cost == Cost(answers=4, seconds=3.0)


def test_work_seen_in_runs_is_kept_apart_by_day() -> None:
    rows = [row(source=RUNS, day="2026-11-01"), row(source=RUNS, day="2026-11-02"), row(day="2026-11-01")]
    assert len(EMPTY.with_rows(rows).with_rows(rows).rows) == 3


def test_questions_are_counted_by_area_and_level() -> None:
    profile = EMPTY.with_question(("copy", 20), True, [row()], seconds=2.0)
    profile = profile.with_question(("copy", 20), False, [row(right=0)], seconds=3.0)
    assert profile.asked == 2
    assert profile.tallies["copy", 20].right == 1
    assert profile.seconds == 5.0


def test_trials_are_weighted_by_how_often_they_were_seen_and_fade_by_their_day() -> None:
    profile = EMPTY.with_rows([row(right=3, trials=5, source=RUNS, day="2026-11-20")])
    found = profile.trials(age_days=AgeOf("2026-11-28"))
    assert [(one.is_right, one.weight, one.age_days) for one in found] == [
        (True, 3.0, 8.0),
        (False, 2.0, 8.0),
    ]


@pytest.mark.parametrize("day", ["", "yesterday", "2026-13-41", "2030-01-01"])
def test_a_day_that_is_unknown_or_in_the_future_is_no_age(day: str) -> None:
    assert AgeOf("2026-11-28")(day) == 0.0


@given(st.integers(0, 100_000), st.integers(0, 9000))
def test_rounding_a_demand_twice_changes_nothing_more(tokens: int, length: int) -> None:
    demand = Demand(
        kind=WorkKind.ACT, prompt_tokens=tokens, values=ValueDemand(longest_copy_characters=length)
    )
    assert coarse(coarse(demand)) == coarse(demand)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5), st.integers(0, 3000)), max_size=6))
def test_a_profile_survives_its_file(found: list[tuple[int, int, int]]) -> None:
    rows = [row(right=right, trials=right + wrong, prompt_tokens=tokens) for right, wrong, tokens in found]
    profile = EMPTY.with_question(("open", 3), False, rows, seconds=1.0)
    data = encode_profile(profile)
    assert decode_profile(data, "p.json") == profile
    assert encode_profile(decode_profile(data, "p.json")) == data


def test_each_row_of_a_file_is_a_line_so_that_two_files_can_be_compared() -> None:
    profile = EMPTY.with_question(("open", 3), True, [row(), row(prompt_tokens=5000)], seconds=1.0)
    lines = encode_profile(profile).decode().splitlines()
    assert sum(line.strip().startswith('{"demand"') for line in lines) == 2


def test_a_profile_of_another_version_is_refused_and_says_what_to_do() -> None:
    data = json.dumps({"version": 7, "model": {"name": "qwen"}}).encode()
    with pytest.raises(
        ConfigError, match=r"q\.json is a profile of version 7, .* reads version 1; .*nebulus probe"
    ):
        decode_profile(data, "q.json")


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b'"x"', b"\xff\xfe", b'{"version": 1}', b"null"])
def test_a_file_that_is_not_a_profile_is_refused(data: bytes) -> None:
    with pytest.raises(ConfigError, match=r"q\.json is (not )?a profile"):
        decode_profile(data, "q.json")


def test_counts_that_cannot_be_are_refused() -> None:
    profile = EMPTY.with_rows([row(right=2, trials=2)])
    data = encode_profile(profile).replace(b'"trials":2', b'"trials":1')
    with pytest.raises(ConfigError, match="2 of 1"):
        decode_profile(data, "q.json")


@pytest.mark.parametrize(
    "row",
    [
        {"trials": 10**400, "right": 1},
        {"trials": 2**63, "right": 2**62},
        {"trials": 3, "right": 2, "cost": {"seconds": -1.0}},
        {"trials": 3, "right": 2, "demand": {"kind": "act", "prompt_tokens": -9}},
    ],
)
def test_numbers_that_nobody_counted_are_refused(row: dict[str, object]) -> None:
    data = {"version": 1, "model": {"name": "q"}, "rows": [{"demand": {"kind": "act"}, **row}]}
    with pytest.raises(ConfigError, match="can't be counted"):
        decode_profile(json.dumps(data).encode(), "q.json")


def test_a_profile_says_what_has_changed_about_its_model_and_compares_nothing_unknown() -> None:
    assert MODEL.changes(MODEL) == ()
    other = ModelIdentity(name="qwen", digest="ff00", quantisation="Q8_0", backend="embedded")
    assert MODEL.changes(other) == ("the model file", "the quantisation")
