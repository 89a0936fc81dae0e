"""Two tables joined on a column."""

from msgspec import Struct

from nebulus.adapters.tools.tables.cells import Kind
from nebulus.adapters.tools.tables.database import Database, Field, Loaded
from nebulus.adapters.tools.tables.names import Names, folded, wrong
from nebulus.core.errors import ToolError
from nebulus.core.text import counted

_ON = "column_of_first = column_of_second where the names differ"


class Side(Struct, frozen=True):
    """One of the two: its table, its path, and its name in front of a column, as in `orders.total`."""

    table: Loaded
    path: str

    @property
    def stem(self) -> str:
        """The name of the file without folder and ending."""
        return self.path.rpartition("/")[2].partition(".")[0]


def joined(database: Database, left: Side, right: Side, *, on: str) -> tuple[Loaded, list[str]]:
    """Return the rows of both whose columns `on` are equal, and notes on rows without a match.

    `on` is the name of a column of both, or `left = right`. The columns are those of `left`, then those of `right`,
    without its `on` where both have the same name; another whose name `left` has too is called `stem.name`.

    Raises:
        ToolError: a column of `on` is missing.
    """
    one, _, other = on.partition("=")
    notes: list[str] = []
    places: list[int] = []
    for side, name in ((left, one), (right, other.lstrip("=") or one)):
        names = Names(side.table.names, prefixes=[side.stem])
        if not name.strip():
            raise wrong("on is empty", fix=f"name a column of both; {side.path} has: {names.listed()}")
        try:
            places.append(names.find(name))
        except ToolError as error:
            failure = error.failure
            raise wrong(f"{side.path}: {failure.what}", fix=f"{failure.fix}; write on as {_ON}") from error
        notes += names.notes
    keys = left.table.fields[places[0]], right.table.fields[places[1]]
    first, second = _comparable(*keys)
    for alias, field in (("a", keys[0]), ("b", keys[1])):
        database.index(alias, field)
    for side, own, far, foreign in ((left, first, right, second), (right, second, left, first)):
        notes += _unmatched(database, side, far, own=own, foreign=foreign)
    if all(_repeats(database, side.table, sql) for side, sql in ((left, first), (right, second))):
        notes.append("values repeat on both sides, and each such row is joined with each")
    is_same = folded(left.table.names[places[0]]) == folded(right.table.names[places[1]])
    rest = [place for place in range(len(right.table.names)) if place != places[1] or not is_same]
    taken = set(map(folded, left.table.names))
    added = [right.table.names[place] for place in rest]
    added = [f"{right.stem}.{name}" if folded(name) in taken else name for name in added]
    table = Loaded(
        source=f"{left.table.source} JOIN {right.table.source} ON {first} = {second}",
        fields=(*left.table.fields, *(right.table.fields[place] for place in rest)),
        names=(*left.table.names, *added),
        order=f"{left.table.order}, {right.table.order}",
    )
    return table, notes


def _comparable(left: Field, right: Field) -> tuple[str, str]:
    """SQL for two keys: numbers and dates by what they mean, unless one side is something else."""
    if left.column.reading.kind is right.column.reading.kind is not Kind.TEXT:
        return left.value, right.value
    return left.text, right.text


def _unmatched(database: Database, side: Side, far: Side, *, own: str, foreign: str) -> list[str]:
    missing = (
        f"FROM {side.table.source} WHERE NOT EXISTS "
        f"(SELECT 1 FROM {far.table.source} WHERE {foreign} = {own})"
    )
    count = database.one(f"SELECT count(*) {missing}")
    if not count:
        return []
    example = database.one(f"SELECT {own} {missing} LIMIT 1")
    shown = "an empty cell" if example is None else repr(example)
    return [f"without a match in {side.path}: {counted(count, 'row')}, such as {shown}"]


def _repeats(database: Database, table: Loaded, key: str) -> bool:
    sql = f"SELECT 1 FROM {table.source} WHERE {key} IS NOT NULL GROUP BY {key} HAVING count(*) > 1 LIMIT 1"
    return database.one(sql) is not None
