"""What a model asks of a table, as typed values: conditions, aggregates, columns. Pure.

Invariants: a name means exactly one column, or the error names the nearest and all; nothing of a request is left
out; a text of a request never becomes SQL.
"""

import difflib
import re
from collections.abc import Iterator, Sequence
from enum import StrEnum

from msgspec import Struct

from nebulus.core.errors import ToolError
from nebulus.core.failure import FailureKind

_NAMES_SHOWN = 40


class Operator(StrEnum):
    """How a cell is compared with a value."""

    EQUAL = "="
    UNEQUAL = "!="
    BELOW = "<"
    AT_MOST = "<="
    ABOVE = ">"
    AT_LEAST = ">="
    CONTAINS = "contains"
    STARTS = "starts with"
    ENDS = "ends with"
    IN = "in"
    NOT_IN = "not in"
    EMPTY = "is empty"
    FILLED = "is not empty"


class Condition(Struct, frozen=True):
    """A column, by its place, compared with values; only IN and NOT_IN take more or less than one."""

    column: int
    operator: Operator
    values: tuple[str, ...] = ()


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
_WORDS = {
    "==": Operator.EQUAL,
    "<>": Operator.UNEQUAL,
    "is not empty": Operator.FILLED,
    "is not null": Operator.FILLED,
    "is empty": Operator.EMPTY,
    "is null": Operator.EMPTY,
    "is not": Operator.UNEQUAL,
    "is": Operator.EQUAL,
    "equals": Operator.EQUAL,
    **{operator.value: operator for operator in Operator},
}
_OPERATOR = re.compile(
    r"\s{0,4}(?P<sign>==|!=|<>|<=|>=|=|<|>)|\s{1,4}(?P<word>"
    + "|".join(
        word.replace(" ", r"\s") for word in sorted(_WORDS, key=len, reverse=True) if word[0].isalpha()
    )
    + r"|between|like)(?=[\s(\"']|$)",
    re.IGNORECASE,
)
_QUOTED = re.compile(r"\"([^\"]*)\"|'([^']*)'|`([^`]*)`")
_AND = re.compile(r"\s(?:and|AND|And|&&)\s")
_OR = re.compile(r"\s(?:or|OR|Or|\|\|)\s")
_SIGNED = re.compile(r"[^\"'=<>!]{1,80}?\s?(?:==|!=|<>|<=|>=|=|<|>)")
_CALL = re.compile(r"(?P<function>[A-Za-z]+(?: distinct)?)\s?\((?P<inner>.*)\)", re.IGNORECASE)
_DIRECTION = re.compile(r"\s(asc|desc|ascending|descending)$", re.IGNORECASE)


def wrong(what: str, value: str = "", fix: str = "") -> ToolError:
    """Return the error for a request that can't be met as it is written."""
    return ToolError(what, kind=FailureKind.INVALID_ARGUMENTS, value=value[:200], fix=fix)


class Names:
    """The column names of a table. `prefix` is what may stand in front of one, as in `orders.total`."""

    def __init__(self, names: Sequence[str], *, prefixes: Sequence[str] = ()) -> None:
        self.all = tuple(names)
        self.notes: list[str] = []
        self._prefixes = tuple(f"{prefix}." for prefix in prefixes)

    def find(self, given: str) -> int:
        """Return the place of the column that `given` names.

        Case, blanks and underscores are forgiven where exactly one column matches, which `notes` then say.

        Raises:
            ToolError: no column has this name; the message names the nearest and all.
        """
        name = _unquoted(given.strip())
        for form in (
            name,
            *(name.removeprefix(prefix) for prefix in self._prefixes if name.startswith(prefix)),
        ):
            if form in self.all:
                return self.all.index(form)
            same = [place for place, known in enumerate(self.all) if folded(known) == folded(form)]
            if len(same) == 1 and form:
                self._note(f"{form!r} was taken as the column {self.all[same[0]]!r}")
                return same[0]
        near = difflib.get_close_matches(folded(name), list(map(folded, self.all)), n=2, cutoff=0.5)
        nearest = [known for known in self.all if folded(known) in near]
        meant = f"did you mean {' or '.join(map(repr, nearest))}? " if nearest else ""
        raise wrong(f"there is no column {name[:80]!r}", fix=f"{meant}The columns are: {self.listed()}")

    def listed(self) -> str:
        """Return all names, or the first and how many more there are."""
        more = f" and {len(self.all) - _NAMES_SHOWN} more" if len(self.all) > _NAMES_SHOWN else ""
        return ", ".join(self.all[:_NAMES_SHOWN]) + more

    def leading(self, text: str) -> tuple[int, int] | None:
        """Return the column that `text` begins with, in front of an operator, and where its name ends."""
        if quoted := _QUOTED.match(text):
            return (self.find(quoted[0]), quoted.end()) if _OPERATOR.match(text, quoted.end()) else None
        ends = [match.start() for match in _OPERATOR.finditer(text[:400])]
        for end in ends:
            if any(folded(known) == folded(self._bare(text[:end])) for known in self.all):
                return self.find(text[:end]), end
        return None

    def split(self, text: str) -> list[str]:
        """Return the parts of a list that commas separate; a column name may contain commas itself."""
        parts: list[str] = []
        rest = text.strip().removeprefix("[").removesuffix("]").strip()
        by_length = sorted((name for name in self.all if "," in name), key=len, reverse=True)
        while rest:
            whole = next((name for name in by_length if rest.startswith(name)), "")
            quoted = _QUOTED.match(rest)
            end = len(whole) or (quoted.end() if quoted else 0)
            end = _end_of_part(rest, end)
            parts.append(rest[:end].strip())
            rest = rest[end + 1 :].strip()
        return [part for part in parts if part]

    def _bare(self, text: str) -> str:
        name = text.strip()
        return next((name[len(prefix) :] for prefix in self._prefixes if name.startswith(prefix)), name)

    def _note(self, note: str) -> None:
        if note not in self.notes:
            self.notes.append(note)


def conditions_of(text: str, names: Names) -> list[Condition]:
    """Return the conditions that `text` joins by "and", such as `price > 10 and city = "Oslo"`.

    Raises:
        ToolError: a part is not a condition; the message says which, and how conditions are written.
    """
    found: list[Condition] = []
    rest = text.strip()
    if rest[:6].lower() == "where ":
        rest = rest[6:].lstrip()
    while rest:
        more, rest = _condition(rest, names)
        found += more
        joined = _AND.match(f" {rest}") if rest else None
        if rest and joined is None:
            raise wrong(
                "conditions can only be joined by and",
                rest,
                _OR_FIX if _OR.match(f" {rest} ") else _WHERE_FIX,
            )
        rest = rest[joined.end() - 1 :].lstrip() if joined else ""
    return found


_WHERE_FIX = 'write where as column = value, such as price > 10 and city = "Oslo"'
_OR_FIX = "write column in (a, b) for one of several values, or call once for each"


def _condition(text: str, names: Names) -> tuple[list[Condition], str]:
    """Return the condition at the front of `text` (two for BETWEEN), and what follows it."""
    leading = names.leading(text)
    if leading is None:
        operator = _OPERATOR.search(text)
        if operator is None:
            raise wrong("this is not a condition", text, _WHERE_FIX)
        names.find(text[: operator.start()])  # Raises: the column in front of the operator is none.
        raise wrong("this is not a condition", text, _WHERE_FIX)
    column, end = leading
    match = _OPERATOR.match(text, end)
    assert match is not None
    word = " ".join((match["sign"] or match["word"]).lower().split())
    rest = text[match.end() :].lstrip()
    if word == "between":
        joined = _AND.search(rest)
        if joined is None:
            raise wrong("between needs two values joined by and", text, "write price between 10 and 20")
        low = _unquoted(rest[: joined.start()].strip())
        high, rest = _value(rest[joined.end() :].lstrip(), names)
        return [
            Condition(column, Operator.AT_LEAST, (low,)),
            Condition(column, Operator.AT_MOST, (high,)),
        ], rest
    if word == "like":
        value, rest = _value(rest, names)
        return [_like(column, value)], rest
    operator_ = _WORDS[word]
    match operator_:
        case Operator.EMPTY | Operator.FILLED:
            return [Condition(column, operator_)], rest
        case Operator.IN | Operator.NOT_IN:
            values, rest = _values(rest)
            return [Condition(column, operator_, values)], rest
        case _:
            value, rest = _value(rest, names)
            return [Condition(column, operator_, (value,))], rest


def _like(column: int, pattern: str) -> Condition:
    """Return a pattern with % at its ends as one of our operators."""
    inner = pattern.strip("%")
    if "%" in inner or "_" in inner or not inner:
        raise wrong("like takes % only at the ends", pattern, "use contains, starts with or ends with")
    match pattern.startswith("%"), pattern.endswith("%"):
        case True, True:
            return Condition(column, Operator.CONTAINS, (inner,))
        case True, False:
            return Condition(column, Operator.ENDS, (inner,))
        case False, True:
            return Condition(column, Operator.STARTS, (inner,))
        case _:
            return Condition(column, Operator.EQUAL, (inner,))


def _values(text: str) -> tuple[tuple[str, ...], str]:
    """Return the list in parentheses or brackets at the front of `text`, and what follows it."""
    if text[:1] not in ("(", "["):
        raise wrong("in needs a list of values", text, "write city in (Oslo, Bergen)")
    values: list[str] = []
    at = 1
    while at < len(text) and text[at] not in ")]":
        if quoted := _QUOTED.match(text, at):
            values.append(_unquoted(quoted[0]))
            at = quoted.end()
        elif text[at] in ", ":
            at += 1
        else:
            end = min(place for sign in ",)]" if (place := text.find(sign, at)) >= 0 or (place := len(text)))
            values.append(text[at:end].strip())
            at = end
    if at >= len(text) or not values:
        raise wrong("in needs a list of values", text, "write city in (Oslo, Bergen)")
    return tuple(values), text[at + 1 :].lstrip()


def _value(text: str, names: Names) -> tuple[str, str]:
    """Return the value at the front of `text`: quoted, or up to an "and" that begins another condition."""
    quoted = _QUOTED.match(text)
    if quoted and (quoted.end() == len(text) or text[quoted.end()].isspace() or text[quoted.end()] == "&"):
        return _unquoted(quoted[0]), text[quoted.end() :].lstrip()
    for joined in _AND.finditer(text):
        if _begins(text[joined.end() :], names) or not text[joined.end() :].strip():
            return _checked(text[: joined.start()], names), text[joined.start() :].lstrip()
    return _checked(text, names), ""


def _checked(value: str, names: Names) -> str:
    for other in _OR.finditer(value):
        if _begins(value[other.end() :], names):
            raise wrong("conditions can only be joined by and", value, _OR_FIX)
    if not value.strip():
        raise wrong("a condition has no value", fix="give a value, or write column is empty")
    if any(sign in value for sign in "=<>"):
        raise wrong(
            "a value contains a sign of comparison",
            value,
            "join conditions by and, or put quotes around the value",
        )
    return value.strip()


def _begins(text: str, names: Names) -> bool:
    """Whether a condition begins here, its column known or misspelt."""
    try:
        signed = _SIGNED.match(text)
        return names.leading(text) is not None or (signed is not None and not _AND.search(signed[0]))
    except (
        ToolError
    ):  # A quoted name that is none: a condition with a mistake, which is reported when it is read.
        return True


def aggregates_of(text: str, names: Names) -> list[Aggregate]:
    """Return the aggregates in `text`, such as `sum(price), count`.

    Raises:
        ToolError: a part is none; the message names the functions.
    """
    found = []
    for part in _parts(text, names):
        aggregate = aggregate_of(part, names)
        if aggregate is None:
            raise wrong(
                "this is not an aggregate",
                part,
                f"write sum(price) or count; known are {', '.join(Function)}",
            )
        found.append(aggregate)
    return found


def aggregate_of(part: str, names: Names) -> Aggregate | None:
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
    if not inner:
        raise wrong(
            f"{word} needs a column", part, f"write {word}(column); the columns are: {names.listed()}"
        )
    column = names.find(inner)
    return Aggregate(function, column, f"{function.value}({names.all[column]})")


def orders_of(text: str, names: Names, *, is_descending: bool) -> list[Order]:
    """Return what to sort by, such as `city, price desc`."""
    orders = []
    for part in _parts(text, names):
        direction = _DIRECTION.search(part)
        name = part[: direction.start()].strip() if direction else part
        orders.append(Order(name, direction[1].lower().startswith("desc") if direction else is_descending))
    return orders


def _parts(text: str, names: Names) -> Iterator[str]:
    yield from names.split(text)


def _end_of_part(text: str, start: int) -> int:
    """Return where the part ends: at the first comma outside of parentheses."""
    depth = 0
    for at in range(start, len(text)):
        depth += {"(": 1, ")": -1}.get(text[at], 0)
        if text[at] == "," and depth <= 0:
            return at
    return len(text)


def _unquoted(text: str) -> str:
    quoted = _QUOTED.fullmatch(text)
    return next(part for part in quoted.groups() if part is not None) if quoted else text


def folded(name: str) -> str:
    """Return what two names have in common that differ only in case, blanks and underscores."""
    return " ".join(name.replace("_", " ").casefold().split())
