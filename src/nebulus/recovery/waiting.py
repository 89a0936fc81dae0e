"""How long a refused request is asked to wait, read from the headers of an exception's response. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any

from nebulus.core.http import retry_after_s

_CHAINED = 10
"""The most causes of an exception that are looked at; a chain may be a circle."""


def asked_wait_s(error: BaseException, *, now_s: float) -> float:
    """Return the wait in seconds that an exception's response asks for; 0.0 for none.

    `now_s` is the time in seconds since 1970; the rule is `core.http.retry_after_s`.
    """
    return retry_after_s(_headers_of(error), now_s=now_s)


def _headers_of(error: BaseException) -> dict[str, str]:
    """Return the headers that an exception carries, their names in lower case; {} for none.

    They are on the exception (urllib, aiohttp), on its response (requests, httpx), or in the response as
    plain data (botocore); the cause's, where the exception has none.
    """
    cause: BaseException | None = error
    for _ in range(_CHAINED):
        if cause is None:
            break
        for headers in _carried(cause):
            try:
                found = {str(name).lower(): str(value) for name, value in headers.items()}
            except (AttributeError, TypeError, ValueError):
                continue  # Something else of that name.
            if found:
                return found
        cause = cause.__cause__
    return {}


def _carried(error: BaseException) -> Iterator[Any]:
    response = getattr(error, "response", None)
    yield getattr(response, "headers", None)
    if isinstance(response, Mapping):
        about = response.get("ResponseMetadata")
        yield about.get("HTTPHeaders") if isinstance(about, Mapping) else None
    yield getattr(error, "headers", None)
