"""What went wrong, as a class: by structure first, by what the other side declares next, by its words last.

Invariants: pure; a class that was read from a text is marked as such (`Recognised.TEXT`); what can't be
recognised is permanent, so that nothing is repeated on a guess.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from nebulus.core.failure import Failure, FailureKind, Recognised
from nebulus.core.http import kind_of_status
from nebulus.recovery.error_patterns import CODES, EXCEPTIONS, PATTERNS

TEXT_CHARS = 2000
"""How much of a message is searched: it says at its beginning what it is about."""
_CHAINED = 10
"""The most causes of an exception that are looked at; a chain may be a circle."""


class ErrorEvidence(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """All that is known about something that went wrong."""

    status: int = 0
    """An HTTP status; 0 for none."""
    codes: tuple[str, ...] = ()
    """Error codes: errno names, SQLSTATE, gRPC, the `code` and `type` of an error object."""
    exceptions: tuple[str, ...] = ()
    """The names of an exception's classes, the nearest first."""
    declared: FailureKind | None = None
    """The class that the other side gives it."""
    text: str = ""
    """Its message."""


class Recognition(Struct, frozen=True):
    """A class, how it was recognised, and by which piece of evidence ("" for none)."""

    kind: FailureKind
    how: Recognised
    by: str = ""


UNKNOWN = Recognition(FailureKind.PERMANENT, Recognised.TEXT)


def classify(evidence: ErrorEvidence) -> Recognition:
    """Return the class that `evidence` points to: structure, then declaration, then text, else permanent."""
    for code in evidence.codes:
        kind = CODES.get(code.strip().lower())
        if kind is not None:
            return Recognition(kind, Recognised.STRUCTURE, f"code {code}")
    if evidence.status:
        kind = kind_of_status(evidence.status)
        return Recognition(kind, Recognised.STRUCTURE, f"status {evidence.status}")
    for name in evidence.exceptions:
        kind = EXCEPTIONS.get(name)
        if kind is not None:
            return Recognition(kind, Recognised.STRUCTURE, name)
    if evidence.declared is not None:
        return Recognition(evidence.declared, Recognised.DECLARED, "declared")
    return of_text(evidence.text)


def of_text(text: str) -> Recognition:
    """Return the class that the words of a message point to; permanent if none do."""
    shown = text[:TEXT_CHARS]
    for kind, pattern in PATTERNS:
        match = pattern.search(shown)
        if match is not None:
            return Recognition(kind, Recognised.TEXT, match[0])
    return UNKNOWN


def of_exception(error: BaseException) -> Recognition:
    """Return the class of an exception, by its status or code, its types, or else its message."""
    return classify(evidence_of(error))


def evidence_of(error: BaseException) -> ErrorEvidence:
    """Return what an exception says about itself in the attributes that libraries use.

    Of an exception that was raised from another, the cause counts where it says nothing itself.
    """
    names: tuple[str, ...] = ()
    texts: list[str] = []
    found = own = _own_evidence(error)
    for _ in range(_CHAINED):
        names += own.exceptions
        texts.append(own.text)
        found = replace(own, exceptions=names, text=": ".join(texts))
        cause = error.__cause__ or getattr(error, "orig", None)
        if not isinstance(cause, BaseException) or classify(own).how is not Recognised.TEXT:
            return found
        error, own = cause, _own_evidence(cause)
    return found


def _own_evidence(error: BaseException) -> ErrorEvidence:
    response = getattr(error, "response", None)
    statuses = (
        getattr(holder, name, None)
        for holder in (error, response)
        for name in ("status_code", "status", "code")
    )
    status = next((value for value in statuses if _is_status(value)), 0)
    names = tuple(kind.__name__ for kind in type(error).__mro__[:-3] or type(error).__mro__[:1])
    return ErrorEvidence(
        status=int(status or 0),
        codes=tuple(_codes_of(error, response)),
        exceptions=names,
        text=f"{names[0]}: {error}",
    )


def refined(failure: Failure) -> Failure:
    """Return `failure` with a class read from its text, where nobody had said more than that it failed."""
    if failure.kind is not FailureKind.PERMANENT or failure.recognised is Recognised.TEXT:
        return failure
    found = of_text(f"{failure.what} {failure.value}")
    if found.kind is FailureKind.PERMANENT:
        return failure
    return replace(failure, kind=found.kind, recognised=Recognised.TEXT)


_FAILED = frozenset({"error", "failed", "failure", "partial", "partial_success", "incomplete"})


def declared_failure(text: str) -> Recognition | None:
    """Return the class of a result that says of itself that the work was not done, None if it does not.

    Only a JSON object can say so: `error` or `errors` that is not empty, `isError`, `ok` or `success` that
    is false, a `status` of failure, or a `failed` that counts more than nothing. Part of the work done is
    not done.
    """
    found = _object(text)
    if found is None or not _says_failed(found):
        return None
    error = found.get("error") or found.get("errors") or found
    inner = error if isinstance(error, dict) else {}
    codes = [found.get("code"), inner.get("code"), inner.get("type"), inner.get("kind"), inner.get("status")]
    message = str(error) if not inner else str(inner.get("message") or inner.get("detail") or inner)
    status = next((code for code in codes if _is_status(code)), 0)
    recognised = classify(
        ErrorEvidence(
            status=int(status or 0),
            codes=tuple(code for code in codes if isinstance(code, str)),
            text=message,
        )
    )
    how = Recognised.DECLARED if recognised.how is Recognised.STRUCTURE else Recognised.TEXT
    return Recognition(recognised.kind, how, message[:200])


def _says_failed(found: Mapping[str, Any]) -> bool:
    is_false = any(found.get(name) is False for name in ("ok", "success", "succeeded"))
    failed = found.get("failed")
    has_failures = failed is True or (isinstance(failed, int | list) and bool(failed))
    return (
        bool(found.get("error") or found.get("errors"))
        or found.get("isError") is True
        or found.get("is_error") is True
        or is_false
        or has_failures
        or str(found.get("status", "")).lower() in _FAILED
    )


def _object(text: str) -> dict[str, Any] | None:
    if not text.lstrip().startswith("{"):
        return None
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None  # Not JSON, or nested too deep for it, so it declares nothing.
    return found if isinstance(found, dict) else None


def _is_status(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 400 <= value <= 599


def _codes_of(error: BaseException, response: object) -> Iterable[str]:
    """Yield the codes that an exception carries: error objects, SQLSTATE, errno, gRPC, a vendor's own."""
    if isinstance(response, dict):  # botocore
        yield str(response.get("Error", {}).get("Code", ""))
    for name in ("code", "type", "sqlstate", "pgcode", "reason", "errorcode"):
        value = getattr(error, name, None)
        if callable(value) and name == "code":
            value = getattr(value(), "name", "")  # gRPC
        if isinstance(value, str):
            yield value
    number = getattr(error, "errno", None)
    if isinstance(error, OSError) and isinstance(number, int):
        yield f"errno {number}"
    first = error.args[0] if error.args else None
    if isinstance(first, int) and not isinstance(error, OSError | KeyError | SystemExit):
        yield f"{type(error).__name__} {first}"
    body = getattr(error, "error", None) or getattr(error, "body", None)
    number = getattr(body, "code", None)
    if isinstance(number, int):  # JSON-RPC
        yield str(number)
    if isinstance(body, dict):
        inner = body.get("error", body)
        if isinstance(inner, dict):
            yield from (str(inner[name]) for name in ("code", "type") if isinstance(inner.get(name), str))
