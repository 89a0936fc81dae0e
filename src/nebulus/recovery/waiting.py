"""How long a refused request is asked to wait, read from the headers of an exception's response.

Laws: pure, the time is given; a date is held against the server's own clock where it tells it, so that two
clocks that differ make no wait; what can't be read asks for nothing.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

_SECONDS = re.compile(r"\s*(\d{1,9}(?:\.\d{1,9})?)\s*")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DATE = re.compile(
    r"\s*[a-z]{3},\s*(?P<day>\d{1,2})[ -](?P<month>[a-z]{3})[ -](?P<year>\d{4})"
    r"\s+(?P<hour>\d\d):(?P<minute>\d\d):(?P<second>\d\d)\s+(?:GMT|UTC|[+-]0000)\s*",
    re.IGNORECASE,
)


def asked_wait_s(error: BaseException, *, now_s: float) -> float:
    """Return the wait in seconds that an exception's response asks for; 0.0 for none.

    `now_s` is the time in seconds since 1970, for a date from a server that does not say its own.

    Source: RFC 9110 §10.2.3, seconds or an HTTP date; `retry-after-ms` as the vendors' SDKs read it.
    """
    headers = _headers_of(error)
    milliseconds = _SECONDS.fullmatch(headers.get("retry-after-ms", ""))
    if milliseconds:
        return float(milliseconds[1]) / 1000
    raw = headers.get("retry-after", "")
    seconds = _SECONDS.fullmatch(raw)
    if seconds:
        return float(seconds[1])
    until = _read_date(raw)
    began = _read_date(headers.get("date", "")) or now_s
    return max(0.0, until - began) if until else 0.0


def _headers_of(error: BaseException) -> dict[str, str]:
    """Return the headers that an exception carries, their names in lower case; {} for none.

    They stand on the exception (urllib, aiohttp), on its response (requests, httpx), or in the response as
    plain data (botocore); the cause's, where the exception has none.
    """
    for headers in _carried(error):
        try:
            found = {str(name).lower(): str(value) for name, value in headers.items()}
        except (AttributeError, TypeError, ValueError):
            continue  # Something else of that name.
        if found:
            return found
    return _headers_of(error.__cause__) if error.__cause__ is not None else {}


def _carried(error: BaseException) -> Iterator[Any]:
    response = getattr(error, "response", None)
    yield getattr(response, "headers", None)
    if isinstance(response, Mapping):
        about = response.get("ResponseMetadata")
        yield about.get("HTTPHeaders") if isinstance(about, Mapping) else None
    yield getattr(error, "headers", None)


def _read_date(text: str) -> float:
    """Return an HTTP date as seconds since 1970, 0.0 where it is none. Source: RFC 9110 §5.6.7, IMF-fixdate."""
    match = _DATE.fullmatch(text)
    if match is None or match["month"].lower() not in _MONTHS:
        return 0.0
    parts = [int(match[name]) for name in ("day", "hour", "minute", "second")]
    try:
        day, hour, minute, second = parts
        month = _MONTHS.index(match["month"].lower()) + 1
        return datetime(int(match["year"]), month, day, hour, minute, min(second, 59), tzinfo=UTC).timestamp()
    except (ValueError, OverflowError):
        return 0.0
