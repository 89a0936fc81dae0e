"""A file is read whole, or refused with the line that is wrong, before it fills the memory."""

import csv
import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nebulus.adapters.tools.tables.source import MOST_CELLS, MOST_COLUMNS, MOST_ROWS, Rows, rows_of
from nebulus.core.errors import ToolError


def refused(text: str, path: str = "t.csv", **options: str) -> str:
    with pytest.raises(ToolError) as caught:
        rows_of(text, path, **options)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "path", "form"),
    [
        ("a,b\n1,2\n3,4\n", "t.csv", "CSV"),
        ("\ufeffa,b\r\n1,2\r\n\r\n3,4", "t.csv", "CSV"),
        ("a; b\n1;2\n3;4\n", "t.csv", "CSV"),
        ("a\tb\n1\t2\n3\t4\n", "t.txt", "TSV"),
        ("a|b\n1|2\n3|4\n", "t.csv", "CSV"),
        ('"a",b,\n 1,"2",\n3,4,,\n', "t.csv", "CSV"),
        ('[{"a": 1, "b": 2}, {"a": 3, "b": 4}]', "t.json", "JSON"),
        ('{"x": {"rows": [{"a": 1, "b": 2}, {"a": 3, "b": 4}]}, "n": [5]}', "t.json", "JSON"),
        ('{"a": 1, "b": 2}\n\n{"a": 3, "b": 4}\n', "t.jsonl", "JSON lines"),
        ('{"a": 1, "b": 2}\n{"a": 3, "b": 4}\n', "t.json", "JSON lines"),
    ],
)
def test_each_form_gives_the_same_rows(text: str, path: str, form: str) -> None:
    rows = rows_of(text, path)
    assert [row[:2] for row in rows.cells] == [["1", "2"], ["3", "4"]]
    assert rows.names[:2] == ("a", "b")
    assert rows.form == form


def test_unusual_headers_and_rows_are_said() -> None:
    rows = rows_of("a,a, ,a\n1,2,3\n4,5,6,7\n", "t.csv")
    assert rows.names == ("a", "a (2)", "column 3", "a (3)")
    assert rows.cells[0] == ["1", "2", "3", ""]
    assert rows.notes == ("fewer cells than the header: 1, the first in line 2",)
    assert "looks like data" in rows_of("1,2\n3,4\n", "t.csv").notes[0]


def test_objects_become_columns_and_numbers_keep_their_digits() -> None:
    rows = rows_of(
        '[{"id": 12345678901234567890, "p": 1.10, "at": {"city": " Oslo ", "zip": "0150"}}, '
        '{"ok": true, "p": null, "tags": [1.50, "a", {"k": []}], "at": {}}]',
        "t.json",
    )
    assert dict(zip(rows.names, zip(*rows.cells, strict=True), strict=True)) == {
        "id": ("12345678901234567890", ""),
        "p": ("1.10", ""),
        "at.city": ("Oslo", ""),
        "at.zip": ("0150", ""),
        "ok": ("", "true"),
        "tags": ("", '[1.50, "a", {"k": []}]'),
        "at": ("", "{}"),
    }


def test_several_lists_of_objects_are_named() -> None:
    text = '{"a": [{"x": 1}], "b": {"c": [{"x": 2}]}, "d": [1]}'
    assert "give json_path, one of: a, b.c" in refused(text, "t.json")
    for where in ("b.c", "$.b.c", "b[c]", " b.c"):
        assert rows_of(text, "t.json", json_path=where).cells == [["2"]]
    assert "no list of objects at 'd'" in refused(text, "t.json", json_path="d")


@pytest.mark.parametrize(
    ("text", "path", "words"),
    [
        ("", "t.csv", "t.csv is empty"),
        (" \n\n", "t.json", "t.json is empty"),
        ("a,b\n1,2\nOslo, Norway,3\n", "t.csv", "line 3 has 3 cells, and the header 2"),
        ('a,b\n1,"2\n3,4\n', "t.csv", "t.csv is not valid CSV"),
        ('a,b\n1,"2"x\n', "t.csv", "line 2"),
        ("[1, 2]", "t.json", "0 lists of objects"),
        ("[{}]", "t.json", "no objects with fields"),
        ('[{"a": 1}, 2]', "t.json", "item 2 is not an object"),
        ('{"a": 1', "t.json", "t.json is not valid JSON"),
        ('{"a": 1}\n{"a": \n', "t.jsonl", "line 2 is not valid JSON"),
        ('{"a": 1}\n[1]\n', "t.jsonl", "item 2 is not an object"),
        ("[" * 100_000, "t.json", "nested too deeply"),
        ('{"a":' * 50_000 + "1" + "}" * 50_000, "t.json", "nested too deeply"),
        ("[" + "{}," * (MOST_CELLS // 2 + 1) + "{}]", "t.json", f"more than {MOST_CELLS} values"),
        ("x" * 200_000 + ",b\n1,2", "t.csv", "field larger than field limit"),
        (",".join(map(str, range(MOST_COLUMNS + 1))) + "\n1", "t.csv", f"{MOST_COLUMNS} are the most"),
        ("a\n" + "1\n" * (MOST_ROWS + 1), "t.csv", f"more than {MOST_ROWS} rows"),
        (
            "\n".join(f'{{"k{n}": 1}}' for n in range(MOST_COLUMNS + 1)),
            "t.jsonl",
            f"{MOST_COLUMNS} are the most",
        ),
    ],
    ids=lambda value: str(value)[:24].strip(),
)
def test_what_is_not_a_table_is_refused_with_the_place(text: str, path: str, words: str) -> None:
    assert words in refused(text, path)


cells = st.text(
    st.characters(codec="utf-8", exclude_characters="\0\r", exclude_categories=["Cs"]), max_size=8
).map(str.strip)


@given(st.lists(st.tuples(cells, cells), min_size=1, max_size=8), st.sampled_from(",;\t|"))
def test_what_the_csv_module_writes_is_read_back(table: list[tuple[str, str]], separator: str) -> None:
    file = io.StringIO()
    csv.writer(file, delimiter=separator, quoting=csv.QUOTE_ALL).writerows([("one", "two"), *table])
    rows = rows_of(file.getvalue(), "t.csv")
    assert rows.cells == [list(row) for row in table if any(row)]


scalars = st.none() | st.booleans() | st.integers() | st.text(max_size=5)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
)


@given(st.lists(st.dictionaries(st.text(max_size=4), values, max_size=4), max_size=4), st.booleans())
def test_any_json_is_rows_or_a_refusal(items: list[dict[str, Any]], is_lines: bool) -> None:
    text = "\n".join(map(json.dumps, items)) if is_lines else json.dumps(items)
    try:
        rows = rows_of(text, "t.jsonl" if is_lines else "t.json")
    except ToolError:
        return
    assert isinstance(rows, Rows)
    assert all(len(row) == len(rows.names) for row in rows.cells)


@given(st.text(max_size=80) | st.text(',;\n"a1[]{}:', max_size=60))
def test_no_text_raises_anything_but_a_tool_error(text: str) -> None:
    for path in ("t.csv", "t.json", "t.jsonl"):
        try:
            rows = rows_of(text, path)
        except ToolError:
            continue
        assert all(len(row) == len(rows.names) for row in rows.cells)
