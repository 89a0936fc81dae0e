"""The tools that look at tables, query them and join them."""

import csv
import io
from collections.abc import Sequence
from typing import Annotated

from msgspec import Meta

from nebulus.adapters.tools.numbers import Written
from nebulus.adapters.tools.tables.cells import Kind
from nebulus.adapters.tools.tables.conditions import conditions_of
from nebulus.adapters.tools.tables.database import Database, Field, Loaded, open_database
from nebulus.adapters.tools.tables.join import Side, joined
from nebulus.adapters.tools.tables.names import Names, wrong
from nebulus.adapters.tools.tables.query import Answer, Query, Shown, answered
from nebulus.adapters.tools.tables.request import Aggregate, aggregate_of, aggregates_of, orders_of
from nebulus.adapters.tools.tables.source import Rows, rows_of
from nebulus.adapters.tools.texts import whole_text
from nebulus.adapters.workspaces.tree import Tree
from nebulus.core.scalars import Scalar
from nebulus.core.text import bounded, counted
from nebulus.ports.tool import ToolOutput

_ROWS_LOOKED_AT = 3
_VALUES_SHOWN = 5
_CELL_CHARS = 200
_ANSWER_CHARS = 16_000

Limit = Annotated[int, Meta(ge=1, le=200)]


class Tables:
    """The tables in the files of a workspace."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree

    def describe_table(self, path: str, json_path: str = "") -> ToolOutput:
        """Show the columns, types and first rows of a CSV, TSV or JSON file."""
        rows = self._read(path, json_path)
        with open_database() as database:
            table = database.load(rows, "a")
            described = [["column", "type", "empty", "values"]]
            for field in table.fields:
                column = field.column
                kind = (
                    f"{column.reading.kind} ({column.reading.note})"
                    if column.reading.note
                    else column.reading.kind
                )
                described.append([column.name, kind, str(column.empty), _values_of(database, table, field)])
            first = answered(database, table, Query(limit=_ROWS_LOOKED_AT))
        notes = [
            _note(
                f"{path}: {rows.form}, {counted(len(rows.cells), 'row')}, {counted(len(rows.names), 'column')}",
                rows.notes,
            )
        ]
        text = "\n".join(
            [*notes, _csv(described), "First rows:", _csv([first.names, *map(_texts, first.rows)])]
        )
        fields: dict[str, Scalar] = {
            "rows": len(rows.cells),
            "columns": bounded(", ".join(rows.names), _CELL_CHARS),
        }
        return ToolOutput(text=text, fields=fields, is_trusted=False)

    def query_table(  # noqa: D417 - a name that says it all needs no line in a prompt
        self,
        path: str,
        *,
        columns: str = "",
        aggregate: str = "",
        group_by: str = "",
        where: str = "",
        sort: str = "",
        descending: bool = False,
        limit: Limit = 20,
        json_path: str = "",
    ) -> ToolOutput:
        """Answer a question about the rows of a CSV, TSV or JSON file: filter, sort, group, count, sum.

        Args:
            aggregate: sum(column), mean(column) or count; empty for the rows themselves.
            where: column = value and column > number; empty for all rows.
        """
        rows = self._read(path, json_path)
        with open_database() as database:
            table = database.load(rows, "a")
            names = Names(rows.names)
            query = _query(
                names, where=where, columns=columns, groups=group_by, aggregate=aggregate, limit=limit
            )
            query = _sorted(query, sort, names, is_descending=descending)
            answer = answered(database, table, query)
        return _output(answer, len(rows.cells), (*rows.notes, *names.notes))

    def join_tables(  # noqa: D417 - a name that says it all needs no line in a prompt
        self,
        path: str,
        other_path: str,
        on: str,
        *,
        columns: str = "",
        aggregate: str = "",
        group_by: str = "",
        where: str = "",
        sort: str = "",
        descending: bool = False,
        limit: Limit = 20,
    ) -> ToolOutput:
        """Join two table files on a column that both have; the rest as in query_table.

        Args:
            on: The column, or first_name = second_name.
        """
        both = self._read(path, ""), self._read(other_path, "")
        with open_database() as database:
            left, right = (
                Side(database.load(both[0], "a"), path),
                Side(database.load(both[1], "b"), other_path),
            )
            table, notes = joined(database, left, right, on=on)
            names = Names(table.names, prefixes=(left.stem, right.stem))
            query = _query(
                names, where=where, columns=columns, groups=group_by, aggregate=aggregate, limit=limit
            )
            query = _sorted(query, sort, names, is_descending=descending)
            answer = answered(database, table, query)
            total = database.one(f"SELECT count(*) FROM {table.source}")
        return _output(answer, total, (*both[0].notes, *both[1].notes, *notes, *names.notes))

    def _read(self, path: str, json_path: str) -> Rows:
        with self._tree.reading(path) as file:
            return rows_of(whole_text(file, path), path, json_path=json_path)


def _query(names: Names, *, where: str, columns: str, groups: str, aggregate: str, limit: int) -> Query:
    """Return what is asked, forgiving what has one meaning.

    An aggregate may be among the columns, as SQL has it; a function without a column means the only one of `columns`;
    a column of an aggregate need not be among `columns`, and is not shown for itself if it is.
    """
    places: list[int] = []
    aggregates: list[Aggregate] = []
    for part in names.split(columns):
        found = None if part in names.all else aggregate_of(part, names) if "(" in part else None
        if found:
            aggregates.append(found)
        elif part != "*":
            places.append(names.find(part))
    aggregates = [
        *aggregates_of(aggregate, names, column=places[0] if len(places) == 1 else None),
        *aggregates,
    ]
    keys = [names.find(part) for part in names.split(groups)]
    computed = {item.column for item in aggregates}
    loose = [place for place in places if place not in keys and place not in computed]
    if keys and loose:
        name = names.all[loose[0]]
        raise wrong(
            f"{name!r} may have several values in a group",
            fix=f"add {name} to group_by, or give an aggregate such as max({name})",
        )
    return Query(
        conditions=tuple(conditions_of(where, names)),
        columns=tuple(places) if loose else (),
        groups=tuple(keys),
        aggregates=tuple(dict.fromkeys(aggregates)),
        limit=limit,
    )


def _sorted(query: Query, sort: str, names: Names, *, is_descending: bool) -> Query:
    orders = tuple(orders_of(sort, names, is_descending=is_descending))
    return Query(
        conditions=query.conditions,
        columns=query.columns,
        groups=query.groups,
        aggregates=query.aggregates,
        orders=orders,
        limit=query.limit,
    )


def _values_of(database: Database, table: Loaded, field: Field) -> str:
    """Say what a column contains: from the least to the greatest, or its most frequent texts."""
    if field.column.reading.kind is not Kind.TEXT:
        low, high = database.rows(f"SELECT min({field.key}), max({field.key}) FROM {table.source}")[0]
        odd = (
            f"; not {field.column.reading.kind}s: {field.column.odd}, such as {field.column.odd_example!r}"
            if field.column.odd
            else ""
        )
        return f"{low} to {high}{odd}"
    of_table = f"FROM {table.source} WHERE {field.text} IS NOT NULL"
    count = database.one(f"SELECT count(DISTINCT {field.text}) {of_table}")
    common = database.rows(
        f"SELECT {field.text} {of_table} GROUP BY 1 ORDER BY count(*) DESC, min({table.order}) LIMIT {_VALUES_SHOWN}"
    )
    listed = ", ".join(bounded(str(row[0]), 40) for row in common)
    return f"{count} different: {listed}{', …' if count > len(common) else ''}"


def _output(answer: Answer, total: int, notes: Sequence[str]) -> ToolOutput:
    """Return an answer as CSV with a line in parentheses about it; a single value is the step's result."""
    lines = [_csv([answer.names])]
    size = len(lines[0])
    for row in answer.rows:
        line = _csv([_texts(row)])
        size += len(line) + 1
        if size > _ANSWER_CHARS:
            break
        lines.append(line)
    shown = len(lines) - 1
    count = counted(answer.found, "row") if shown == answer.found else f"{shown} of {answer.found} rows shown"
    is_all = answer.matched == total
    of_all = (
        f"; from {counted(total, 'row')}"
        if is_all
        else f"; {answer.matched} of {counted(total, 'row')} matched"
    )
    fields: dict[str, Scalar] = {name: _scalar(value) for name, value in answer.totals.items()}
    totals = [f"{name} of these rows: {_texts([value])[0]}" for name, value in answer.totals.items()]
    if len(answer.rows) == 1 and not totals:
        values = dict(zip(answer.names, map(_scalar, answer.rows[0]), strict=True))
        fields = {"result": next(iter(values.values()))} if len(values) == 1 else values
    text = "\n".join([*lines, _note(f"{count}{of_all}", (*totals, *notes, *answer.notes))])
    return ToolOutput(text=text, fields=fields, is_trusted=False)


def _note(first: str, notes: Sequence[str]) -> str:
    return f"({'; '.join(dict.fromkeys([first, *notes]))})"


def _texts(row: Sequence[Shown]) -> list[str]:
    return [
        "" if cell is None else cell.text if isinstance(cell, Written) else bounded(cell, _CELL_CHARS)
        for cell in row
    ]


def _scalar(cell: Shown) -> Scalar:
    return "" if cell is None else cell.scalar if isinstance(cell, Written) else bounded(cell, _CELL_CHARS)


def _csv(rows: Sequence[Sequence[str]]) -> str:
    file = io.StringIO()
    csv.writer(file, lineterminator="\n").writerows(rows)
    return file.getvalue().removesuffix("\n")
