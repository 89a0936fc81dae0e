"""Answers about random tables are those of plain Python, and no request raises anything but a refusal."""

import csv
import io
from collections import defaultdict
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from statistics import median
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nebulus.adapters.tools.tables.tool import Tables
from nebulus.adapters.workspaces.folder import FolderWorkspace
from nebulus.core.errors import ToolError
from nebulus.ports.tool import ToolOutput


def rows_in(output: ToolOutput) -> list[list[str]]:
    """The rows of an answer, without the header and the note."""
    return list(csv.reader(io.StringIO(output.text.rpartition("\n(")[0])))[1:]


amounts = st.decimals(-10_000, 10_000, places=2).map(lambda number: f"{number:f}") | st.just("")
records = st.lists(
    st.tuples(st.sampled_from(["a", "b", "B", "c d", ""]), amounts, st.integers(-50, 50)),
    min_size=1,
    max_size=30,
)
Records = list[tuple[str, str, int]]


def asked(folder: Path, rows: Records, **request: Any) -> list[list[str]]:
    with (folder / "t.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("key", "amount", "count"), *rows])
    return rows_in(Tables(FolderWorkspace(folder).tree).query_table("t.csv", limit=200, **request))


def plain(value: Fraction) -> Decimal:
    return Decimal(value.numerator) / Decimal(value.denominator)


again = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)


@again
@given(rows=records, least=st.integers(-60, 60))
def test_filters_agree_with_plain_python(tmp_path: Path, rows: Records, least: int) -> None:
    found = asked(tmp_path, rows, where=f"count >= {least} and key != b")
    assert found == [
        [key, amount, str(count)] for key, amount, count in rows if count >= least and key != "b"
    ]


@again
@given(rows=records)
def test_sorting_agrees_with_plain_python(tmp_path: Path, rows: Records) -> None:
    rows = [*rows, ("z", "0.5", 1)]
    found = asked(tmp_path, rows, sort="amount")
    assert [row[1] for row in found] == [
        row[1] for row in sorted(rows, key=lambda row: (not row[1], Decimal(row[1] or 0)))
    ]


@again
@given(rows=records)
def test_aggregates_agree_with_plain_python(tmp_path: Path, rows: Records) -> None:
    rows = [*rows, ("z", "0.5", 1)]
    groups: dict[str, Records] = defaultdict(list)
    for row in rows:
        groups[row[0]].append(row)
    found = asked(
        tmp_path,
        rows,
        group_by="key",
        aggregate="count, sum(amount), mean(count), median(count), min(amount)",
    )
    assert {row[0] for row in found} == set(groups)
    for key, count, total, average, middle, least in found:
        numbers = [Fraction(row[1]) for row in groups[key] if row[1]]
        counts = [Fraction(row[2]) for row in groups[key]]
        assert int(count) == len(groups[key])
        assert (Fraction(total) if total else None) == (sum(numbers) if numbers else None)
        assert Decimal(average) == pytest.approx(plain(sum(counts) / len(counts)), rel=Decimal("1e-14"))
        assert Fraction(middle) == median(counts)
        assert (Fraction(least) if least else None) == (min(numbers) if numbers else None)


@again
@given(left=records, right=records)
def test_joins_agree_with_plain_python(tmp_path: Path, left: Records, right: Records) -> None:
    for name, rows in (("l.csv", left), ("r.csv", right)):
        with (tmp_path / name).open("w", newline="") as file:
            csv.writer(file).writerows([("key", "amount", f"count_{name[0]}"), *rows])
    output = Tables(FolderWorkspace(tmp_path).tree).join_tables(
        "l.csv", "r.csv", "key", columns="count_l, count_r", limit=200
    )
    expected = [[str(one[2]), str(two[2])] for one in left for two in right if one[0] and one[0] == two[0]]
    assert rows_in(output) == expected[:200]
    assert f"from {len(expected)} row" in output.text


WORDS = st.sampled_from(
    [
        "key",
        "amount",
        "count",
        "=",
        "!=",
        "<",
        "and",
        "or",
        "in",
        "(",
        ")",
        ",",
        "'",
        '"',
        "like",
        "%",
        "is",
        "not",
        "empty",
        "between",
        "5",
        "a",
        "sum",
        "desc",
        ";",
        "--",
        "*",
        ".",
        "[",
        "]",
        "ß\x00",
    ]
)
requests = st.lists(WORDS, max_size=8).map(" ".join) | st.text(max_size=20)


@again
@given(where=requests, columns=requests, groups=requests, aggregate=requests, sort=requests)
def test_no_request_raises_anything_but_a_tool_error(tmp_path: Path, **request: str) -> None:
    rows: Records = [("a", "1.5", 2), ("b", "", 3)]
    try:
        asked(tmp_path, rows, group_by=request.pop("groups"), **request)
    except ToolError as error:
        assert error.failure.what
