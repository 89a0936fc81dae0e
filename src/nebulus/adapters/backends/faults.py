"""Foreign failures as `Failure` values: statuses, error bodies and broken connections.

Invariants: pure; a raw body never leaves here, only a bounded excerpt of its message without credentials.
"""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from nebulus.core.failure import Failure, FailureKind, Fault
from nebulus.core.http import kind_of_status, retry_after_s
from nebulus.core.unreadable import UNREADABLE
from nebulus.recovery.classify import ErrorEvidence, classify

EXCERPT_CHARS = 200

_SECRET = re.compile(
    r"(?i)(bearer\s+|api[-_ ]?key[\"']?\s*[:=]\s*[\"']?)[^\s\"',}]+|\b(?:sk|pk|key|hf|gsk)[-_][\w.-]{8,}"
)
_TOO_LARGE = re.compile(
    r"exceed_context_size|context_length_exceeded|exceeds? the (?:available )?context|context (?:length|window|size)"
    r"|prompt is too long|input length exceeds|too many (?:input )?tokens",
    re.IGNORECASE,
)
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


def of_status(status: int, headers: Mapping[str, str], body: bytes, *, now_s: float) -> Failure:
    """Return the failure that an HTTP answer other than 2xx means. `headers` ignore case."""
    error = _error_object(body)
    message = str(error.get("message") or error.get("detail") or "") or body
    kind = FailureKind.PROMPT_TOO_LARGE if status == 413 else kind_of_status(status)
    wait_s = retry_after_s(headers, now_s=now_s)
    if status == 503 and wait_s:
        kind = FailureKind.THROTTLED
    found = _of_error(kind, error, excerpt(message), what=f"the server answered HTTP {status}")
    return msgspec.structs.replace(found, retry_after_s=wait_s) if wait_s else found


def of_error_chunk(chunk: Mapping[str, Any], raw: bytes) -> Failure:
    """Return the failure that an error in the middle of a stream means."""
    error = chunk.get("error", chunk)
    fields: dict[str, Any] = error if isinstance(error, dict) else {"message": str(error)}
    code = fields.get("code")
    codes = tuple(str(fields[name]) for name in ("code", "type") if isinstance(fields.get(name), str))
    status = code if isinstance(code, int) and 400 <= code <= 599 else 500
    kind = classify(ErrorEvidence(status=status, codes=codes)).kind
    message = excerpt(str(fields.get("message") or "") or raw)
    return _of_error(kind, fields, message, what="the server broke its answer off with an error")


def _of_error(kind: FailureKind, error: Mapping[str, Any], message: str, *, what: str) -> Failure:
    """Return the failure, of another kind than its status says where the message is more exact."""
    described = f"{error.get('type', '')} {error.get('code', '')} {message}"
    if kind in _MAYBE_TOO_LARGE and (kind is FailureKind.PROMPT_TOO_LARGE or _TOO_LARGE.search(described)):
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
    if kind is FailureKind.INVALID_ARGUMENTS:
        kind = FailureKind.PERMANENT  # We wrote the request, so no other answer of the model would mend it.
    return failure(kind, what, value=message)


_MAYBE_TOO_LARGE = frozenset(
    {FailureKind.INVALID_ARGUMENTS, FailureKind.PROMPT_TOO_LARGE, FailureKind.PERMANENT, FailureKind.CONFLICT}
)
"""Classes of a refusal in which a server may say that the prompt is too large."""


def _sizes(error: Mapping[str, Any]) -> str:
    """llama.cpp says both figures."""
    asked, room = error.get("n_prompt_tokens"), error.get("n_ctx")
    return f"{asked} tokens, the window has {room}" if asked and room else ""


def _error_object(body: bytes) -> dict[str, Any]:
    try:
        parsed = msgspec.json.decode(body)
    except UNREADABLE:
        return {}
    error = parsed.get("error", parsed) if isinstance(parsed, dict) else {}
    return error if isinstance(error, dict) else {"message": str(error)}
