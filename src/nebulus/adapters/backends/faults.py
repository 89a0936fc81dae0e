"""Foreign failures in our words: statuses, error bodies and broken connections become `Failure` values.

Laws: pure; a raw body never leaves here, only a bounded excerpt of its message without credentials.
"""

import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any

import msgspec

from nebulus.core.failure import Failure, FailureKind, Fault

EXCERPT_CHARS = 200

_SECRET = re.compile(
    r"(?i)(bearer\s+|api[-_ ]?key[\"']?\s*[:=]\s*[\"']?)[^\s\"',}]+|\b(?:sk|pk|key|hf|gsk)[-_][\w.-]{8,}"
)
_TOO_LARGE = re.compile(
    r"exceed_context_size|context_length_exceeded|exceeds? the (?:available )?context|context (?:length|window|size)"
    r"|prompt is too long|input length exceeds|too many (?:input )?tokens",
    re.IGNORECASE,
)
_KINDS: dict[int, FailureKind] = {
    401: FailureKind.PERMISSION,
    403: FailureKind.PERMISSION,
    404: FailureKind.NOT_FOUND,
    408: FailureKind.TIMEOUT,
    409: FailureKind.TRANSIENT,
    413: FailureKind.PROMPT_TOO_LARGE,
    425: FailureKind.TRANSIENT,
    429: FailureKind.THROTTLED,
    501: FailureKind.PERMANENT,
    504: FailureKind.TIMEOUT,
    529: FailureKind.THROTTLED,
}
"""Source: RFC 9110 §15; 409 is retried by the vendors' SDKs; 529 is Anthropic's overloaded_error."""

_FIXES: dict[FailureKind, str] = {
    FailureKind.PERMISSION: "check the API key that api_key_env names",
    FailureKind.NOT_FOUND: "check the server's URL and the model's name",
    FailureKind.PROMPT_TOO_LARGE: "send less, or start the server with a larger window",
}


def failure(kind: FailureKind, what: str, *, value: str = "", fix: str = "") -> Failure:
    """Return a failure of the backend's."""
    return Failure(kind=kind, fault=Fault.BACKEND, what=what, value=value, fix=fix or _FIXES.get(kind, ""))


def malformed(what: str, body: bytes | str) -> Failure:
    """Return the failure of an answer that can't be decoded."""
    return failure(
        FailureKind.MALFORMED_ANSWER, what, value=excerpt(body), fix="check that the URL is a model server's"
    )


def excerpt(text: bytes | str) -> str:
    """Return at most `EXCERPT_CHARS` characters of one line, credentials blanked, pages of HTML named only."""
    if isinstance(text, bytes):
        text = text[: 4 * EXCERPT_CHARS].decode("utf-8", "replace")
    if text.lstrip()[:1] == "<" and re.match(r"\s*<(!doctype|html|head|body)", text, re.IGNORECASE):
        return "an HTML page"
    line = _SECRET.sub("[credential]", " ".join(text.split()))
    return line if len(line) <= EXCERPT_CHARS else line[: EXCERPT_CHARS - 1] + "…"


def retry_after_s(headers: Mapping[str, str], now_s: float) -> float:
    """Return the wait that the server asks for, in seconds; 0.0 if it asks for none.

    Source: RFC 9110 §10.2.3 (seconds or an HTTP date); `retry-after-ms` as the vendors' SDKs read it.
    """
    try:
        if headers.get("retry-after-ms", "").isdigit():
            return int(headers["retry-after-ms"]) / 1000
        raw = headers.get("retry-after", "").strip()
        if not raw:
            return 0.0
        if raw.replace(".", "", 1).isdigit():
            return float(raw)
        return max(0.0, parsedate_to_datetime(raw).timestamp() - now_s)
    except (ValueError, TypeError, OverflowError):
        return 0.0


def of_status(status: int, headers: Mapping[str, str], body: bytes, *, now_s: float) -> Failure:
    """Return the failure that an HTTP answer other than 2xx means. `headers` ignore case."""
    error = _error_object(body)
    message = str(error.get("message") or error.get("detail") or "") or body
    return _of_error(status, error, excerpt(message), wait_s=retry_after_s(headers, now_s))


def of_error_chunk(chunk: Mapping[str, Any], raw: bytes) -> Failure:
    """Return the failure that an error in mid-stream means."""
    error = chunk.get("error", chunk)
    fields: dict[str, Any] = error if isinstance(error, dict) else {"message": str(error)}
    code = fields.get("code", 0)
    status = (
        code if isinstance(code, int) and code >= 400 else _STREAM_STATUS.get(str(fields.get("type")), 500)
    )
    return _of_error(status, fields, excerpt(str(fields.get("message") or "") or raw))


_STREAM_STATUS = {
    "overloaded_error": 529,
    "rate_limit_error": 429,
    "authentication_error": 401,
    "permission_error": 403,
    "not_found_error": 404,
    "invalid_request_error": 400,
    "request_too_large": 413,
}
"""Source: Anthropic's error types and their statuses."""


def _of_error(status: int, error: Mapping[str, Any], message: str, *, wait_s: float = 0.0) -> Failure:
    spelled = f"{error.get('type', '')} {error.get('code', '')} {message}"
    if 400 <= status < 500 and status not in (401, 403, 404, 429) and _TOO_LARGE.search(spelled):
        return failure(
            FailureKind.PROMPT_TOO_LARGE, "the prompt does not fit the window", value=_sizes(error) or message
        )
    if "does not match the expected peg" in message:
        return Failure(
            kind=FailureKind.MALFORMED_ANSWER,
            fault=Fault.MODEL,
            what="the server could not parse what the model wrote",
            value=message,
            fix='use kind "llama.cpp", which reads the model\'s text itself',
        )
    if "parse tool call arguments" in message:
        return failure(FailureKind.PERMANENT, "the server can't read a call in the history", value=message)
    kind = _KINDS.get(status) or (FailureKind.TRANSIENT if status >= 500 else FailureKind.PERMANENT)
    if status == 503 and wait_s:
        kind = FailureKind.THROTTLED
    found = failure(kind, f"the server answered HTTP {status}", value=message)
    return msgspec.structs.replace(found, retry_after_s=wait_s) if wait_s else found


def _sizes(error: Mapping[str, Any]) -> str:
    """llama.cpp says both figures."""
    asked, room = error.get("n_prompt_tokens"), error.get("n_ctx")
    return f"{asked} tokens, the window holds {room}" if asked and room else ""


def _error_object(body: bytes) -> dict[str, Any]:
    try:
        parsed = msgspec.json.decode(body)
    except msgspec.MsgspecError:
        return {}
    error = parsed.get("error", parsed) if isinstance(parsed, dict) else {}
    return error if isinstance(error, dict) else {"message": str(error)}
