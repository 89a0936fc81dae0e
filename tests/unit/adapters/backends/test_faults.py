"""Foreign failures in our words, without foreign bodies or credentials."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nebulus.adapters.backends.faults import EXCERPT_CHARS, excerpt, of_error_chunk, of_status, retry_after_s
from nebulus.core.failure import FailureKind, Fault

NOW = datetime(2030, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("headers", "wait_s"),
    [
        ({}, 0.0),
        ({"retry-after": "12"}, 12.0),
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after": format_datetime(NOW + timedelta(seconds=90), usegmt=True)}, 90.0),
        ({"retry-after": format_datetime(NOW - timedelta(seconds=90), usegmt=True)}, 0.0),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after": "soon"}, 0.0),
        ({"retry-after": "-3"}, 0.0),
        ({"retry-after-ms": "inf"}, 0.0),
    ],
)
def test_the_server_s_word_on_waiting_is_read_in_all_its_spellings(
    headers: dict[str, str], wait_s: float
) -> None:
    assert retry_after_s(headers, NOW.timestamp()) == pytest.approx(wait_s)


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (429, b"", FailureKind.THROTTLED),
        (529, b'{"type":"error","error":{"type":"overloaded_error"}}', FailureKind.THROTTLED),
        (408, b"", FailureKind.TIMEOUT),
        (504, b"", FailureKind.TIMEOUT),
        (413, b"", FailureKind.PROMPT_TOO_LARGE),
        (422, b'{"detail":"no"}', FailureKind.PERMANENT),
        (501, b"", FailureKind.PERMANENT),
        (502, b"<html>", FailureKind.TRANSIENT),
        (
            400,
            b'{"error":{"message":"prompt is too long: 9 tokens > 8 maximum"}}',
            FailureKind.PROMPT_TOO_LARGE,
        ),
        (400, b'{"error":"the input length exceeds the context length"}', FailureKind.PROMPT_TOO_LARGE),
        (404, b'{"error":{"message":"no context window named x"}}', FailureKind.NOT_FOUND),
        (500, b'{"error":{"message":"Failed to parse tool call arguments as JSON"}}', FailureKind.PERMANENT),
    ],
)
def test_a_status_is_of_its_kind(status: int, body: bytes, kind: FailureKind) -> None:
    assert of_status(status, {}, body, now_s=0.0).kind is kind


def test_a_server_that_could_not_parse_its_model_blames_the_model() -> None:
    body = b'{"error":{"message":"The model produced output that does not match the expected peg-native format"}}'
    failure = of_status(500, {}, body, now_s=0.0)
    assert (failure.kind, failure.fault) == (FailureKind.MALFORMED_ANSWER, Fault.MODEL)


def test_llama_cpp_s_figures_are_passed_on() -> None:
    body = b'{"error":{"type":"exceed_context_size_error","n_prompt_tokens":50400,"n_ctx":4096}}'
    assert of_status(400, {}, body, now_s=0.0).value == "50400 tokens, the window holds 4096"


@pytest.mark.parametrize(
    ("chunk", "kind"),
    [
        ({"error": {"type": "overloaded_error", "message": "busy"}}, FailureKind.THROTTLED),
        ({"error": {"code": 400, "type": "exceed_context_size_error"}}, FailureKind.PROMPT_TOO_LARGE),
        ({"error": "out of memory"}, FailureKind.TRANSIENT),
        ({"error": {"type": "authentication_error"}}, FailureKind.PERMISSION),
    ],
)
def test_an_error_in_a_stream_is_of_its_kind(chunk: dict[str, object], kind: FailureKind) -> None:
    assert of_error_chunk(chunk, b"{}").kind is kind


@given(st.text(max_size=600) | st.binary(max_size=1200))
def test_an_excerpt_is_one_bounded_line(body: str | bytes) -> None:
    cut = excerpt(body)
    assert len(cut) <= EXCERPT_CHARS
    assert "\n" not in cut


@pytest.mark.parametrize(
    "text",
    [
        "Bearer abc.def-ghi",
        'api_key="abc.def-ghi"',
        "x-api-key: abc.def-ghi",
        "sk-abc.def-ghi-jkl",
        "hf_abcdefghijkl.def-ghi",
    ],
)
def test_a_credential_is_blanked(text: str) -> None:
    assert "abc" not in excerpt(f"the key {text} is wrong")
