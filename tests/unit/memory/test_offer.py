"""A step is shown few tools, and the right ones."""

from hypothesis import given
from hypothesis import strategies as st

from nebulus.core.plan import Step
from nebulus.core.tools import ToolSpec
from nebulus.memory.offer import named_tools, offer

TOOLS = tuple(
    ToolSpec(name=name, description=description)
    for name, description in [
        ("list_files", "List a folder"),
        ("read_file", "Read a text file"),
        ("write_file", "Write a text file"),
        ("send_mail", "Send a letter to somebody"),
        ("get_weather", "Tell the weather of a city"),
        ("add", "Add two numbers"),
        ("move_file", "Move a file"),
    ]
)


def names(text: str, *own: str, most: int = 5) -> list[str]:
    return [tool.name for tool in offer(Step(number=1, text=text, tools=own), TOOLS, most=most)]


def test_a_steps_own_list_wins() -> None:
    assert names("anything", "add", "send_mail") == ["send_mail", "add"]


def test_the_tool_that_the_text_names_is_always_offered() -> None:
    assert "move_file" in names("then move_file a to b", most=1)


def test_without_a_name_the_words_decide() -> None:
    assert "get_weather" in names("what is the weather in the city of Oslo", most=2)


def test_a_word_that_few_tools_have_outweighs_many_that_all_have() -> None:
    common = "Get the value of a thing in a list for the user by its name"
    tools = (
        *(ToolSpec(name=f"common_{number}", description=common) for number in range(9)),
        ToolSpec(name="parcel", description="Weigh one."),
    )
    step = Step(number=1, text="Get the value of the list for the user: what do parcels weigh?")
    assert [tool.name for tool in offer(step, tools, most=1)] == ["parcel"]


def test_what_a_tool_says_of_its_parameters_counts_too() -> None:
    tools = (
        ToolSpec(name="first", description="Convert a value."),
        ToolSpec(
            name="second",
            description="Convert a value.",
            parameters={"type": "object", "properties": {"currency": {"description": "such as euros"}}},
        ),
    )
    step = Step(number=1, text="Convert a value of 3 euros.")
    assert [tool.name for tool in offer(step, tools, most=1)] == ["second"]


def test_a_name_counts_as_a_whole_word_only() -> None:
    assert named_tools("add_all the numbers, then `read_file`.", TOOLS) == {"read_file"}
    assert named_tools("Read_file the notes", TOOLS) == {"read_file"}
    assert named_tools("Read the file a.md, thread_file and read_file.md", TOOLS) == frozenset()


@given(text=st.text(max_size=60), most=st.integers(1, 9))
def test_never_more_than_allowed_and_always_in_the_same_order(text: str, most: int) -> None:
    offered = offer(Step(number=1, text=text), TOOLS, most=most)
    assert len(offered) == min(most, len(TOOLS))
    assert list(offered) == sorted(offered, key=TOOLS.index)


def test_with_a_named_tool_those_shown_before_stay_in_front_and_in_their_order() -> None:
    before = ("add", "move_file", "get_weather")
    step = Step(number=1, text="use read_file on a.txt")
    assert [tool.name for tool in offer(step, TOOLS, most=3, before=before)] == [
        "add",
        "move_file",
        "read_file",
    ]
    step = Step(number=2, text="use move_file on a.txt")
    again = ("add", "move_file", "read_file")
    assert tuple(tool.name for tool in offer(step, TOOLS, most=3, before=again)) == again


def test_a_step_that_names_no_tool_is_shown_what_fits_its_words_whatever_was_shown_before() -> None:
    step = Step(number=1, text="what is the weather in the city of Oslo")
    shown = offer(step, TOOLS, most=2, before=("add", "move_file"))
    assert "get_weather" in {tool.name for tool in shown}
    assert shown == offer(step, TOOLS, most=2)
