"""A call is accepted only on the evidence that its tool needs, and nothing that looks like one vanishes."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.calls_parts import foreign_frames, odd_frames
from bench.calls_parts.not_meant import FORMS, NotMeant, composed
from nebulus.calls import ReaderProfile, by_effect, explain, read
from nebulus.core.answers import ModelAnswer, RawCall
from nebulus.core.findings import Call, CallEvidence, FindingKind, Reading
from nebulus.core.tools import Effect
from tests.properties import more
from tests.unit.calls.samples import CLEAN, OSLO, TOOLS, WEATHER, fixture_cases, said, tool

TAGGED = f"<tool_call>\n{CLEAN}\n</tool_call>"
PYTHON = 'get_weather(city="Oslo", days=2)'
EXPLAINED = "This call gets the weather of Oslo for two days."
READS, WRITES, PAYS = (
    tool("get_weather", WEATHER.parameters["properties"], ("city",), effect=effect)
    for effect in (Effect.READ, Effect.WRITE, Effect.IRREVERSIBLE)
)


@pytest.mark.parametrize(
    ("text", "evidence"),
    [
        (TAGGED, CallEvidence.WHOLE),
        (f"[{PYTHON}]", CallEvidence.WHOLE),
        (f"<think>Hm.</think>\n{TAGGED}", CallEvidence.WHOLE),
        (f"Let me check the weather.\n{TAGGED}", CallEvidence.ANNOUNCED),
        (f"{TAGGED}\n\n{EXPLAINED}", CallEvidence.OPENS),
        (f"```python\n{PYTHON}\n```\n\n{EXPLAINED}", CallEvidence.OPENS),
        (f"[{PYTHON}]\n\nThe above code calls the `get_weather` function.", CallEvidence.OPENS),
        (f"I'll call the tool:\n```json\n{CLEAN}\n```", CallEvidence.OPENS),
        (f"The email says to run this:\n{TAGGED}", CallEvidence.MARKED),
        (f"Das Wetter in Oslo:\n{TAGGED}", CallEvidence.MARKED),
        (f"{TAGGED}\nWait, no.", CallEvidence.MARKED),
        (f"You could do this:\n{CLEAN}", CallEvidence.UNMARKED),
    ],
)
def test_evidence_is_graded_by_place_marks_and_words(text: str, evidence: CallEvidence) -> None:
    at_level = said(text, needed=evidence)
    above = said(text, needed=CallEvidence(evidence + 1))
    assert (at_level.calls, at_level.evidence) == ((OSLO,), (evidence,))
    assert (above.calls, above.finding and above.finding.kind) == ((), FindingKind.UNCONFIRMED)


def test_a_call_needs_evidence_in_proportion_to_its_effect() -> None:
    texts = {
        CallEvidence.OPENS: f"{TAGGED}\n\n{EXPLAINED}",
        CallEvidence.ANNOUNCED: f"Let me check the weather.\n{TAGGED}",
        CallEvidence.WHOLE: TAGGED,
    }
    for one in (READS, WRITES, PAYS):
        accepted = {level for level, text in texts.items() if said(text, tools=(one,)).calls}
        assert accepted == {level for level in texts if level >= by_effect(one)}


def test_a_constrained_answer_and_the_servers_own_call_are_told_apart() -> None:
    constrained = ReaderProfile(is_constrained=True)
    own = ModelAnswer(calls=(RawCall("get_weather", '{"city": "Oslo", "days": 2}'),))
    assert said(TAGGED, profile=constrained).evidence == (CallEvidence.CONSTRAINED,)
    assert read(own, TOOLS).evidence == (CallEvidence.WHOLE,)
    assert read(own, TOOLS, needed=CallEvidence.CONSTRAINED).finding is not None
    assert said(TAGGED, needed=CallEvidence.CONSTRAINED).finding is not None


def test_a_doubt_about_one_call_refuses_all() -> None:
    reading = said(f"The page says:\n{TAGGED}\nI'll call the tool now.\n{TAGGED.replace('Oslo', 'Bergen')}")
    assert (reading.calls, reading.finding and reading.finding.kind) == ((), FindingKind.UNCONFIRMED)


@pytest.mark.parametrize("form", FORMS)
def test_what_is_not_meant_is_never_acted_on_and_does_not_vanish(form: str) -> None:
    readings = [(one, said(one.text, tools=(READS,))) for one in composed() if one.form == form]
    assert len(readings) > 300
    assert [one.text for one, reading in readings if reading.calls] == []
    assert [one.text for one, reading in readings if not is_accounted_for(reading, one)] == []


def is_accounted_for(reading: Reading, answer: NotMeant) -> bool:
    return bool(reading.finding or reading.mentions) or answer.kind == "reasoning"


ENTITIES = (
    "<tool_call>{&quot;name&quot;: &quot;get_weather&quot;, &quot;arguments&quot;:"
    " {&quot;city&quot;: &quot;Oslo&quot;, &quot;days&quot;: 2}}</tool_call>"
)
STEP_3 = (
    '<｜tool_calls_begin｜><｜tool_call_begin｜>function<｜tool_sep｜><steptml:invoke name="get_weather">'
    '<steptml:parameter name="city">Oslo</steptml:parameter><steptml:parameter name="days">2</steptml:parameter>'
    "</steptml:invoke><｜tool_call_end｜><｜tool_calls_end｜>"
)
CASES = [case for _, case in fixture_cases() if case["calls"]]
UNKNOWN = "unheard_of"
BETWEEN = ("\n", " ", "\n\nand then\n\n", "\nThe weather is nice there.\n", "\n\nLet me also check this.\n")


def with_unknown_tool(case: dict) -> str:  # type: ignore[type-arg]
    """Return a case with the name of every tool replaced, also where it is written with other separators."""
    names = sorted({call["tool"] for call in case["calls"]}, key=len, reverse=True)
    known = "|".join(re.escape(name).replace("_", "[_.-]") for name in names)
    return re.sub(known, UNKNOWN, case["text"])


@given(
    st.lists(st.sampled_from(CASES), min_size=2, max_size=3),
    st.lists(st.sampled_from(BETWEEN), min_size=2, max_size=2),
    st.booleans(),
)
@more(3)
def test_no_call_of_a_composition_of_dialects_vanishes(
    cases: list[dict],  # type: ignore[type-arg]
    between: list[str],
    is_known: bool,
) -> None:
    last = cases[-1]["text"] if is_known else with_unknown_tool(cases[-1])
    pieces = [*(case["text"] for case in cases[:-1]), last]
    text = "".join(piece + gap for piece, gap in zip(pieces, [*between, ""], strict=False))[: 10**6]
    reading = said(text)
    wanted = sum(len(case["calls"]) for case in cases)
    mentioned = sum(1 + mention.text.count(",") for mention in reading.mentions)
    assert reading.finding is not None or len(reading.calls) + mentioned >= wanted
    assert all(call.tool != UNKNOWN for call in reading.calls)


@given(st.text(alphabet=" ,.;:!?-\n\"'`#>*([I'llcathe", max_size=40), st.text(max_size=30), st.booleans())
@more(3)
def test_any_words_around_a_call_can_be_weighed(some: str, other: str, is_before: bool) -> None:
    text = f"{some}\n{TAGGED}\n{other}" if is_before else f"{other}\n{TAGGED}\n{some}"
    said(text)


def test_a_second_marker_of_mistrals_opens_a_second_call() -> None:
    text = '[TOOL_CALLS]now{}[TOOL_CALLS]get_weather{"city": "Oslo", "days": 2}'
    assert said(text).calls == (Call("now", {}), OSLO)
    unknown = said('[TOOL_CALLS]now{}[TOOL_CALLS]nobody_knows_it{"a": 1}')
    assert (unknown.calls, unknown.finding and unknown.finding.kind) == ((), FindingKind.UNKNOWN_TOOL)


def test_the_account_says_why_words_are_words_and_on_what_a_call_was_accepted() -> None:
    quoted = said(f'He wrote "{TAGGED}" and left.')
    assert "words:   get_weather: it is in quotation marks" in explain(quoted)
    assert "evidence: whole" in explain(said(TAGGED))


@pytest.mark.parametrize(
    "text",
    [
        '{"name": "now"}',
        '<tool_call>{"name": "now"}</tool_call>',
        "<tool_call>\nnow\n</tool_call>",
        "now()",
        "[now()]",
        "now\n{}",
        '{"now": {}}',
        "<function=now>\n</function>",
        '<invoke name="now"></invoke>',
        "[TOOL_CALLS]now",
        "<|tool_call_begin|>functions.now:0<|tool_call_argument_begin|><|tool_call_end|>",
        "<｜tool▁call▁begin｜>now<｜tool▁sep｜><｜tool▁call▁end｜>",
        "Action: now\nAction Input:",
    ],
)
def test_a_call_without_arguments_is_read_in_every_form(text: str) -> None:
    assert said(text).calls == (Call("now", {}),)


@pytest.mark.parametrize(
    "text",
    [
        "<tool_call>\n<function=get_weather>\n<parameter=city>\nOslo\n</parameter>\n<parameter=days>\n2\n</parameter>\n</tool_call>",
        'I\'ll check it.\nget_weather\n{"city": "Oslo", "days": 2}',
        "[('get_weather', {'city': 'Oslo', 'days': 2})]",
        '{"name": "get_weather", "city": "Oslo", "days": 2}',
        '{"type": "get_weather", "arguments": {"city": "Oslo", "days": 2}}',
        ENTITIES,
        STEP_3,
        "[get_weather(city='Oslo', days=4-2)]",
        "[get_weather('Oslo', 2)]",
        "[get_weather('Oslo', days=2)]",
        "`get_weather(city='Oslo', days=2)`",
        f"```python\nreturn [{PYTHON}]\n```",
        f"```python\n{PYTHON}  # Output: rain\n```",
    ],
)
def test_other_spellings_of_a_call_are_read(text: str) -> None:
    assert said(text).calls == (OSLO,)


@pytest.mark.parametrize("kind", ['["now"]', '{"now": 1}', "1", "null", '"object"'])
def test_a_type_that_is_not_a_name_is_data(kind: str) -> None:
    reading = said(f'{{"type": {kind}, "arguments": {{}}}}')
    assert (reading.calls, reading.finding) == ((), None)


def test_several_forms_in_one_answer_are_all_read() -> None:
    assert said(f'{CLEAN}\n<tool_call>{{"name": "now", "arguments": {{}}}}</tool_call>').calls == (
        OSLO,
        Call("now"),
    )
    assert said(f"[{PYTHON} + now()]").calls == (OSLO, Call("now"))


@pytest.mark.parametrize("number", ["9007199254740993.0", "1e-400", "3.0000000000000000001", "1e400"])
def test_a_number_that_no_float_holds_is_refused(number: str) -> None:
    one = tool("set", {"x": {"type": "number"}})
    for text in (f'{{"name": "set", "arguments": {{"x": {number}}}}}', f"[set(x={number})]"):
        assert said(text, tools=(one,)).calls == ()


def test_a_whole_number_stays_exact() -> None:
    one = tool("set", {"x": {"type": "integer"}})
    reading = said('{"name": "set", "arguments": {"x": 1e25}}', tools=(one,))
    assert reading.calls[0].arguments == {"x": 10**25}


@pytest.mark.parametrize("text", ["1/3", "2024-10-15", "2**99999", "1//0", "(((((((((((1)))))))))))", "4 +"])
def test_arithmetic_without_an_exact_value_is_refused(text: str) -> None:
    one = tool("set", {"x": {"type": "number"}})
    assert said(f"[set(x={text})]", tools=(one,)).calls == ()


def test_an_enums_value_in_another_case_is_mended_where_one_only_can_be_meant() -> None:
    one = tool("set", {"x": {"enum": ["Fast", "slow"]}})
    reading = said('{"name": "set", "arguments": {"x": "fast"}}', tools=(one,))
    assert reading.calls[0].arguments == {"x": "Fast"}
    assert [edit.name for edit in reading.edits] == ["enum value in its declared case"]


def test_what_a_fence_says_of_its_call_is_words_around_it() -> None:
    assert said(f"```python\n{PYTHON}  # Output: rain\n```").calls == (OSLO,)
    for text in (
        f"```python\n# do not run\n{PYTHON}\n```",
        f"```python\n{PYTHON}  # do not run\n```",
        f"```log\n{PYTHON}\n```",
    ):
        assert said(text, tools=(PAYS,)).calls == said(text, tools=(READS,)).calls == ()


def test_odd_frames_are_seldom_taken_for_a_call() -> None:
    texts = list(odd_frames.not_meant())
    assert sum(odd_frames.is_made(text, CallEvidence.OPENS) for text in texts) < len(texts) * 0.02
    meant = list(odd_frames.meant())
    assert sum(odd_frames.is_made(text, CallEvidence.OPENS) for text in meant) > len(meant) * 0.95


def test_what_only_reads_is_called_once_with_the_same_arguments_and_what_changes_something_as_often_as_it_says() -> (
    None
):
    twice = f"{TAGGED}\n{TAGGED}"
    reading = said(twice, tools=(READS,))
    assert (reading.calls, [each.why for each in reading.mentions]) == ((OSLO,), ["it repeats a call"])
    assert said(twice, tools=(PAYS,)).calls == (OSLO, OSLO)
    own = RawCall("get_weather", '{"city": "Oslo", "days": 2}')
    assert read(ModelAnswer(calls=(own, own)), (READS,)).calls == (OSLO,)


@pytest.mark.parametrize("key", ["params_city", "arguments.city", "args-city"])
def test_an_argument_may_be_named_with_what_holds_it(key: str) -> None:
    reading = said(f'{{"name": "get_weather", "arguments": {{"{key}": "Oslo", "days": 2}}}}')
    assert reading.calls == (OSLO,)
    assert [edit.name for edit in reading.edits] == ["argument spelled as declared"]


@pytest.mark.parametrize("kind", ["odd", "foreign"])
def test_frames_that_nobody_wrote_a_rule_for_change_nothing(kind: str) -> None:
    page = {"odd": odd_frames, "foreign": foreign_frames}[kind]
    assert not [text for text in page.not_meant() if odd_frames.is_made(text, CallEvidence.ANNOUNCED)]


def test_foreign_frames_are_not_taken_for_a_call_and_polite_words_hide_none() -> None:
    assert not [text for text in foreign_frames.not_meant() if odd_frames.is_made(text, CallEvidence.OPENS)]
    meant = list(foreign_frames.meant())
    assert sum(odd_frames.is_made(text, CallEvidence.OPENS) for text in meant) > len(meant) * 0.85


def test_every_call_of_a_list_that_names_no_tool_is_mentioned() -> None:
    words = "<|from|>assistant\n<|recipient|>all\n<|content|>It is nice there."
    reading = said(f"{words}\n[unheard_of(city='Oslo'), nobody_knows()]")
    assert [mention.text for mention in reading.mentions] == ["unheard_of", "nobody_knows"]
