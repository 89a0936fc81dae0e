"""What a tool returned or raised, as an output that can be recorded.

Invariants: a failure says that nothing happened, so only what surely means that becomes one; whatever a tool
gives back, the output that leaves here can be written to a record and read again unchanged.
"""

from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec.structs import replace

from nebulus.adapters.workspaces.refusals import refusal
from nebulus.core.errors import NebulusError, ToolError
from nebulus.core.failure import Failure, FailureKind, Fault
from nebulus.core.scalars import Scalar, scalar_of
from nebulus.core.text import KEPT_CHARS, bounded, clean, message_of
from nebulus.core.tools import Effect, ToolSpec
from nebulus.core.unreadable import UNREADABLE
from nebulus.ports.tool import ToolOutput

FAILURE_CHARS = 2000
"""The most of each text of a tool's failure that is kept."""
DEEPEST = 200
"""Levels of lists and objects that a result may have."""


def output_of(value: Any, *, is_trusted: bool) -> ToolOutput | Failure:
    """Return what a function returned as text: a string as it is, "ok" for None, all else as JSON.

    The scalars at the top of a JSON object become `fields`. What JSON can't hold is written by `str`; so are
    NaN and infinity. What can't be written at all is lost, and the text says so.
    """
    if isinstance(value, Failure | ToolOutput):
        return value
    if value is None or isinstance(value, str):
        return ToolOutput(text="ok" if value is None else clean(str.__str__(value)), is_trusted=is_trusted)
    try:
        plain = _plain(msgspec.to_builtins(value, str_keys=True, enc_hook=_written), 0)
        text = msgspec.json.encode(plain).decode()
    except Exception as error:  # noqa: BLE001 - code of the value's own classes ran; what it did is in the text
        why = f"what it returned ({type(value).__name__}) can't be written: {message_of(error)}"
        return ToolOutput(text=why, is_trusted=is_trusted, is_lost=True)
    fields = dict(_scalars(plain)) if isinstance(plain, dict) else {}
    return ToolOutput(text=text, fields=fields, is_trusted=is_trusted)


def recordable(output: object) -> ToolOutput | Failure | None:
    """Return what a tool gave back as it can be recorded, None if it is neither an output nor a failure.

    Text is made clean and is cut at `KEPT_CHARS`, which is said at its end. An output with a text that is not a
    string, or with a field that is not a scalar, is lost, and its text names what is wrong.
    """
    match output:
        case Failure():
            return recordable_failure(output)
        case ToolOutput(text=str(), fields=dict()):
            wrong = next(_wrong_fields(output.fields), "")
            text = bounded(clean(str.__str__(output.text)), KEPT_CHARS)
            is_trusted, is_lost = output.is_trusted is True, output.is_lost is not False
            if wrong:
                return ToolOutput(text=wrong, is_trusted=is_trusted, is_lost=True)
            fields = dict(_scalars(output.fields))
            return ToolOutput(text=text, fields=fields, is_trusted=is_trusted, is_lost=is_lost)
        case ToolOutput():
            what = f"the text of its result is a {type(output.text).__name__}, or its fields are not a dict"
            return ToolOutput(text=what, is_trusted=output.is_trusted is True, is_lost=True)
        case _:
            return None


def recordable_failure(failure: Failure) -> Failure:
    """Return `failure` as it can be recorded: its texts clean and bounded, its wait a number."""
    try:
        texts = {
            name: bounded(clean(getattr(failure, name)), FAILURE_CHARS) for name in ("what", "value", "fix")
        }
        wait_s = scalar_of(failure.retry_after_s)
        is_wait = isinstance(wait_s, int | float) and wait_s >= 0
        kept = replace(failure, **texts, retry_after_s=float(wait_s) if is_wait and wait_s else 0.0)
        if msgspec.json.decode(msgspec.json.encode(kept), type=Failure) == kept:
            return kept
    except (*UNREADABLE, TypeError, ValueError, AttributeError, OverflowError):
        pass  # A failure that is not made as its type says is replaced, just below.
    what = "a tool reported a failure in a form that can't be recorded"
    return Failure(kind=FailureKind.OURS, fault=Fault.TOOL, what=what, fix="see the tool's own log")


def failure_of(error: Exception, spec: ToolSpec) -> Failure | None:
    """Return `error` as a failure if surely nothing happened, None if the outcome is unknown.

    Surely nothing happened: the tool says so (`ToolError`), the system refused the call, or the tool
    only reads. A tool that makes several changes says `ToolError` itself where it left none of them.
    """
    if isinstance(error, ToolError):
        return error.failure
    if isinstance(error, NebulusError):
        return None
    known = refusal(error) if isinstance(error, OSError) else None
    if known is not None:
        return known.failure
    if spec.effect is not Effect.READ:
        return None
    match error:
        case TimeoutError():
            kind, fix = FailureKind.TIMEOUT, "try again later"
        case ConnectionError():
            kind, fix = FailureKind.TRANSIENT, "try again later"
        case _:
            kind, fix = FailureKind.PERMANENT, "use another tool, or other arguments"
    what = f"tool {spec.name!r} raised {type(error).__name__}"
    return Failure(kind=kind, fault=Fault.TOOL, what=what, value=message_of(error), fix=fix)


def _written(value: Any) -> Any:
    """Return a value of a foreign class: numbers and text as such, all else as `str` writes it."""
    known = scalar_of(value)
    return str(value) if known is None else known


def _plain(value: Any, depth: int) -> Any:
    """Return plain data that JSON can hold: text clean, numbers finite or else written."""
    if depth > DEEPEST:
        raise ValueError(f"it has more than {DEEPEST} levels")
    match value:
        case dict():
            return {clean(str(name)): _plain(item, depth + 1) for name, item in value.items()}
        case list() | tuple():
            return [_plain(item, depth + 1) for item in value]
        case None:
            return None
        case _:
            return _written(value)


def _scalars(fields: dict[str, Any]) -> Iterator[tuple[str, Scalar]]:
    for name, value in fields.items():
        known = scalar_of(value)
        if known is not None:
            yield clean(name), known


def _wrong_fields(fields: dict[Any, Any]) -> Iterator[str]:
    for name, value in fields.items():
        if not isinstance(name, str):
            yield f"a field of its result is named by a {type(name).__name__}"
        elif scalar_of(value) is None:
            shown = repr(value) if isinstance(value, float) else f"a {type(value).__name__}"
            yield f"the field {clean(name)[:80]!r} of its result is {shown}, not a scalar"
