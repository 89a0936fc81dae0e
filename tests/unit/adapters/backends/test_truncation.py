"""What the server's own figures prove, and what they don't."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from nebulus.adapters.backends.estimate import estimate, floor_of_messages, floor_of_tools
from nebulus.adapters.backends.truncation import check_truncation, lost_input
from nebulus.core.answers import FinishReason, Message, ModelAnswer, ModelRequest, RawCall, Usage
from nebulus.core.errors import BackendError
from nebulus.core.failure import FailureKind
from nebulus.core.tools import ToolSpec
from nebulus.ports.backend import TokenCount

LONG = ModelRequest(messages=(Message("system", "solidtext " * 800),), max_tokens=10)
TOOL = ToolSpec(name="read_file", description="solidtext " * 400)


@given(st.text(max_size=200))
def test_the_floor_is_below_the_estimate(text: str) -> None:
    request = ModelRequest(messages=(Message("user", text),), tools=(ToolSpec(name="t", description=text),))
    assert floor_of_messages(request) + floor_of_tools(request) < estimate(request).tokens


@pytest.mark.parametrize(
    ("text", "fewest", "most"),
    [
        ("The quick brown fox jumps over the lazy dog. " * 20, 201, 241),
        ('{"name": "read_file", "arguments": {"path": "src/a.py"}}\n' * 20, 380, 460),
        ("def f(x):\n    return x[0] + x[1]\n" * 20, 300, 360),
        ("| a | b | c |\n|---|---|---|\n" * 20, 260, 280),
        ("你好世界,我们今天去北京看长城。" * 20, 220, 321),
        ("Сегодня хорошая погода, пойдём гулять в парк. " * 20, 301, 441),
        ("आज मौसम बहुत अच्छा है। " * 20, 142, 541),
        ((" " * 40 + "x\n") * 20, 60, 100),
    ],
)
def test_the_estimate_is_not_too_small_and_the_floor_not_too_large(text: str, fewest: int, most: int) -> None:
    """The counts are those of Mistral's tokenizers of 131k (tekken) and 32k (v3) entries."""
    request = ModelRequest(messages=(Message("user", text),))
    assert floor_of_messages(request) < fewest
    assert most <= estimate(request).tokens


def test_an_exact_count_convicts_by_one_token_and_acquits_by_none() -> None:
    counted = TokenCount(100, is_exact=True)
    assert lost_input(100, LONG, counted) is None
    lost = lost_input(99, LONG, counted)
    assert lost is not None
    assert lost.kind is FailureKind.PROMPT_CUT


def test_an_estimated_count_convicts_by_the_floor_alone() -> None:
    counted = TokenCount(100_000, is_exact=False)
    assert lost_input(floor_of_messages(LONG), LONG, counted) is None
    assert lost_input(floor_of_messages(LONG) - 1, LONG, counted) is not None


def test_a_server_that_reports_nothing_proves_nothing() -> None:
    assert lost_input(0, LONG) is None


def test_messages_without_tools_are_dropped_tools() -> None:
    request = replace(LONG, tools=(TOOL,))
    lost = lost_input(floor_of_messages(request) + 1, request)
    assert lost is not None
    assert lost.kind is FailureKind.TOOLS_DROPPED
    with pytest.raises(BackendError):
        check_truncation(ModelAnswer(usage=Usage(floor_of_messages(request) + 1, 1)), request)


@pytest.mark.parametrize("finish", [FinishReason.STOP, FinishReason.CALLS])
@pytest.mark.parametrize(("written", "is_cut"), [(9, False), (10, True), (11, True)])
def test_the_cap_is_a_cut_whatever_the_server_says(finish: FinishReason, written: int, is_cut: bool) -> None:
    answer = ModelAnswer(text="x", calls=(RawCall("t", "{}"),), finish=finish, usage=Usage(0, written))
    assert check_truncation(answer, LONG).finish is (FinishReason.LENGTH if is_cut else finish)


@given(st.text(alphabet=st.characters(max_codepoint=0x2100)))
def test_the_floor_of_a_text_is_the_same_however_its_white_space_is_counted(text: str) -> None:
    request = ModelRequest(messages=(Message("user", text * 9),))
    assert floor_of_messages(request) == sum(map(len, (text * 9).split())) // 8
