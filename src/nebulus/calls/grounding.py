"""Whether a value that must come from what the model was shown really stands there."""

from typing import Any

from nebulus.core.findings import Finding, FindingKind
from nebulus.core.tools import ToolSpec


def ungrounded(tool: ToolSpec, arguments: dict[str, Any], shown: str) -> Finding | None:
    """Return the finding for the first grounded argument whose value stands nowhere in `shown`."""
    for name in tool.grounded:
        for value in _leaves(arguments.get(name)):
            if value not in shown:
                return Finding(
                    kind=FindingKind.UNGROUNDED,
                    rule="the value must be taken from what was shown",
                    where=f"/{name}",
                    value=value[:60],
                    fix="copy it exactly, or find it with a tool first",
                    tool=tool.name,
                )
    return None


def _leaves(value: Any) -> list[str]:
    """The scalars of `value` as they would be written; nothing for null, true, false and empty text."""
    match value:
        case None | bool() | "":
            return []
        case dict():
            return [leaf for item in value.values() for leaf in _leaves(item)]
        case list():
            return [leaf for item in value for leaf in _leaves(item)]
        case _:
            return [str(value)]
