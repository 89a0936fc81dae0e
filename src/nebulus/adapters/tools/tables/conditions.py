"""The conditions of a request, as typed values. Pure.

Invariants: a text is conditions from its first character to its last, or it is refused with the part that is not; a value
may contain "and" where no condition follows; no text becomes SQL.
"""

import re
from enum import StrEnum

from msgspec import Struct

from nebulus.adapters.tools.tables.names import QUOTED, Names, folded, unquoted, wrong
from nebulus.core.errors import ToolError


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
_AND = re.compile(r"\s(?:and|AND|And|&&)\s")
_OR = re.compile(r"\s(?:or|OR|Or|\|\|)\s")
_SIGNED = re.compile(r"[^\"'=<>!]{1,80}?\s?(?:==|!=|<>|<=|>=|=|<|>)")


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
    leading = _leading(names, text)
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
        low = unquoted(rest[: joined.start()].strip())
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
        if quoted := QUOTED.match(text, at):
            values.append(unquoted(quoted[0]))
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
    quoted = QUOTED.match(text)
    if quoted and (quoted.end() == len(text) or text[quoted.end()].isspace() or text[quoted.end()] == "&"):
        return unquoted(quoted[0]), text[quoted.end() :].lstrip()
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
        return _leading(names, text) is not None or (signed is not None and not _AND.search(signed[0]))
    except (
        ToolError
    ):  # A quoted name that is none: a condition with a mistake, which is reported when it is read.
        return True


def _leading(names: Names, text: str) -> tuple[int, int] | None:
    """Return the column that `text` begins with, in front of an operator, and where its name ends."""
    if quoted := QUOTED.match(text):
        return (names.find(quoted[0]), quoted.end()) if _OPERATOR.match(text, quoted.end()) else None
    ends = [match.start() for match in _OPERATOR.finditer(text[:400])]
    for end in ends:
        if any(folded(known) == folded(names.bare(text[:end])) for known in names.all):
            return names.find(text[:end]), end
    return None
