"""A goal of any form is forecast from profiles, with the tools and the plan that its run would have; no model is asked."""

from pathlib import Path

import pytest

from nebulus import Agent, tool
from nebulus.adapters.profiles.store import ProfileStore
from nebulus.ceiling.profile import Cost, ModelIdentity, Profile, Row
from nebulus.core.demand import Demand, ToolDemand, WorkKind

ONE = ToolDemand(count=1, schema_depth=1, required_arguments=1, name_match=1.0, text_match=0.3)
TOOLS = {WorkKind.ACT: ONE, WorkKind.NEXT: ONE, WorkKind.ANSWER: ToolDemand(), WorkKind.EXTRACT: ToolDemand()}
QWEN, GEMMA = "http://127.0.0.1:1#qwen", "http://127.0.0.1:1#gemma"


@tool
def weather(city: str) -> int:
    """Say how warm it is."""
    return len(city)


@pytest.fixture(autouse=True)
def measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEBULUS_PROFILES", str(tmp_path))
    cost = Cost(answers=40, prompt_tokens=20_000, completion_tokens=800, seconds=60.0)
    rows = [
        Row(demand=Demand(kind=kind, tools=TOOLS[kind], prompt_tokens=250), trials=20, right=right, cost=cost)
        for kind, right in (
            (WorkKind.ACT, 19),
            (WorkKind.NEXT, 10),
            (WorkKind.ANSWER, 15),
            (WorkKind.EXTRACT, 12),
        )
    ]
    ProfileStore(tmp_path).write(
        Profile(model=ModelIdentity(name="qwen"), window_tokens=8192).with_rows(rows)
    )


def forecast(goal: str, **more: object) -> list[tuple[int, float]]:
    found = Agent(tools=[weather], model=QWEN).forecast(goal, **more)  # type: ignore[arg-type]
    (only,) = found.forecasts
    assert 0 < only.low < only.chance < only.high < 1
    return [(step.number, step.estimate.mean) for step in only.steps]


def test_each_step_of_a_runbook_is_forecast_and_so_are_the_values_that_it_reads() -> None:
    runbook = (
        "Compare.\n\n1. Use weather for Oslo\n   - read warmth: how warm it is\n2. Use weather for Cork\n"
    )
    (_, first), (_, read), (_, second) = forecast(runbook)
    assert first == pytest.approx(second, abs=0.1)
    assert read < first


def test_a_goal_in_prose_is_one_open_step() -> None:
    ((number, chance),) = forecast("Find out how warm it is in Oslo and in Cork.")
    assert number == 1
    assert chance < 0.75


def test_an_answer_that_is_wanted_is_forecast_too() -> None:
    assert [
        number for number, _ in forecast("Say how warm it is.\n\n1. Use weather for Oslo\n", result=int)
    ] == [1, 0]


def test_a_model_without_a_profile_is_named_with_the_command_that_makes_one() -> None:
    found = Agent(tools=[weather], model=[QWEN, GEMMA]).forecast("1. Use weather for Oslo")
    assert [one.tier for one in found.forecasts] == ["qwen"]
    assert found.unmeasured == {"gemma": f"nebulus probe {GEMMA}"}


def test_the_expected_cost_is_that_of_the_probe_for_work_of_this_kind() -> None:
    (only,) = (
        Agent(tools=[weather], model=QWEN)
        .forecast("1. Use weather for Oslo\n2. Use weather for Cork")
        .forecasts
    )
    assert (only.cost.answers, only.cost.prompt_tokens, only.cost.seconds) == (4, 2000, 6.0)
