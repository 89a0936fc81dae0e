"""Which attributes a policy set reads, so that a request contains only those.

Invariant: a set that reads a whole record, not one attribute of it, is given everything.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from nebulus.guard.schema import Cedar

RECORDS = frozenset({"arguments", "totals", "count", "tools", "effects", "flow"})
"""The attributes that contain others."""


def needed(bodies: Iterable[Any], schema: Cedar) -> frozenset[str]:
    """Return the names of the attributes that policies (in Cedar's JSON form) read."""
    named: set[str] = set()
    for body in bodies:
        for name, is_whole in _looked_at(body, is_opened=False):
            if is_whole:
                return frozenset(attributes(schema))
            named.add(name)
    return frozenset(named)


def pruned(schema: Any, needs: frozenset[str]) -> Any:
    """Return a schema whose records contain only the attributes in `needs`."""
    match schema:
        case {"type": "Record", "attributes": dict(declared)}:
            kept = {name: pruned(inner, needs) for name, inner in declared.items() if name in needs}
            return {**schema, "attributes": kept}
        case dict():
            return {name: pruned(inner, needs) for name, inner in schema.items()}
        case _:
            return schema


def attributes(schema: Any) -> Iterator[str]:
    """Return the name of every attribute that a schema declares."""
    match schema:
        case {"type": "Record", "attributes": dict(declared)}:
            yield from declared
            for inner in declared.values():
                yield from attributes(inner)
        case dict():
            for inner in schema.values():
                yield from attributes(inner)
        case _:
            return


def _looked_at(body: Any, *, is_opened: bool) -> Iterator[tuple[str, bool]]:
    """Return each name that is read, and whether a record is read as a whole.

    `is_opened`: an attribute of `body` is read, not `body` itself.
    """
    match body:
        case {"Var": "context"}:
            yield "context", not is_opened
        case {".": {"left": left, "attr": str(name)}}:
            yield name, name in RECORDS and not is_opened
            yield from _looked_at(left, is_opened=True)
        case {"has": {"left": left, "attr": str(name)}}:
            yield name, False
            yield from _looked_at(left, is_opened=True)
        case dict():
            for inner in body.values():
                yield from _looked_at(inner, is_opened=False)
        case list():
            for inner in body:
                yield from _looked_at(inner, is_opened=False)
        case _:
            return
