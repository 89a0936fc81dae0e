"""A demand is counted by code, from the text and the tools."""

from hypothesis import given
from hypothesis import strategies as st

from nebulus.core.demand import ErrorCost, WorkKind
from nebulus.core.tools import Effect, ToolSpec
from nebulus.routing.demand import StepPlace, demand_of, depth_of
from nebulus.routing.words import stems


def tool(name: str, effect: Effect = Effect.READ, **properties: object) -> ToolSpec:
    parameters = {"type": "object", "properties": properties, "required": list(properties)[:1]}
    return ToolSpec(name=name, parameters=parameters, effect=effect)


WEATHER = tool("get_weather", city={"type": "string"}, in_celsius={"type": "boolean"})
MAIL = tool(
    "send_mail", Effect.EGRESS, to={"type": "string"}, lines={"type": "array", "items": {"type": "object"}}
)


def test_the_tools_are_counted_by_the_hardest_one() -> None:
    demand = demand_of("Send the weather to Anna", (WEATHER, MAIL))
    assert demand.tools.count == 2
    assert demand.tools.schema_depth == 3
    assert (demand.tools.required_arguments, demand.tools.optional_arguments) == (1, 1)
    assert demand.tools.has_flag
    assert demand.tools.has_list
    assert not demand.tools.has_untyped


def test_an_error_costs_what_the_most_consequential_tool_does() -> None:
    assert demand_of("x", (WEATHER, MAIL)).error_cost is ErrorCost.IRREVERSIBLE
    assert demand_of("x", (WEATHER,)).error_cost is ErrorCost.READ


def test_stated_values_are_counted_and_the_longest_is_measured() -> None:
    values = demand_of('Copy "a rather long title" to report 17 for the office in Oslo', ()).values
    assert values.facts == 3
    assert values.longest_copy_characters == len("a rather long title")


def test_results_of_earlier_steps_count_as_facts() -> None:
    place = StepPlace(facts=4, prompt_tokens=900, window_tokens=4096, steps_left=2, failures=1)
    demand = demand_of("Write it down", kind=WorkKind.NEXT, place=place)
    assert (demand.values.facts, demand.prompt_tokens, demand.failures) == (4, 900, 1)


def test_a_text_in_parts_asks_for_more_calls() -> None:
    one = demand_of("Find the price of apples.", ())
    many = demand_of("Find the price of apples and pears. Then compare both; finally buy one.", ())
    assert one.calls == 1
    assert many.calls > 3
    assert many.values.needs_ordering


def test_a_tool_whose_name_the_text_uses_matches() -> None:
    fits, other = demand_of("get the weather in Oslo", (WEATHER,)), demand_of("Who wrote Hamlet?", (WEATHER,))
    assert fits.tools.name_match > other.tools.name_match == 0.0


def test_identifiers_and_other_scripts_are_noticed() -> None:
    assert demand_of("parse `httpBody` with bodyParser").language == "code"
    assert demand_of("今天奥斯陆的天气怎么样").language == "other"
    assert demand_of("What is the weather?").language == ""


def test_a_schema_that_nests_without_end_is_measured_to_a_bound() -> None:
    schema: dict[str, object] = {"type": "array"}
    schema["items"] = schema
    assert depth_of(schema) == 8


def test_endings_and_capitals_do_not_hide_a_word() -> None:
    assert stems("calculateAreas") == stems("calculating areas")


@given(st.text(), st.integers(0, 3))
def test_any_text_has_a_demand(text: str, count: int) -> None:
    demand = demand_of(text, (WEATHER,) * count)
    assert 1 <= demand.calls <= 12
    assert 0 <= demand.tools.text_match <= 1
