"""What a function returned or raised, as the output of a tool.

Law: a failure says that nothing happened, so only what surely stands for that becomes one.
"""

from typing import Any

import msgspec

from nebulus.adapters.workspaces.refusals import refusal
from nebulus.core.errors import NebulusError, ToolError
from nebulus.core.failure import Failure, FailureKind, Fault
from nebulus.core.tools import Effect, ToolSpec
from nebulus.ports.tool import Scalar, ToolOutput


def output_of(value: Any, *, is_trusted: bool) -> ToolOutput | Failure:
    """Return what a function returned as text: a string as it is, "ok" for None, all else as JSON.

    The scalars at the top of a JSON object become `fields`. What JSON can't spell is spelled by `str`.
    """
    if isinstance(value, Failure | ToolOutput):
        return value
    if value is None or isinstance(value, str):
        return ToolOutput(text="ok" if value is None else _clean(value), is_trusted=is_trusted)
    plain = msgspec.to_builtins(value, str_keys=True, enc_hook=str)
    return ToolOutput(
        text=msgspec.json.encode(_cleaned(plain)).decode(), fields=_scalars(plain), is_trusted=is_trusted
    )


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
    return Failure(kind=kind, fault=Fault.TOOL, what=what, value=_clean(str(error))[:500], fix=fix)


def _scalars(plain: Any) -> dict[str, Scalar]:
    if not isinstance(plain, dict):
        return {}
    kept = {name: value for name, value in plain.items() if isinstance(value, str | int | float | bool)}
    return {_clean(name): _clean(value) if isinstance(value, str) else value for name, value in kept.items()}


def _cleaned(plain: Any) -> Any:
    match plain:
        case str():
            return _clean(plain)
        case dict():
            return {_clean(name): _cleaned(value) for name, value in plain.items()}
        case list() | tuple():
            return [_cleaned(value) for value in plain]
        case _:
            return plain


def _clean(text: str) -> str:
    """Return `text` with what is no Unicode (half characters, raw bytes of a file name) escaped."""
    return text.encode("utf-8", "backslashreplace").decode()
