"""What a model asks of a table, as typed values: aggregates and an order. Pure."""

import re
from enum import StrEnum

from msgspec import Struct

from nebulus.adapters.tools.tables.names import Names, wrong


class Function(StrEnum):
    """What is computed from the cells of a group."""

    COUNT = "count"
    DISTINCT = "distinct"
    SUM = "sum"
    MEAN = "mean"
    MEDIAN = "median"
    MIN = "min"
    MAX = "max"


class Aggregate(Struct, frozen=True):
    """A function of a column, by its place; None counts rows. `name` is what the result is called."""

    function: Function
    column: int | None
    name: str


class Order(Struct, frozen=True):
    """A name to sort by, and the direction."""

    name: str
    is_descending: bool


_FUNCTIONS = {
    **{function.value: function for function in Function},
    "avg": Function.MEAN,
    "average": Function.MEAN,
    "total": Function.SUM,
    "count distinct": Function.DISTINCT,
    "nunique": Function.DISTINCT,
    "minimum": Function.MIN,
    "maximum": Function.MAX,
}
_CALL = re.compile(r"(?P<function>[A-Za-z]+(?: distinct)?)\s?\((?P<inner>.*)\)", re.IGNORECASE)
_DIRECTION = re.compile(r"\s(asc|desc|ascending|descending)$", re.IGNORECASE)


def aggregates_of(text: str, names: Names, *, column: int | None = None) -> list[Aggregate]:
    """Return the aggregates in `text`, such as `sum(price), count`; `column` is that of a function without one.

    Raises:
        ToolError: a part is none; the message names the functions.
    """
    found = []
    for part in names.split(text):
        aggregate = aggregate_of(part, names, column=column)
        if aggregate is None:
            raise wrong(
                "this is not an aggregate",
                part,
                f"write sum(price) or count; known are {', '.join(Function)}",
            )
        found.append(aggregate)
    return found


def aggregate_of(part: str, names: Names, *, column: int | None = None) -> Aggregate | None:
    """Return `part` as an aggregate: `sum(price)`, `sum price`, `sum of price`, `count`; None if it is none."""
    part = re.sub(r"\s(?:as|AS)\s\w+$", "", part.strip())
    call = _CALL.fullmatch(part)
    if call:
        word, inner = call["function"].lower(), call["inner"].strip()
    else:
        word, _, inner = part.partition(" ")
        word, inner = word.lower(), inner.strip().removeprefix("of ").strip()
    if inner[:9].lower() == "distinct " and word == "count":
        word, inner = "distinct", inner[9:]
    function = _FUNCTIONS.get(word)
    if function is None:
        return None
    if function is Function.COUNT and inner in ("", "*", "rows"):
        return Aggregate(Function.COUNT, None, "count")
    if not inner and column is None:
        raise wrong(
            f"{word} needs a column", part, f"write {word}(column); the columns are: {names.listed()}"
        )
    place = names.find(inner) if inner or column is None else column
    return Aggregate(function, place, f"{function.value}({names.all[place]})")


def orders_of(text: str, names: Names, *, is_descending: bool) -> list[Order]:
    """Return what to sort by, such as `city, price desc`."""
    orders = []
    for part in names.split(text):
        direction = _DIRECTION.search(part)
        name = part[: direction.start()].strip() if direction else part
        orders.append(Order(name, direction[1].lower().startswith("desc") if direction else is_descending))
    return orders
