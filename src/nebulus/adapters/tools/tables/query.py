"""A request to a table, answered.

Invariants: a comparison or an aggregate that the cells don't allow is refused, with the cell; what a person would
want to know of a result (cells left out, values that nearly match) is in its notes.
"""

import difflib
from collections.abc import Sequence
from fractions import Fraction
from typing import TypeAlias

from msgspec import Struct

from nebulus.adapters.tools.numbers import Written, written
from nebulus.adapters.tools.tables.cells import Kind, amount
from nebulus.adapters.tools.tables.conditions import Condition, Operator
from nebulus.adapters.tools.tables.database import (
    Cell,
    Database,
    Field,
    Loaded,
    fraction_of,
    why_text,
)
from nebulus.adapters.tools.tables.names import Names, wrong
from nebulus.adapters.tools.tables.request import Aggregate, Function, Order, aggregate_of
from nebulus.core.text import counted

Shown: TypeAlias = str | Written | None
_MOST_GROUPS = 100_000
_VALUES_COMPARED = 2000
_NEARLY_SHOWN = 5
_NUMERIC = frozenset({Function.SUM, Function.MEAN, Function.MEDIAN})
_ORDERED = {Operator.BELOW: "<", Operator.AT_MOST: "<=", Operator.ABOVE: ">", Operator.AT_LEAST: ">="}
_SQL = {
    Function.DISTINCT: "count(DISTINCT {value})",
    Function.SUM: "exact_sum({key})",
    Function.MEAN: "exact_mean({key})",
    Function.MEDIAN: "exact_median({key})",
    Function.MIN: "min({value})",
    Function.MAX: "max({value})",
}


class Query(Struct, frozen=True, kw_only=True):
    """What is asked; columns by their place in the table.

    With `columns`, aggregates are of all matching rows and come on top of the rows; without, they are the answer.
    """

    conditions: tuple[Condition, ...] = ()
    columns: tuple[int, ...] = ()
    groups: tuple[int, ...] = ()
    aggregates: tuple[Aggregate, ...] = ()
    orders: tuple[Order, ...] = ()
    limit: int


class Answer(Struct, frozen=True):
    """The first rows that were asked for, how many there are, how many rows matched, and what is to be said.

    `totals` are aggregates of all matching rows that were asked for together with rows.
    """

    names: tuple[str, ...]
    rows: list[list[Shown]]
    found: int
    matched: int
    notes: tuple[str, ...]
    totals: dict[str, Shown]


def answered(database: Database, table: Loaded, query: Query) -> Answer:
    """Return the answer to `query`.

    Raises:
        ToolError: the cells don't allow what is asked, or it takes too long.
    """
    return _Answering(database, table, query).answer()


class _Answering:
    def __init__(self, database: Database, table: Loaded, query: Query) -> None:
        self._database, self._table, self._query = database, table, query
        self._notes: list[str] = []
        clauses = [self._clause(condition) for condition in query.conditions]
        self._where = " AND ".join(sql for sql, _ in clauses) or "1"
        self._values: list[Cell] = [value for _, values in clauses for value in values]

    def answer(self) -> Answer:
        matched = self._database.one(f"SELECT count(*) {self._from()}", self._values)
        if not matched:
            self._notes += self._nearly()
        is_grouped = bool(self._query.groups or (self._query.aggregates and not self._query.columns))
        names, rows, found = self._groups() if is_grouped else self._rows(matched)
        totals = {} if is_grouped else self._totals()
        return Answer(names, rows, found, matched, tuple(dict.fromkeys(self._notes)), totals)

    def _from(self) -> str:
        return f"FROM {self._table.source} WHERE {self._where}"

    # Rows -----------------------------------------------------------------------------------------------

    def _rows(self, matched: int) -> tuple[tuple[str, ...], list[list[Shown]], int]:
        places = self._query.columns or tuple(range(len(self._table.fields)))
        fields = [self._table.fields[place] for place in places]
        order = ", ".join([*map(self._order, self._query.orders), self._table.order])
        listed = ", ".join(field.text for field in fields)
        sql = f"SELECT {listed} {self._from()} ORDER BY {order} LIMIT ?"
        rows = self._database.rows(sql, [*self._values, self._query.limit])
        names = tuple(self._table.names[place] for place in places)
        return names, [list(row) for row in rows], matched

    def _order(self, order: Order) -> str:
        names = Names(self._table.names)
        field = self._table.fields[names.find(order.name)]
        self._notes += names.notes
        direction = "DESC" if order.is_descending else "ASC"
        if field.column.reading.kind is Kind.TEXT:
            if field.column.reading.note:
                self._notes.append(f"{field.column.name} is sorted as text: {field.column.reading.note}")
            return f"{field.text} IS NULL, folded({field.text}) {direction}"
        if field.column.odd:
            self._notes.append(f"{_odd(field)}: sorted last")
        return f"{field.text} IS NULL, {field.key} IS NULL, {field.key} {direction}"

    def _totals(self) -> dict[str, Shown]:
        aggregates = self._query.aggregates
        if not aggregates:
            return {}
        row = self._database.rows(
            f"SELECT {', '.join(map(self._aggregate, aggregates))} {self._from()}", self._values
        )[0]
        return {item.name: _shown(_result(item, value)) for item, value in zip(aggregates, row, strict=True)}

    # Groups ---------------------------------------------------------------------------------------------

    def _groups(self) -> tuple[tuple[str, ...], list[list[Shown]], int]:
        keys = [self._table.fields[place] for place in self._query.groups]
        aggregates = self._query.aggregates or (Aggregate(Function.COUNT, None, "count"),)
        listed = [f"min({field.text}), min({field.value})" for field in keys]
        listed += [self._aggregate(aggregate) for aggregate in aggregates]
        grouped = f"GROUP BY {', '.join(field.value for field in keys)}" if keys else ""
        sql = f"SELECT {', '.join(listed)} {self._from()} {grouped} LIMIT {_MOST_GROUPS + 1}"
        found = self._database.rows(sql, self._values)
        if len(found) > _MOST_GROUPS:
            raise wrong(
                f"there are more than {_MOST_GROUPS} groups", fix="group by a column with fewer values"
            )
        split = 2 * len(keys)
        rows = [
            (
                [*row[:split:2], *map(_shown, row[split:])],
                [*map(_rank, row[1:split:2]), *map(_rank, row[split:])],
            )
            for row in ((*row[:split], *map(_result, aggregates, row[split:])) for row in found)
        ]
        names = (*(field.column.name for field in keys), *(aggregate.name for aggregate in aggregates))
        rows.sort(key=lambda row: row[1][: len(keys)])
        for order in reversed(self._query.orders):
            place = self._place(order.name, names, aggregates)
            rows.sort(key=lambda row, place=place: row[1][place], reverse=order.is_descending)  # type: ignore[misc]
            rows.sort(key=lambda row, place=place: row[0][place] is None)  # type: ignore[misc]
        self._note_groups(keys, [row[0] for row in rows])
        return names, [row[0] for row in rows[: self._query.limit]], len(rows)

    def _aggregate(self, aggregate: Aggregate) -> str:
        if aggregate.column is None:
            return "count(*)"
        field = self._table.fields[aggregate.column]
        function, column = aggregate.function, field.column
        if function is Function.COUNT:
            return f"count({field.text})"
        kind = column.reading.kind
        if function is not Function.DISTINCT:
            if kind is not Kind.NUMBER and (
                function in _NUMERIC or (column.reading.note and kind is Kind.TEXT)
            ):
                why = "it contains dates" if kind is Kind.DATE else why_text(column)
                raise wrong(f"{function} can't be computed from {column.name!r}: {why}", self._example(field))
            self._require_regular(field)
            if kind is Kind.TEXT:
                self._notes.append(f"{function} of {column.name} is by the order of its characters")
            if column.reading.note:
                self._notes.append(f"{column.name}: {column.reading.note}")
        empty = self._database.one(f"SELECT count(*) {self._from()} AND {field.text} IS NULL", self._values)
        if empty:
            self._notes.append(f"left out of {aggregate.name}: {counted(empty, 'empty cell')}")
        return _SQL[function].format(key=field.key, value=field.value)

    def _require_regular(self, field: Field) -> None:
        """Refuse to compute from cells that are not what their column contains.

        Raises:
            ToolError: there is one among the matching rows.
        """
        if not field.column.odd:
            return
        sql = (
            f"SELECT {field.text} {self._from()} AND {field.key} IS NULL AND {field.text} IS NOT NULL LIMIT 1"
        )
        example = self._database.one(sql, self._values)
        if example is not None:
            raise wrong(
                f"{field.column.name!r} has a cell that is not a {field.column.reading.kind}: {example!r}",
                fix=f"leave it out with where: {field.column.name} != {example!r}, or mend the file",
            )

    def _place(self, name: str, names: tuple[str, ...], aggregates: Sequence[Aggregate]) -> int:
        """Return which column of the result `name` means: its own name, or that of the column it is computed from."""
        known = Names(self._table.names)
        aggregate = None if name in names else aggregate_of(name, known)
        if aggregate and aggregate.name in names:
            return names.index(aggregate.name)
        first = len(names) - len(aggregates)
        same = [
            first + place
            for place, item in enumerate(aggregates)
            if item.column is not None and self._table.names[item.column].casefold() == name.casefold()
        ]
        return same[0] if len(same) == 1 and name not in names else Names(names).find(name)

    def _note_groups(self, keys: list[Field], rows: list[list[Shown]]) -> None:
        for place, field in enumerate(keys):
            if field.column.reading.kind is not Kind.TEXT:
                continue
            seen: dict[str, Shown] = {}
            for row in rows:
                text = row[place]
                other = seen.setdefault(str(text).casefold(), text)
                if other != text and text is not None:
                    self._notes.append(f"{other!r} and {text!r} are different groups")
                    break

    # Conditions -----------------------------------------------------------------------------------------

    def _clause(self, condition: Condition) -> tuple[str, list[Cell]]:
        """Return a condition as SQL with its values."""
        field = self._table.fields[condition.column]
        text = condition.values[0] if condition.values else ""
        match condition.operator:
            case Operator.EMPTY:
                return f"{field.text} IS NULL", []
            case Operator.FILLED:
                return f"{field.text} IS NOT NULL", []
            case Operator.CONTAINS:
                return f"instr(folded({field.text}), ?) > 0", [text.casefold()]
            case Operator.STARTS:
                return f"instr(folded({field.text}), ?) = 1", [text.casefold()]
            case Operator.ENDS:
                folded = text.casefold()
                return f"substr(folded({field.text}), -length(?)) = ?", [folded, folded]
            case Operator.EQUAL | Operator.IN:
                parts = [self._equal(field, value) for value in condition.values]
                return f"({' OR '.join(f'{sql} = ?' for sql, _ in parts)})", [value for _, value in parts]
            case Operator.UNEQUAL | Operator.NOT_IN:
                if field.column.empty:
                    self._notes.append(f"rows with an empty {field.column.name} are included")
                parts = [self._equal(field, value) for value in condition.values]
                return f"({' AND '.join(f'{sql} IS NOT ?' for sql, _ in parts)})", [
                    value for _, value in parts
                ]
            case _:
                return f"{field.key} {_ORDERED[condition.operator]} ?", [self._comparable(field, text)]

    def _equal(self, field: Field, text: str) -> tuple[str, Cell]:
        """Return SQL and the value that it equals; a value that no row has is noted."""
        key = _key(field, text)
        sql, value = (field.text, text) if key is None else (field.key, key)
        if not self._database.rows(f"SELECT 1 FROM {self._table.source} WHERE {sql} = ? LIMIT 1", [value]):
            self._notes.append(self._never(field, text))
        return sql, value

    def _comparable(self, field: Field, text: str) -> Cell:
        kind = field.column.reading.kind
        if kind is Kind.TEXT:
            raise wrong(
                f"{field.column.name!r} can't be compared by size: {why_text(field.column)}",
                self._example(field),
                "use =, !=, contains, starts with or in",
            )
        key = _key(field, text)
        if key is None:
            how = "a number without a unit" if kind is Kind.NUMBER else "a date such as 2024-03-31"
            raise wrong(f"{field.column.name!r} contains {kind}s, and {text!r} is not one", fix=f"give {how}")
        if field.column.odd:
            self._notes.append(f"{_odd(field)}: never matched")
        return key

    def _example(self, field: Field) -> str:
        cell = self._database.one(
            f"SELECT {field.text} FROM {self._table.source} WHERE {field.text} IS NOT NULL LIMIT 1"
        )
        return f"such as {cell!r}"[:120] if cell is not None else "all of its cells are empty"

    def _nearly(self) -> list[str]:
        """Say which values there are, where a search in a text found no row."""
        return [
            self._never(self._table.fields[condition.column], condition.values[0])
            for condition in self._query.conditions
            if condition.operator in (Operator.CONTAINS, Operator.STARTS, Operator.ENDS)
        ]

    def _never(self, field: Field, wanted: str) -> str:
        """Say that no cell of the whole table is `wanted`, and which values come near."""
        sql = (
            f"SELECT {field.text}, count(*) FROM {self._table.source} WHERE {field.text} IS NOT NULL "
            f"GROUP BY {field.value} ORDER BY 2 DESC LIMIT {_VALUES_COMPARED}"
        )
        values = [str(row[0]) for row in self._database.rows(sql)]
        near = _nearest(wanted, values)
        listed = ", ".join(repr(value[:60]) for value in near) or "empty"
        more = ", …" if len(values) > len(near) else ""
        return f"{field.column.name} is never {wanted[:80]!r}; its values are {listed}{more}"


def _nearest(wanted: str, values: list[str]) -> list[str]:
    """The values most like `wanted`, those that differ only in case first; then the most frequent."""
    same = [value for value in values if value.casefold() == wanted.casefold()]
    short = {value[:80] for value in values}
    near = difflib.get_close_matches(wanted[:80], short, n=2, cutoff=0.6)
    return list(dict.fromkeys((*same, *near, *values)))[:_NEARLY_SHOWN]


def _key(field: Field, text: str) -> Cell:
    """What a value of a request is compared by, None if it is not what the column contains."""
    reading = field.column.reading
    if reading.kind is not Kind.NUMBER:
        return reading.key(text)
    found = amount(text, is_comma=reading.is_comma) or amount(text, is_comma=False)
    if found and reading.unit == "%" != found[1] and 0 < abs(found[0]) < 1:
        raise wrong(
            f"{field.column.name!r} is in %, and {text} has no unit",
            fix=f"write {found[0] * 100:g}% or {text}%",
        )
    return found[0] if found and found[1] in ("", reading.unit) else None


def _odd(field: Field) -> str:
    column = field.column
    cells = counted(column.odd, "cell")
    return f"{cells} of {column.name} with something else than a {column.reading.kind}, such as {column.odd_example!r}"


def _result(aggregate: Aggregate, value: Cell) -> Cell | Fraction:
    """Return a value of an aggregate: numbers as fractions, which our own aggregates write as text."""
    is_number = aggregate.function in _NUMERIC or not isinstance(value, str)
    return fraction_of(value) if is_number and value is not None else value


def _shown(value: Cell | Fraction) -> Shown:
    match value:
        case Fraction():
            return written(value)
        case None:
            return None
        case _:
            return str(value)


def _rank(value: Cell | Fraction) -> tuple[int, Fraction | str]:
    """What values of different types are sorted by: numbers, then texts, then nothing."""
    match value:
        case None:
            return 2, ""
        case str():
            return 1, value.casefold()
        case _:
            return 0, value if isinstance(value, Fraction) else fraction_of(value)
