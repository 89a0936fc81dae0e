"""Tables in a database of SQLite in memory, which exists for one call.

Invariants: no text of a file or a request is part of an SQL statement: columns are numbered and values are
parameters; statements only read, and nothing outside of the memory is opened; the time is bounded; sums and means are
exact.
"""

import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from fractions import Fraction
from statistics import median
from typing import Any, TypeAlias

from msgspec import Struct

from nebulus.adapters.tools.tables.cells import Column, Key, Kind, is_missing, read_column
from nebulus.adapters.tools.tables.source import Rows
from nebulus.core.errors import ToolError

LONGEST_S = 20.0
_CHECKED_EVERY = 10_000
"""Steps of SQLite's machine between two looks at the clock: under a millisecond."""

Cell: TypeAlias = str | int | float | None


class Field(Struct, frozen=True):
    """A column, and the SQL names of its text and of what it is compared by. An empty cell is NULL in both."""

    column: Column
    text: str
    key: str

    @property
    def value(self) -> str:
        """SQL for what makes two cells equal: the key, or the text of a cell that has none."""
        return f"ifnull({self.key}, {self.text})"


class Loaded(Struct, frozen=True):
    """A table in the database: what follows FROM, its columns, and what keeps the order of the file."""

    source: str
    fields: tuple[Field, ...]
    names: tuple[str, ...]
    order: str


class Database:
    """The tables of one call."""

    def __init__(self, connection: sqlite3.Connection, *, longest_s: float = LONGEST_S) -> None:
        self._connection, self._longest_s = connection, longest_s
        self._ends = 0.0

    def load(self, rows: Rows, alias: str) -> Loaded:
        """Put the rows into a table that is called `alias`: one of ours, never a name from outside."""
        width = len(rows.names)
        columns: list[Column] = []
        stored: list[Sequence[Cell]] = []
        for place, name in enumerate(rows.names):
            cells = [row[place] for row in rows.cells]
            column, keys = read_column(name, cells, separator=rows.separator)
            columns.append(column)
            stored.append([None if is_missing(cell, column.reading) else cell for cell in cells])
            stored.append(keys)
        listed = ", ".join(f"t{place}, k{place}" for place in range(width))
        marks = ", ".join("?" * (2 * width))
        self._connection.execute(f"CREATE TABLE {alias} (n INTEGER PRIMARY KEY, {listed})")
        self._connection.executemany(
            f"INSERT INTO {alias} ({listed}) VALUES ({marks})",
            zip(*stored, strict=True),
        )
        fields = tuple(
            Field(column, f"{alias}.t{place}", f"{alias}.k{place}") for place, column in enumerate(columns)
        )
        return Loaded(alias, fields, rows.names, f"{alias}.n")

    def index(self, alias: str, field: Field) -> None:
        """Make it quick to find rows by `field`."""
        inner = field.value.replace(f"{alias}.", "")
        self.rows(f"CREATE INDEX index_{alias} ON {alias} ({inner})")

    def rows(self, sql: str, values: Sequence[Cell] = ()) -> list[tuple[Any, ...]]:
        """Return the rows of a statement.

        Raises:
            ToolError: it took too long.
        """
        if not self._ends:
            ends = self._ends = time.monotonic() + self._longest_s
            self._connection.set_progress_handler(lambda: time.monotonic() > ends, _CHECKED_EVERY)
        try:
            return self._connection.execute(sql, values).fetchall()
        except sqlite3.OperationalError as error:
            if "interrupted" not in str(error):
                raise
            raise ToolError(
                f"the request takes more than {self._longest_s:.0f} s",
                fix="ask for less: a narrower where, or a join on a column with different values",
            ) from error

    def one(self, sql: str, values: Sequence[Cell] = ()) -> Any:
        """Return the only value of a statement, None if it has no row."""
        found = self.rows(sql, values)
        return found[0][0] if found else None


@contextmanager
def open_database(*, longest_s: float = LONGEST_S) -> Iterator[Database]:
    """Open an empty database in memory; it is gone afterwards. `longest_s` bounds its statements, all together."""
    connection = sqlite3.connect(":memory:", isolation_level=None, cached_statements=0)
    try:
        connection.execute("PRAGMA temp_store = MEMORY")
        connection.create_function("folded", 1, _folded, deterministic=True)
        for name, aggregate in (("exact_sum", _Sum), ("exact_mean", _Mean), ("exact_median", _Median)):
            connection.create_aggregate(name, 1, aggregate)  # type: ignore[arg-type]  # typeshed wants int results
        yield Database(connection, longest_s=longest_s)
    finally:
        connection.close()


def fraction_of(value: Cell) -> Fraction:
    """Return a number of the database, or a fraction that one of our aggregates wrote, exactly."""
    return Fraction(Decimal(repr(value))) if isinstance(value, float) else Fraction(value or 0)


def _folded(text: str | None) -> str | None:
    return None if text is None else str(text).casefold()


class _Numbers:
    """What an aggregate was given; it returns text, since SQLite has no exact fractions."""

    def __init__(self) -> None:
        self._sum, self._count = Fraction(0), 0

    def step(self, value: Key | None) -> None:
        if value is not None:
            self._sum += fraction_of(value)
            self._count += 1


class _Sum(_Numbers):
    def finalize(self) -> str | None:
        return str(self._sum) if self._count else None


class _Mean(_Numbers):
    def finalize(self) -> str | None:
        return str(self._sum / self._count) if self._count else None


class _Median:
    def __init__(self) -> None:
        self._values: list[Fraction] = []

    def step(self, value: Key | None) -> None:
        if value is not None:
            self._values.append(fraction_of(value))

    def finalize(self) -> str | None:
        return str(median(self._values)) if self._values else None


def why_text(column: Column) -> str:
    """Say why a column is text and not numbers or dates."""
    assert column.reading.kind is Kind.TEXT
    return column.reading.note or "it contains text"
