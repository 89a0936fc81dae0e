"""Whether a value that must come from what the model was shown is really there (`core.text.stands_in`)."""

from collections.abc import Iterator
from typing import Any

from nebulus.core.findings import Finding, FindingKind
from nebulus.core.text import stands_in
from nebulus.core.tools import ToolSpec


def ungrounded(tool: ToolSpec, arguments: dict[str, Any], shown: str) -> Finding | None:
    """Return the finding for the first grounded argument whose value is nowhere in `shown`."""
    for name in tool.grounded:
        for value in scalars(arguments.get(name)):
            if _says_something(value) and not stands_in(value, shown):
                return Finding(
                    kind=FindingKind.UNGROUNDED,
                    rule="the value must be taken from what was shown",
                    where=f"/{name}",
                    value=str(value)[:60],
                    fix="copy it exactly, or find it with a tool first",
                    tool=tool.name,
                )
    return None


def scalars(value: Any) -> Iterator[Any]:
    """Yield what is in `value` that is neither a list nor an object, in order."""
    match value:
        case dict():
            for item in value.values():
                yield from scalars(item)
        case list():
            for item in value:
                yield from scalars(item)
        case _:
            yield value


def _says_something(value: Any) -> bool:
    return value is not None and value != "" and not isinstance(value, bool)
