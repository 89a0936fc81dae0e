"""Rows out of files: CSV, TSV, JSON and JSON lines. Pure.

Invariants: a file is read whole or refused with the line that is wrong; no row is left out or moved into other
columns; the number of rows, columns and values is bounded before they fill the memory.
"""

import csv
import io
import json
from collections.abc import Iterator
from typing import Any

from msgspec import Struct

from nebulus.core.errors import ToolError
from nebulus.core.failure import FailureKind
from nebulus.core.text import bounded

MOST_ROWS = 200_000
MOST_COLUMNS = 300
MOST_CELLS = 1_000_000
_NAME_CHARS = 80
_COLUMNS_SHOWN = 20
_SNIFFED_LINES = 20
_DEEPEST = 20
_TOTALS = ("total", "grand total", "subtotal", "sum")
_SEPARATORS = (",", ";", "\t", "|")


class _Digits(str):
    """A number of JSON as it is written."""

    __slots__ = ()


class Rows(Struct, frozen=True):
    """The rows of a file, every cell as stripped text, "" where it is empty.

    `form` is CSV, TSV, JSON or JSON lines; `notes` say what is unusual about the file.
    """

    names: tuple[str, ...]
    cells: list[list[str]]
    form: str
    separator: str = ""
    notes: tuple[str, ...] = ()


def rows_of(text: str, path: str, *, json_path: str = "") -> Rows:
    """Return the rows that `text`, the content of `path`, contains.

    Raises:
        ToolError: it is not a table, or too large a one; the message names the line and the fix.
    """
    text = text.removeprefix("\ufeff")
    if not text.strip():
        raise _wrong(f"{path} is empty", fix="name another file")
    ending = path.rpartition(".")[2].lower()
    if ending in ("jsonl", "ndjson"):
        return _of_objects(list(_json_lines(text, path)), path, "JSON lines")
    if ending == "json" or text.lstrip()[0] in "[{":
        return _of_json(text, path, json_path)
    return _of_csv(text, path, "\t" if ending == "tsv" else _separator(text))


# CSV ------------------------------------------------------------------------------------------------------


def _separator(text: str) -> str:
    """The separator that splits the first lines into most columns, as many in each."""
    lines = io.StringIO(text, newline="").readlines(1 << 16)[:_SNIFFED_LINES]

    def score(separator: str) -> tuple[bool, int]:
        try:
            widths = {len(row) for row in csv.reader(lines, delimiter=separator) if row}
        except csv.Error:  # Not the separator of this file.
            return False, 0
        return len(widths) == 1, min(widths, default=0)

    best = max(_SEPARATORS, key=score)
    return best if score(best)[1] > 1 else max(_SEPARATORS, key=lines[0].count)


def _of_csv(text: str, path: str, separator: str) -> Rows:
    reader = csv.reader(
        io.StringIO(text, newline=""), delimiter=separator, strict=True, skipinitialspace=True
    )
    form = "TSV" if separator == "\t" else "CSV"
    cells: list[list[str]] = []
    names: list[str] = []
    short: list[int] = []
    try:
        for row in reader:
            row = [cell.strip() for cell in row]
            if not any(row):
                continue
            if not names:
                names = row
                _require_size(0, len(names), path)
                continue
            if len(row) < len(names):
                short.append(reader.line_num)
            cells.append(_fitted(row, len(names), f"{path}, line {reader.line_num}"))
            _require_size(len(cells), len(names), path)
    except csv.Error as error:
        raise _wrong(
            f"{path} is not valid {form}: {error}", f"line {reader.line_num}", "mend the quotes in that line"
        ) from error
    notes = []
    if short:
        notes.append(f"fewer cells than the header: {len(short)}, the first in line {short[0]}")
    if names and all(_is_digits(name) for name in names):
        notes.append("the first line was taken as the header, though it looks like data")
    return Rows(_distinct(names), cells, form, separator, (*notes, *_total_note(cells)))


def _total_note(cells: list[list[str]]) -> list[str]:
    """Say so if the last row is a sum of the others, as spreadsheets have it: it would be counted twice."""
    last = next((cell for cell in cells[-1] if cell.casefold().startswith(_TOTALS)), "") if cells else ""
    return [f"the last row says {last[:40]!r}, and counts as a row"] if last else []


def _fitted(row: list[str], width: int, where: str) -> list[str]:
    """Return the row with `width` cells.

    Raises:
        ToolError: it has more, and they are not empty.
    """
    if any(row[width:]):
        raise _wrong(
            f"{where} has {len(row)} cells, and the header {width}",
            bounded(", ".join(row[:_COLUMNS_SHOWN]), 200),
            "put quotes around the cell that contains the separator, or remove the lines above the header",
        )
    return [*row[:width], *[""] * (width - len(row))]


def _is_digits(text: str) -> bool:
    return text.replace(".", "", 1).replace("-", "", 1).isdecimal()


def _distinct(names: list[str]) -> tuple[str, ...]:
    """Return names that are there and differ: the second `a` is `a (2)`, one without a name `column 3`."""
    found: list[str] = []
    for number, name in enumerate(names, start=1):
        name = bounded(" ".join(name.split()), _NAME_CHARS) or f"column {number}"
        same = sum(other == name or other.startswith(f"{name} (") for other in found)
        found.append(f"{name} ({same + 1})" if same else name)
    return tuple(found)


# JSON -----------------------------------------------------------------------------------------------------


def _of_json(text: str, path: str, json_path: str) -> Rows:
    try:
        value = _decoded(text, path)
    except ValueError as error:
        if "\n" in text.strip() and not json_path:
            try:
                return _of_objects(list(_json_lines(text, path)), path, "JSON lines")
            except ToolError:
                pass  # It is not JSON lines either; the error of the whole is the better one.
        raise _wrong(f"{path} is not valid JSON: {error}", fix="mend the file") from error
    found = dict(_lists(value, "", 0))
    if json_path:
        wanted = json_path.strip().removeprefix("$").removeprefix(".").replace("[", ".").replace("]", "")
        if wanted not in found:
            raise _wrong(f"{path} has no list of objects at {json_path[:80]!r}", fix=_choices(found))
        return _of_objects(found[wanted], path, "JSON")
    if "" in found:
        return _of_objects(found[""], path, "JSON")
    if len(found) != 1:
        raise _wrong(f"{path} has {len(found)} lists of objects", fix=_choices(found))
    where, items = next(iter(found.items()))
    rows = _of_objects(items, path, "JSON")
    return Rows(rows.names, rows.cells, "JSON", notes=(*rows.notes, f"the rows are those of {where}"))


def _choices(found: dict[str, Any]) -> str:
    names = ", ".join(name or "(the whole file)" for name in list(found)[:10])
    return f"give json_path, one of: {names}" if found else "use a file with a list of objects"


def _lists(value: Any, where: str, depth: int) -> Iterator[tuple[str, list[Any]]]:
    """Every list of objects that is not inside another one, by its path."""
    match value:
        case [dict(), *_]:
            yield where, value
        case dict() if depth < _DEEPEST:
            for name, item in value.items():
                yield from _lists(item, f"{where}.{name}" if where else str(name), depth + 1)
        case _:
            return


def _json_lines(text: str, path: str) -> Iterator[Any]:
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            try:
                yield _decoded(line, path)
            except ValueError as error:
                raise _wrong(f"{path}, line {number} is not valid JSON: {error}", line[:120]) from error


def _decoded(text: str, path: str) -> Any:
    """Return JSON with its numbers as they are written.

    Raises:
        ValueError: it is not JSON.
        ToolError: it is nested too deeply, or has too many values.
    """
    if text.count("{") + text.count("[") + text.count(",") > MOST_CELLS:
        raise _wrong(f"{path} has more than {MOST_CELLS} values", fix="use a smaller file")
    try:
        return json.loads(text, parse_int=_Digits, parse_float=_Digits, parse_constant=_Digits)
    except RecursionError as error:
        raise _wrong(f"{path} is nested too deeply", fix="use a flatter file") from error


def _of_objects(items: list[Any], path: str, form: str) -> Rows:
    """Return a row for each object; an object inside it becomes columns such as `address.city`."""
    names: dict[str, int] = {}
    flat: list[dict[str, str]] = []
    for number, item in enumerate(items, start=1):
        if not isinstance(item, dict):
            raise _wrong(
                f"{path}: item {number} is not an object", _json(item)[:120], "use a list of objects"
            )
        row = dict(_cells(item, "", 0))
        for name in row:
            names.setdefault(name, len(names))
        flat.append(row)
        _require_size(number, len(names), path)
    if not names:
        raise _wrong(f"{path} has no objects with fields", fix="name another file")
    return Rows(tuple(names), [[row.get(name, "") for name in names] for row in flat], form)


def _cells(item: dict[str, Any], where: str, depth: int) -> Iterator[tuple[str, str]]:
    for key, value in item.items():
        name = bounded(" ".join((where + str(key)).split()), _NAME_CHARS)
        match value:
            case dict() if depth < _DEEPEST and value:
                yield from _cells(value, f"{name}.", depth + 1)
            case str():
                yield name, value.strip()
            case bool():
                yield name, "true" if value else "false"
            case None:
                yield name, ""
            case _:
                yield name, _json(value)


def _json(value: Any) -> str:
    """Write a list of JSON, or what is nested too deeply, with its numbers as they were."""
    match value:
        case list():
            return f"[{', '.join(map(_json, value))}]"
        case dict():
            return f"{{{', '.join(f'{json.dumps(key)}: {_json(item)}' for key, item in value.items())}}}"
        case _Digits():
            return str(value)
        case _:
            return json.dumps(value, ensure_ascii=False)


def _require_size(rows: int, columns: int, path: str) -> None:
    """Refuse a table that is too large.

    Raises:
        ToolError: it has too many rows, columns or cells.
    """
    if columns > MOST_COLUMNS:
        raise _wrong(f"{path} has {columns} columns; {MOST_COLUMNS} are the most", fix="use another file")
    if rows > MOST_ROWS or rows * columns > MOST_CELLS:
        raise _wrong(
            f"{path} has more than {MOST_ROWS} rows or {MOST_CELLS} cells",
            fix="use a smaller file, or run_command",
        )


def _wrong(what: str, value: str = "", fix: str = "") -> ToolError:
    return ToolError(what, kind=FailureKind.INVALID_ARGUMENTS, value=value, fix=fix)
