"""A written name means a tool on offer for certain, or none."""

import pytest

from nebulus.calls.names import nearest, resolve
from nebulus.core.tools import Effect, ToolSpec


def offered(*names: str, effect: Effect = Effect.READ) -> dict[str, ToolSpec]:
    return {name: ToolSpec(name=name, effect=effect) for name in names}


@pytest.mark.parametrize(
    ("written", "declared"),
    [
        ("math_factorial", "math.factorial"),
        ("read-file", "read_file"),
        ("ReadFile", "read_file"),
        ("functions.read_file", "read_file"),
        ("functions.read_file:0", "read_file"),
        ("tool:read_file", "read_file"),
        ("google:tool:read_file:index:0", "read_file"),
        ("read_file<|channel|>commentary", "read_file"),
        (" read_file ", "read_file"),
        ("write_file", "write_to_file"),
        ("serach_web", "search_web"),
        ("list_files", "list_file"),
    ],
)
def test_a_spelling_that_can_mean_one_tool_only_means_it_and_is_recorded(written: str, declared: str) -> None:
    tool, edits = resolve(written, offered(declared, "quite_another"))
    assert tool is not None
    assert tool.name == declared
    assert len(edits) == 1


@pytest.mark.parametrize(
    ("written", "declared"),
    [
        ("get_weather", "set_weather"),
        ("delete_file", "read_file"),
        ("read", "read_file"),
        ("circle.calculate_perimeter", "circle.calculate_area"),
        ("x" * 400, "x"),
    ],
)
def test_another_name_is_another_tool(written: str, declared: str) -> None:
    assert resolve(written, offered(declared)) == (None, ())


def test_two_tools_that_are_near_are_none() -> None:
    assert resolve("list_file", offered("list_files", "list_the_file"))[0] is None
    assert resolve("readfile", offered("read_file", "read.file"))[0] is None


@pytest.mark.parametrize("effect", [Effect.IRREVERSIBLE, Effect.EGRESS])
def test_nothing_is_snapped_on_to_a_tool_whose_effect_stays(effect: Effect) -> None:
    assert resolve("remove_documnet", offered("remove_document", effect=effect))[0] is None
    assert resolve("remove_documnet", offered("remove_document", effect=Effect.WRITE))[0] is not None
    assert resolve("remove-file", offered("remove_file", effect=effect))[0] is not None


def test_the_nearest_names_are_offered_as_a_fix() -> None:
    assert nearest("get_wether", ["get_weather", "stop"]) == ["get_weather"]
