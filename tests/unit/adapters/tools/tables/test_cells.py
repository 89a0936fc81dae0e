"""A column is read by one convention; what could mean two things stays text and says why."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nebulus.adapters.tools.tables.cells import Kind, amount, day, read_column


def keys(*cells: str, separator: str = ",") -> list[object]:
    return list(read_column("c", cells, separator=separator)[1])


def note(*cells: str, separator: str = ",") -> str:
    column = read_column("c", cells, separator=separator)[0]
    assert column.reading.kind is Kind.TEXT
    return column.reading.note


@pytest.mark.parametrize(
    ("cells", "found"),
    [
        (["1", "-2", "+3", "0", "1e3"], [1, -2, 3, 0, 1000]),
        (["1.50", ".5", "2."], [1.5, 0.5, 2]),
        (["1,200", "1,234,567.8"], [1200, 1234567.8]),
        (["1,5", "1.200,25"], [1.5, 1200.25]),
        (["0,125", "2"], [0.125, 2]),
        (["1 200", "3\u00a0400,5", "7,5"], [1200, 3400.5, 7.5]),
        (["$30", "$1,200.10", "-$5", "$-6", "($7)"], [30, 1200.1, -5, -6, -7]),
        (["30 EUR", "1.5 EUR"], [30, 1.5]),
        (["EUR 30", "EUR 1.5"], [30, 1.5]),
        (["12%", "7.5 %"], [12, 7.5]),
        (["1", "n/a", "-", "", "None"], [1, None, None, None, None]),
        (["5", "7", "TBD"], [5, 7, None]),
        (["2024-01-31", "2024/2/1"], ["2024-01-31", "2024-02-01"]),
        (["2024-01-31T08:05:00Z", "2024-01-31 7:00"], ["2024-01-31 08:05:00", "2024-01-31 07:00:00"]),
        (["31/01/2024", "01/02/2024"], ["2024-01-31", "2024-02-01"]),
        (["01/31/2024", "01/02/2024"], ["2024-01-31", "2024-01-02"]),
        (["01.02.2024"], ["2024-02-01"]),
        (["3 March 2024", "Mar 4, 2024", "5 Sept 2024"], ["2024-03-03", "2024-03-04", "2024-09-05"]),
        (["9223372036854775807"], [9223372036854775807]),
    ],
)
def test_cells_mean_what_a_person_reads(cells: list[str], found: list[object]) -> None:
    assert keys(*cells) == found


@pytest.mark.parametrize(
    "cells",
    [
        ["007", "0123"],
        ["12345678901234567890.5"],
        ["+47 123 45 678"],
        ["1.2.3"],
        ["1,2,3"],
        ["12 kg", "3 kg"],
        ["inf", "nan", "1e999"],
        ["2024-02-30"],
        ["a", "b", "1"],
        ["", ""],
        ["१२"],
    ],
)
def test_what_is_not_surely_a_number_or_a_date_stays_text(cells: list[str]) -> None:
    assert keys(*cells) == [None] * len(cells)


def test_what_could_mean_two_things_says_so() -> None:
    assert "day first or month first" in note("03/04/2024", "05/06/2024")
    assert "different units ($, €)" in note("$1", "€2")
    assert "different units (none, %)" in note("0.12", "12%")
    assert "two ways" in note("1,200", "3,400", separator=";")
    assert keys("1,200", "3,4", separator=";") == [1.2, 3.4]


def test_a_column_counts_what_is_empty_and_what_it_does_not_expect() -> None:
    column, _ = read_column("c", ["1", "", "n/a", "2", "TBD", "TBD", "3"], separator=",")
    assert (column.empty, column.odd, column.odd_example) == (2, 2, "TBD")
    assert read_column("c", ["$1,200"], separator=",")[0].reading.note == 'in $; "$1,200" is read as 1200'


@given(st.decimals(allow_nan=False, allow_infinity=False, places=4, min_value=-(10**9), max_value=10**9))
def test_a_plain_number_is_itself_in_either_convention(number: Decimal) -> None:
    for is_comma, text in (
        (False, f"{number:,f}"),
        (True, f"{number:,f}".translate(str.maketrans(",.", ".,"))),
    ):
        found = amount(text, is_comma=is_comma)
        assert found is not None
        assert Decimal(repr(found[0])) == number


@given(st.dates())
def test_a_date_is_itself_in_every_form(date: object) -> None:
    year, month, day_ = str(date).split("-")
    assert day(str(date), is_day_first=False) == str(date)
    assert day(f"{day_}/{month}/{year}", is_day_first=True) == str(date)
    assert day(f"{month}/{day_}/{year}", is_day_first=False) == str(date)


@given(st.text(max_size=40) | st.text("0123456789.,-/$% TZ:eE", max_size=30))
def test_no_cell_raises_anything(text: str) -> None:
    for is_one in (False, True):
        amount(text, is_comma=is_one)
        day(text, is_day_first=is_one)
    read_column("c", [text, "1", "2024-01-01"], separator=",")
