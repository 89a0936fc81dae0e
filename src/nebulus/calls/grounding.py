"""Whether a value that must come from what the model was shown really stands there.

Law: a piece of a word, of a path or of an address is not the word, the path or the address.
"""

import re
from collections.abc import Iterator
from typing import Any

from nebulus.core.findings import Finding, FindingKind
from nebulus.core.tools import ToolSpec


def ungrounded(tool: ToolSpec, arguments: dict[str, Any], shown: str) -> Finding | None:
    """Return the finding for the first grounded argument whose value stands nowhere in `shown`."""
    for name in tool.grounded:
        for value in _leaves(arguments.get(name)):
            if not stands_in(value, shown):
                return Finding(
                    kind=FindingKind.UNGROUNDED,
                    rule="the value must be taken from what was shown",
                    where=f"/{name}",
                    value=value[:60],
                    fix="copy it exactly, or find it with a tool first",
                    tool=tool.name,
                )
    return None


def stands_in(value: str, shown: str) -> bool:
    """Whether `value` stands in `shown` as a whole: not as a part of a longer word, path or address.

    A full stop after it ends a sentence; one inside a name does not.
    """
    start = r"(?<![\w./@\-])" if value[:1].isalnum() else ""
    end = r"(?![\w/@\-]|\.\w)" if value[-1:].isalnum() else ""
    return re.search(start + re.escape(value) + end, shown) is not None


def scalars(value: Any) -> Iterator[Any]:
    """Yield what stands in `value` that is no list and no object, in order."""
    match value:
        case dict():
            for item in value.values():
                yield from scalars(item)
        case list():
            for item in value:
                yield from scalars(item)
        case _:
            yield value


def _leaves(value: Any) -> list[str]:
    """The scalars of `value` as they would be written; nothing for null, true, false and empty text."""
    return [
        str(leaf) for leaf in scalars(value) if not (leaf is None or isinstance(leaf, bool) or leaf == "")
    ]
