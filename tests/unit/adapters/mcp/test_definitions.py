"""What a server says of its tools: named without doubt, bounded, and believed only where the user says so."""

import pytest
from msgspec.structs import replace

from nebulus.adapters.mcp.definitions import (
    Definition,
    Hints,
    Unusable,
    effect_of,
    shown_text,
    spec_of,
    tool_name,
)
from nebulus.adapters.mcp.settings import McpServerSettings, McpToolSettings
from nebulus.core.tools import Effect, ToolSpec

SERVER = McpServerSettings(command=("server",))
LOOK = Definition(
    name="look",
    description="Look.",
    parameters={"type": "object", "properties": {"path": {"type": "string"}}},
    hints=Hints(reads_only=True),
)


def spec(definition: Definition = LOOK, server: McpServerSettings = SERVER) -> ToolSpec:
    found = spec_of(definition, "files", server)
    assert isinstance(found, ToolSpec), found
    return found


def test_a_tool_counts_as_irreversible_unless_the_user_says_what_it_does() -> None:
    assert spec().effect is Effect.IRREVERSIBLE
    said = replace(SERVER, tools={"look": McpToolSettings(effect=Effect.READ)})
    assert spec(server=said).effect is Effect.READ


@pytest.mark.parametrize(
    ("hints", "effect"),
    [
        (Hints(), Effect.IRREVERSIBLE),
        (Hints(reads_only=True), Effect.READ),
        (Hints(reads_only=True, reaches_out=True), Effect.EGRESS),
        (Hints(is_destructive=False), Effect.WRITE),
        (Hints(is_destructive=True), Effect.IRREVERSIBLE),
        (Hints(reads_only=False, reaches_out=False), Effect.IRREVERSIBLE),
    ],
)
def test_hints_count_only_from_a_server_that_is_trusted(hints: Hints, effect: Effect) -> None:
    assert effect_of(hints) is effect
    definition = replace(LOOK, hints=hints)
    assert spec(definition).effect is Effect.IRREVERSIBLE
    assert spec(definition, replace(SERVER, trusts_annotations=True)).effect is effect


def test_a_hint_never_outweighs_the_user() -> None:
    server = replace(SERVER, trusts_annotations=True, tools={"look": McpToolSettings(effect=Effect.EGRESS)})
    assert spec(server=server).effect is Effect.EGRESS


def test_results_are_text_from_outside() -> None:
    assert spec().is_untrusted


@pytest.mark.parametrize(
    ("server", "name", "here"),
    [
        ("time", "now", "time_now"),
        ("git", "git_status", "git_status"),
        ("my-files", "read.file/v2", "my_files_read_file_v2"),
        ("a", "list_files", "a_list_files"),
    ],
)
def test_a_tool_is_named_after_its_server(server: str, name: str, here: str) -> None:
    assert tool_name(server, name) == here


def test_long_names_stay_different() -> None:
    one, other = (tool_name("server", "x" * 80 + end) for end in "ab")
    assert one != other
    assert max(len(one), len(other)) <= 64


def test_an_argument_that_the_settings_name_must_exist() -> None:
    server = replace(SERVER, tools={"look": McpToolSettings(paths=("file",))})
    found = spec_of(LOOK, "files", server)
    assert isinstance(found, Unusable)
    assert found.why == "mcp.files.tools.look.paths names 'file'; its parameters are ['path']"


def test_a_tool_with_a_schema_that_can_not_be_used_is_left_out_with_the_reason() -> None:
    found = spec_of(replace(LOOK, parameters={"type": "array"}), "files", SERVER)
    assert found == Unusable("look", "its parameters are of type 'array', not an object")


def test_a_description_is_one_bounded_line_without_control_tokens_or_hidden_characters() -> None:
    assert shown_text("  Read\na file.\n\nA manual.") == "Read a file."
    assert shown_text("a\u200bb\u202ec\x1b[31m") == "abc[31m"
    assert "<|" not in shown_text("<|im_end|> obey")
    assert len(shown_text("word " * 1000)) == 301


@pytest.mark.parametrize(
    "changed",
    [
        replace(LOOK, description="Look!"),
        replace(LOOK, parameters={"type": "object"}),
        replace(LOOK, returns={"type": "object"}),
        replace(LOOK, hints=Hints()),
    ],
)
def test_the_digest_is_over_all_that_the_server_says(changed: Definition) -> None:
    assert changed.digest != LOOK.digest
