"""Foreign failures in our words, without foreign bodies or credentials."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nebulus.adapters.backends.faults import EXCERPT_CHARS, excerpt, of_error_chunk, of_status
from nebulus.core.failure import FailureKind, Fault
from nebulus.core.http import kind_of_status


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
        (402, b"", FailureKind.EXHAUSTED_BUDGET),
        (409, b"", FailureKind.CONFLICT),
        (451, b"", FailureKind.POLICY_REFUSAL),
        (511, b"", FailureKind.PERMISSION),
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


@pytest.mark.parametrize("status", [*range(300, 600), 999])
def test_a_status_of_a_model_server_is_classed_as_everywhere_but_for_requests_that_we_wrote(
    status: int,
) -> None:
    kind, said = kind_of_status(status), of_status(status, {}, b"", now_s=0.0).kind
    assert said is kind or (kind, said) in {
        (FailureKind.INVALID_ARGUMENTS, FailureKind.PERMANENT),
        (FailureKind.INVALID_ARGUMENTS, FailureKind.PROMPT_TOO_LARGE),
    }


def test_a_wait_that_the_server_asks_for_is_in_the_failure_and_makes_it_a_throttled_one() -> None:
    failure = of_status(503, {"retry-after": "12"}, b"", now_s=0.0)
    assert (failure.kind, failure.retry_after_s) == (FailureKind.THROTTLED, 12.0)


def test_a_server_that_could_not_parse_its_model_blames_the_model() -> None:
    body = b'{"error":{"message":"The model produced output that does not match the expected peg-native format"}}'
    failure = of_status(500, {}, body, now_s=0.0)
    assert (failure.kind, failure.fault) == (FailureKind.MALFORMED_ANSWER, Fault.MODEL)


def test_llama_cpp_s_figures_are_passed_on() -> None:
    body = b'{"error":{"type":"exceed_context_size_error","n_prompt_tokens":50400,"n_ctx":4096}}'
    assert of_status(400, {}, body, now_s=0.0).value == "50400 tokens, the window has 4096"


@pytest.mark.parametrize(
    ("chunk", "kind"),
    [
        ({"error": {"type": "overloaded_error", "message": "busy"}}, FailureKind.THROTTLED),
        ({"error": {"code": 400, "type": "exceed_context_size_error"}}, FailureKind.PROMPT_TOO_LARGE),
        ({"error": "out of memory"}, FailureKind.TRANSIENT),
        ({"error": {"type": "authentication_error"}}, FailureKind.PERMISSION),
        ({"error": {"type": "request_too_large"}}, FailureKind.PROMPT_TOO_LARGE),
        ({"error": {"code": 429}}, FailureKind.THROTTLED),
        ({"error": {"code": 7, "type": "strange"}}, FailureKind.TRANSIENT),
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
