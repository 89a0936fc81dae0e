"""What HTTP says, in our terms: which failure a status means, which status a failure has, how long to wait.

Invariants: pure; a wait is a finite number of seconds from 0 to `MAX_WAIT_S`, whatever a server sends.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_tz
from types import MappingProxyType

from nebulus.core.failure import FailureKind as K

MAX_WAIT_S = 86_400.0
"""The longest wait that a server may ask for: a day."""

_KINDS: Mapping[int, K] = MappingProxyType(
    {
        400: K.INVALID_ARGUMENTS,
        401: K.PERMISSION,
        402: K.EXHAUSTED_BUDGET,
        403: K.PERMISSION,
        404: K.NOT_FOUND,
        405: K.INVALID_ARGUMENTS,
        408: K.TIMEOUT,
        409: K.CONFLICT,
        410: K.NOT_FOUND,
        412: K.CONFLICT,
        413: K.INVALID_ARGUMENTS,
        415: K.INVALID_ARGUMENTS,
        422: K.INVALID_ARGUMENTS,
        423: K.CONFLICT,
        425: K.TRANSIENT,
        428: K.CONFLICT,
        429: K.THROTTLED,
        451: K.POLICY_REFUSAL,
        501: K.PERMANENT,
        504: K.TIMEOUT,
        507: K.EXHAUSTED_BUDGET,
        511: K.PERMISSION,
        529: K.THROTTLED,
    }
)
"""Source: RFC 9110 §15, RFC 6585, RFC 4918, RFC 7725; 529 is Anthropic's overloaded_error."""

_STATUSES: Mapping[K, int] = MappingProxyType(
    {
        K.THROTTLED: 429,
        K.TRANSIENT: 503,
        K.TIMEOUT: 504,
        K.INVALID_ARGUMENTS: 422,
        K.NOT_FOUND: 404,
        K.CONFLICT: 409,
        K.PERMISSION: 403,
        K.POLICY_REFUSAL: 403,
        K.EXHAUSTED_BUDGET: 402,
        K.PROMPT_TOO_LARGE: 413,
        K.UNKNOWN_OUTCOME: 409,
        K.OURS: 500,
    }
)
"""Source: RFC 9110 §15."""
_BAD_GATEWAY = 502

_SECONDS = re.compile(r"(\d+)(\.\d+)?")
_SIGNIFICANT_DIGITS = 12
_HEADER_CHARS = 64
"""No honest wait or date is longer."""


def kind_of_status(status: int) -> K:
    """Return which failure an HTTP status other than 2xx means.

    A status from 500 on that is not in the table is transient, any other is permanent.
    """
    return _KINDS.get(status) or (K.TRANSIENT if status >= 500 else K.PERMANENT)


def status_of_kind(kind: K) -> int:
    """Return the HTTP status for a failure; 502 for what a model or a server behind us did wrong."""
    return _STATUSES.get(kind, _BAD_GATEWAY)


def retry_after_s(headers: Mapping[str, str], *, now_s: float) -> float:
    """Return the wait that a response asks for, in seconds from 0 to `MAX_WAIT_S`; 0.0 if it asks for none.

    `headers` either ignore case or are in lower case. `now_s` is the time in seconds since 1970; a date is
    compared with the server's own clock (`date`) if the server reports it. A longer wait counts as `MAX_WAIT_S`;
    what is neither a plain decimal number nor a date (a sign, an exponent, NaN) asks for nothing.

    Source: RFC 9110 §10.2.3, seconds or an HTTP date; `retry-after-ms` as the SDKs of OpenAI and Anthropic.
    """
    milliseconds = _number(headers.get("retry-after-ms", ""))
    if milliseconds is not None:
        return min(milliseconds / 1000, MAX_WAIT_S)
    raw = headers.get("retry-after", "")
    seconds = _number(raw)
    if seconds is not None:
        return min(seconds, MAX_WAIT_S)
    until = _timestamp(raw)
    if until is None:
        return 0.0
    own = _timestamp(headers.get("date", ""))
    return min(max(0.0, until - (now_s if own is None else own)), MAX_WAIT_S)


def _number(text: str) -> float | None:
    """Return a plain decimal number; one of very many digits as a large one."""
    match = _SECONDS.fullmatch(text.strip())
    if match is None or not text.isascii():
        return None
    whole = match[1].lstrip("0")
    return float(f"{whole[:_SIGNIFICANT_DIGITS] or 0}{(match[2] or '')[:_SIGNIFICANT_DIGITS]}")


def _timestamp(text: str) -> float | None:
    """Return an HTTP date as seconds since 1970; None where it is not one. Source: RFC 9110 §5.6.7."""
    if len(text) > _HEADER_CHARS:
        return None
    parts = parsedate_tz(text)
    if parts is None:
        return None
    year, month, day, hour, minute, second = parts[:6]
    try:
        date = datetime(year, month, day, hour, minute, min(second, 59), tzinfo=UTC)
    except (ValueError, OverflowError):  # Such as 31 February.
        return None
    return date.timestamp() - (parts[9] or 0)
