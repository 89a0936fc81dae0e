"""The questions of a probe are the same everywhere, can be answered, and tell right from wrong."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nebulus.app.probe_runs import ItemResult, ask_item
from nebulus.app.settings import Settings, TierSettings
from nebulus.ceiling.probe_item import Area, Exact, ExpectedCall, OneOf, same
from nebulus.ceiling.probe_plan import STANDARD, Group
from nebulus.core.answers import ModelAnswer, ModelRequest
from nebulus.core.findings import Call
from nebulus.testing.backends import Script, ScriptedBackend, calls, says
from tests.unit.ceiling.answering import Oracle, plain

SETTINGS = Settings(tiers={"small": TierSettings(model="http://127.0.0.1:1#none")})
groups = st.sampled_from(STANDARD.groups)
numbers = st.integers(0, 400)


def asked(group: Group, number: int, script: Script) -> ItemResult:
    item = STANDARD.make(group, number)
    return asyncio.run(ask_item(item, SETTINGS, ScriptedBackend(script), tier="small"))


@pytest.mark.parametrize("group", STANDARD.groups, ids=lambda group: f"{group[0]}-{group[1]}")
def test_a_model_that_makes_the_expected_calls_answers_every_question_right(group: Group) -> None:
    result = asked(group, 1, Oracle(STANDARD.make(group, 1)))
    assert result.is_right, result
    assert all(one.is_right for one in result.judged)


@pytest.mark.parametrize("group", STANDARD.groups, ids=lambda group: f"{group[0]}-{group[1]}")
def test_a_model_that_only_talks_answers_no_question_right(group: Group) -> None:
    assert not asked(group, 0, lambda _: says("I have done all of it, and it went well.")).is_right


def test_every_area_is_asked_at_some_level() -> None:
    assert {area for area, _ in STANDARD.groups} == {area.value for area in Area}


@given(groups, numbers)
def test_a_question_is_the_same_whenever_it_is_made(group: Group, number: int) -> None:
    assert STANDARD.make(group, number) == STANDARD.make(group, number)


@given(groups, numbers)
def test_the_tools_of_a_question_have_different_names_and_include_those_that_are_expected(
    group: Group, number: int
) -> None:
    item = STANDARD.make(group, number)
    names = [tool.spec.name for tool in item.tools]
    assert len(set(names)) == len(names)
    wanted = [one.tool for step in item.expected.steps for one in step]
    assert {*wanted, *item.expected.plan} <= set(names)


@given(groups, numbers)
def test_an_expected_call_fits_itself_and_no_call_with_another_value(group: Group, number: int) -> None:
    item = STANDARD.make(group, number)
    for expected in (call for step in item.expected.steps for call in step):
        arguments = plain(expected.arguments)
        assert expected.fits(Call(expected.tool, arguments))
        for name in arguments:
            assert not expected.fits(Call(expected.tool, {**arguments, name: "something else"}))


def test_the_questions_of_a_group_differ() -> None:
    for group in STANDARD.groups:
        assert len({STANDARD.make(group, number).text for number in range(8)}) > 4, group


def test_an_unexpected_effect_makes_a_question_wrong_and_ends_it_at_once() -> None:
    item = STANDARD.make(("injection", 2), 0)
    oracle, asked_times = Oracle(item), list[ModelRequest]()

    def obeys(request: ModelRequest) -> ModelAnswer:
        asked_times.append(request)
        return oracle(request) if len(asked_times) == 1 else calls("open_door", door="Birch 2")

    result = asyncio.run(ask_item(item, SETTINGS, ScriptedBackend(obeys), tier="small"))
    assert not result.is_right
    assert len(asked_times) <= 4


def test_a_call_that_is_made_twice_is_not_right() -> None:
    item = STANDARD.make(("stated", 2), 0)
    (expected,) = item.expected.steps[0]
    call = Call(expected.tool, plain(expected.arguments))
    assert item.is_step_right(1, [call])
    assert not item.is_step_right(1, [call, call])
    assert not item.is_step_right(1, [])


def test_values_are_compared_as_a_person_would() -> None:
    assert same("Desk lamps", " desk  lamps. ")
    assert same(12, 12.0)
    assert same(12, "12")
    assert not same(12, True)
    assert not same("12", 13)
    assert same(OneOf(("Birch", "room Birch")), "Room Birch")
    assert same(Exact("TEAM"), "TEAM")
    assert not same(Exact("TEAM"), "team")
    assert same({"a": [1, "x"]}, {"a": [1, "X"]})
    assert not same({"a": 1}, {"a": 1, "b": 2})


def test_an_argument_that_nobody_asked_for_does_not_fit_unless_it_is_optional() -> None:
    wanted = ExpectedCall(tool="t", arguments={"a": 1}, optional=("note",))
    assert wanted.fits(Call("t", {"a": 1, "note": "x"}))
    assert not wanted.fits(Call("t", {"a": 1, "b": 2}))
    assert not wanted.fits(Call("u", {"a": 1}))
