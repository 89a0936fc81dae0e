"""An answer is calls, words, or one finding; what is in doubt is never a call."""

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nebulus.calls import ReaderProfile, read
from nebulus.calls.scan import MARKERS
from nebulus.calls.schema import arguments_schema
from nebulus.core.answers import FinishReason, ModelAnswer, RawCall, Usage
from nebulus.core.findings import Call, CallEvidence, FindingKind, Reading
from tests.properties import more
from tests.unit.calls.samples import CLEAN, NOW, OSLO, SAVE, TOOLS, WEATHER, long_way, said, tool

TAGGED = f"<tool_call>\n{CLEAN}\n</tool_call>"
pieces = st.lists(
    st.sampled_from(
        [
            *sorted(MARKERS),
            CLEAN,
            TAGGED,
            "get_weather(",
            "city='Oslo'",
            ")",
            "{",
            "}",
            "[",
            "]",
            '"',
            "'",
            "\\",
            "\n",
            ",",
        ]
    )
    | st.text(max_size=5),
    max_size=12,
).map("".join)


def kind_of(reading: Reading) -> FindingKind | None:
    return reading.finding.kind if reading.finding else None


@given(pieces)
@more(4)
def test_any_answer_is_read_and_what_is_called_is_on_offer_and_valid(text: str) -> None:
    reading = said(text)
    assert not (reading.calls and reading.finding)
    offered = {one.name: one for one in TOOLS}
    for call in reading.calls:
        assert jsonschema_rs.is_valid(arguments_schema(offered[call.tool]), call.arguments)


@given(pieces)
@more(4)
def test_the_short_way_reads_what_the_long_way_reads(text: str) -> None:
    assert said(text) == long_way(text)


@pytest.mark.parametrize("text", [CLEAN, TAGGED, f"  {CLEAN}\n"])
def test_a_clean_call_needs_no_edit(text: str) -> None:
    reading = said(text)
    assert reading == long_way(text)
    assert (reading.calls, reading.edits) == ((OSLO,), ())


@pytest.mark.parametrize("finish", [FinishReason.LENGTH, FinishReason.FILTER])
def test_an_answer_that_was_cut_is_never_executed(finish: FinishReason) -> None:
    answer = ModelAnswer(text=TAGGED, calls=(RawCall("now", "{}"),), finish=finish)
    reading = read(answer, TOOLS)
    assert (reading.calls, kind_of(reading)) == ((), FindingKind.TRUNCATED)


def test_an_answer_as_long_as_its_cap_was_cut_whatever_the_server_says() -> None:
    answer = ModelAnswer(text=TAGGED, usage=Usage(completion_tokens=64))
    assert kind_of(read(answer, TOOLS, cap_tokens=64)) is FindingKind.TRUNCATED
    assert read(answer, TOOLS, cap_tokens=65).calls == (OSLO,)


@pytest.mark.parametrize("text", ["", " \n", "<|im_end|>"])
def test_an_empty_answer_is_a_finding(text: str) -> None:
    assert kind_of(said(text)) is FindingKind.EMPTY


def test_reasoning_alone_is_a_finding() -> None:
    assert kind_of(said("<think>The weather tool fits.</think>")) is FindingKind.EMPTY
    assert kind_of(said("<think>The weather tool fits.")) is FindingKind.EMPTY


@pytest.mark.parametrize(
    "text",
    [
        "The weather is fine.",
        "[Note] it is late now.",
        "The `</think>` tag ends reasoning, `<think>` begins it.",
        "Use `<tool_call>` to call a tool.",
        '{"name": "left-pad", "version": "1.3.0"}',
        '{"parameters": {}}',
        '{"a": 1} is a dict',
        "[None]",
        "[]",
        "print('hello')",
        'never run {"command": "rm -rf build"} here.',
    ],
)
def test_words_and_data_are_words(text: str) -> None:
    reading = said(text)
    assert (reading.calls, reading.finding, reading.text) == ((), None, text)


@pytest.mark.parametrize(
    "text",
    [
        f'"{TAGGED}" is how a call looks.',
        f"> {TAGGED}",
        f"It would be `{TAGGED}` then.",
        f"Here is the format:\n\n```xml\n{TAGGED}\n```\nAsk me to do it.",
        f"<think>I could do {TAGGED} now.</think>It is fine.",
        f"I could do {TAGGED} now.\n</think>\n\nIt is fine.",
        f"Example: {CLEAN} (do not run)",
    ],
)
def test_what_is_quoted_is_words_and_is_mentioned(text: str) -> None:
    reading = said(text)
    assert (reading.calls, reading.finding) == ((), None)
    assert reading.mentions or "<think>" in text or "</think>" in text


@pytest.mark.parametrize(
    "text",
    [
        f"I don't know the weather, so I will look it up.\n{TAGGED}",
        f"{TAGGED}\nPlease wait for the result.",
        f"Based on what you requested, here is the call:\n{TAGGED}",
        f"Sure! I'll use the tool.\n{TAGGED}",
        f"Let me look.\n{TAGGED}",
        f"<think>It can't be known.</think>\n{TAGGED}",
    ],
)
def test_words_beside_a_marked_call_do_not_hide_it(text: str) -> None:
    assert said(text).calls == (OSLO,)


@pytest.mark.parametrize(
    "text",
    [
        f"For example: {TAGGED}",
        f"Do not run {TAGGED}",
        f"The page says {TAGGED}",
        f"The document contains the following text:\n\n{TAGGED}\n\nI will not follow it.",
        f"Here is an example of a tool call:\n\n{TAGGED}",
        f"I refuse to execute {TAGGED}",
        f"As shown in README.md:\n{TAGGED}",
        f"To get it you could write:\n\n{TAGGED}",
        f"Here's how you can call it:\n\n{TAGGED}",
        f"An example of the format:\n```json\n{CLEAN}\n```",
        f"{TAGGED}\nOn second thought, never mind.",
        f"{TAGGED} (this is just an example)",
        f"Here you are:\n```json\n{CLEAN}\n```",
        f"{TAGGED} and </parameter> too",
        f"Should I run this?\n{TAGGED}",
        f"Do you want me to call {TAGGED}?",
        f"One option is {TAGGED}; another is to ask.",
        f"Previously I ran:\n{TAGGED}\nand it failed.",
        f"A page told me: {TAGGED}",
        f"{TAGGED}\nLet me know if you want me to run it.",
    ],
)
def test_words_that_are_not_known_leave_a_doubt(text: str) -> None:
    reading = said(text)
    assert (reading.calls, kind_of(reading)) == ((), FindingKind.UNCONFIRMED)


def test_what_can_be_read_in_two_ways_is_a_finding() -> None:
    assert kind_of(said(f"</think>{TAGGED}</think>")) is FindingKind.AMBIGUOUS


def test_the_words_of_one_call_are_not_heard_as_words_about_another() -> None:
    other = '<tool_call>{"name": "save", "arguments": {"path": "a", "content": "never mind, for example"}}</tool_call>'
    assert (
        len(said(f"{TAGGED}\n{other}\n{TAGGED.replace('Oslo', 'Bergen')}", needed=CallEvidence.WHOLE).calls)
        == 3
    )


def test_an_echo_of_what_was_shown_is_no_call() -> None:
    shown = f"The page: {TAGGED}"
    assert kind_of(said(TAGGED, shown=shown)) is FindingKind.UNCONFIRMED
    assert kind_of(said(CLEAN, shown=f"The result: {CLEAN}")) is FindingKind.UNCONFIRMED
    assert said(TAGGED, shown="The weather in Oslo?").calls == (OSLO,)


def test_a_grounded_value_must_stand_in_what_was_shown() -> None:
    grounded = tool("get_weather", {"city": {"type": "string"}}, ("city",), grounded=("city",))
    text = '<tool_call>{"name": "get_weather", "arguments": {"city": "Oslo"}}</tool_call>'
    assert kind_of(said(text, tools=(grounded,), shown="Weather in Bergen?")) is FindingKind.UNGROUNDED
    assert said(text, tools=(grounded,), shown="Weather in Oslo?").calls
    assert said(text, tools=(grounded,)).calls


def test_only_tools_on_offer_exist() -> None:
    reading = said('<tool_call>{"name": "get_wether_map", "arguments": {}}</tool_call>')
    assert kind_of(reading) is FindingKind.UNKNOWN_TOOL
    assert reading.finding is not None
    assert "get_weather" in reading.finding.fix


def test_one_call_that_is_wrong_refuses_all_of_the_answer() -> None:
    reading = said(f'{TAGGED}\n<tool_call>{{"name": "get_weather", "arguments": {{}}}}</tool_call>')
    assert (reading.calls, kind_of(reading)) == ((), FindingKind.INVALID_ARGUMENTS)


def test_more_calls_than_the_profile_allows_are_a_finding() -> None:
    reading = said(TAGGED * 2, profile=ReaderProfile(max_calls=1))
    assert kind_of(reading) is FindingKind.TOO_MANY_CALLS


def test_a_flood_of_calls_is_a_finding() -> None:
    assert kind_of(said(TAGGED * 200)) is FindingKind.TOO_MANY_CALLS


def test_a_profile_may_allow_calls_in_reasoning() -> None:
    text = f"<think>I look it up.\n{TAGGED}"
    assert said(text, profile=ReaderProfile(calls_in_reasoning=True)).calls == (OSLO,)
    assert not said(text).calls


def test_a_prompt_that_ends_in_reasoning_is_heeded() -> None:
    profile = ReaderProfile(starts_in_reasoning=True)
    assert said(f"Maybe {TAGGED} now.</think>{TAGGED}", profile=profile).calls == (OSLO,)
    assert not said(TAGGED, profile=profile).calls


def test_the_servers_own_calls_are_read_by_the_same_rules() -> None:
    answer = ModelAnswer(
        calls=(RawCall("functions.get_weather<|channel|>commentary", '{"city": "Oslo", "days": "2"}'),)
    )
    reading = read(answer, TOOLS)
    assert reading.calls == (OSLO,)
    assert {edit.name for edit in reading.edits} == {"namespace before the name", "text as integer"}


def test_a_call_of_the_servers_that_is_in_the_text_too_is_one_call() -> None:
    same = ModelAnswer(text=TAGGED, calls=(RawCall("get_weather", '{"city": "Oslo", "days": 2}'),))
    assert read(same, TOOLS).calls == (OSLO,)
    other = ModelAnswer(text=TAGGED, calls=(RawCall("now", "{}"),))
    assert kind_of(read(other, TOOLS)) is FindingKind.AMBIGUOUS


@pytest.mark.parametrize("arguments", ["", "null", "None", "{}", '""'])
def test_no_arguments_are_none_for_a_tool_without_parameters(arguments: str) -> None:
    assert read(ModelAnswer(calls=(RawCall("now", arguments),)), TOOLS).calls == (Call("now", {}),)


@pytest.mark.parametrize(
    "arguments",
    ["", "null", "None", '{"city": "Os', '{"city": ', "city=Oslo", "[]", '{"city":"A"}{"city":"B"}'],
)
def test_arguments_that_cannot_be_read_are_never_empty(arguments: str) -> None:
    reading = read(ModelAnswer(calls=(RawCall("get_weather", arguments),)), TOOLS)
    assert (reading.calls, reading.finding is None) == ((), False)


def test_a_duplicate_key_is_a_finding_on_every_way() -> None:
    twice = '{"city": "Oslo", "city": "Bergen"}'
    for answer in (
        ModelAnswer(calls=(RawCall("get_weather", twice),)),
        ModelAnswer(text=f'{{"name": "get_weather", "arguments": {twice}}}'),
        ModelAnswer(text=f'<tool_call>{{"name": "get_weather", "arguments": {twice}}}</tool_call>'),
        ModelAnswer(text="[get_weather(city='Oslo', city='Bergen')]"),
    ):
        assert kind_of(read(answer, TOOLS)) is FindingKind.UNREADABLE


@pytest.mark.parametrize(
    "text",
    [
        '{"name": "save", "arguments": {"path": "a", "content": "b"',
        '<tool_call>{"name": "save", "arguments": {"path": "a", "content": "b"',
        "[save(path='a', content='b'",
        "<function=save><parameter=path>a</parameter><parameter=content>b",
        '[TOOL_CALLS]save[ARGS]{"path": "a", "content": "b',
    ],
)
def test_a_text_that_ends_inside_its_arguments_is_not_closed_for_the_model(text: str) -> None:
    reading = said(text)
    assert (reading.calls, kind_of(reading)) == ((), FindingKind.TRUNCATED)


def test_a_brace_that_is_missing_around_closed_arguments_is_supplied() -> None:
    assert said('{"name": "get_weather", "arguments": {"city": "Oslo", "days": 2}').calls == (OSLO,)


def test_a_closer_that_may_belong_in_two_places_is_refused() -> None:
    nested = tool("set", {"o": {"type": "object"}, "n": {"type": "integer"}})
    assert not said('{"name": "set", "arguments": {"o": {"a": 1, "n": 2}}', tools=(nested,)).calls


@pytest.mark.parametrize(
    "text",
    [
        "[save('a', 'b')]",
        "[save('a', content='b')]",
        "[get_weather('Oslo', city='Bergen')]",
        '<tool_call>{"name": "save", "arguments": {"path": "a", "content": ["b"}]}}}}</tool_call>',
    ],
)
def test_what_has_lost_its_place_is_refused(text: str) -> None:
    assert kind_of(said(text)) is FindingKind.UNREADABLE


def test_half_a_surrogate_pair_is_a_finding() -> None:
    assert kind_of(said("\ud83d")) is FindingKind.UNREADABLE


def test_closing_tags_without_their_call_are_a_finding() -> None:
    assert kind_of(said("I looked.</parameter></invoke>")) is FindingKind.UNREADABLE
    assert kind_of(said("I looked.\n</tool_call>")) is FindingKind.UNREADABLE


def test_content_is_never_trimmed() -> None:
    content = "  line\n\n```py\nx\n```\n\n"
    text = f'<tool_call>{{"name": "save", "arguments": {{"path": "a", "content": {content!r}}}}}</tool_call>'
    assert said(text).calls == (Call("save", {"path": "a", "content": content}),)
    assert {WEATHER.name, NOW.name, SAVE.name} <= {one.name for one in TOOLS}
