"""Questions to tables get the answer that plain Python gives, or a refusal that names the cell or the column."""

import csv
import io
from pathlib import Path
from typing import Any

import pytest

from nebulus.adapters.tools.builtin import builtin_tools
from nebulus.adapters.tools.tables.tool import Tables
from nebulus.adapters.workspaces.folder import FolderWorkspace
from nebulus.core.errors import ToolError
from nebulus.core.failure import Failure, FailureKind
from nebulus.ports.tool import ToolOutput

SALES = """date,City,price,Units Sold,rate,note
2024-01-03,Oslo,"$1,200.10",3,12%,a
2024-01-05,oslo,$30,4,5%,"x, y"
2024-02-05,Bergen,$20.20,,7%,
2024-02-06,Salt and Pepper,$1,1,7%,q
2024-02-07,Bergen,TBD,n/a,7%,q
"""
CITIES = "City;Land\nOslo;NO\nBergen;NO\nMalmö;SE\n"


@pytest.fixture
def tables(tmp_path: Path) -> Tables:
    (tmp_path / "sales.csv").write_text(SALES)
    (tmp_path / "cities.csv").write_text(CITIES)
    return Tables(FolderWorkspace(tmp_path).tree)


def rows_in(output: ToolOutput) -> list[list[str]]:
    """The rows of an answer, without the header and the note."""
    return list(csv.reader(io.StringIO(output.text.rpartition("\n(")[0])))[1:]


def refused(function: Any, *arguments: str, **request: Any) -> str:
    with pytest.raises(ToolError) as caught:
        function(*arguments, **request)
    assert caught.value.failure.kind is FailureKind.INVALID_ARGUMENTS
    return str(caught.value)


# Conditions -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("where", "dates"),
    [
        ("", "03 05 05 06 07"),
        ("City = Oslo", "03"),
        ('City = "Oslo"', "03"),
        ("City == 'Oslo'", "03"),
        ('"City" is Oslo', "03"),
        ("where City = Oslo", "03"),
        ("City != Oslo", "05 05 06 07"),
        ("City <> Oslo and City is not oslo", "05 06 07"),
        ("City contains OSLO", "03 05"),
        ("City starts with b", "05 07"),
        ("City ends with pepper", "06"),
        ("City like 'B%'", "05 07"),
        ("City in (Oslo, 'Salt and Pepper')", "03 06"),
        ("City not in [Oslo, oslo]", "05 06 07"),
        ("City = Salt and Pepper", "06"),
        ("City = Salt and Pepper and price < 5", "06"),
        ("price > 25", "03 05"),
        ("price>=30 and price<=1,200.10", "03 05"),
        ("price = $30", "05"),
        ("price = 30.0", "05"),
        ("price = TBD", "07"),
        ("price != TBD and units sold >= 3", "03 05"),
        ("price between 20 and 30 and City = oslo", "05"),
        ("rate > 5%", "03 05 06 07"),
        ("rate < 7", "05"),
        ("date >= 2024-02-06", "06 07"),
        ("date < 5 Jan 2024", "03"),
        ("note is empty", "05"),
        ("note is not empty and note != q", "03 05"),
        ("Units Sold is null", "05 07"),
        ("note = x, y", "05"),
    ],
)
def test_conditions_match_the_rows_that_they_say(tables: Tables, where: str, dates: str) -> None:
    output = tables.query_table("sales.csv", where=where, columns="date")
    assert " ".join(row[0][-2:] for row in rows_in(output)) == dates


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        (
            {"where": "cty = Oslo"},
            "there is no column 'cty'; did you mean 'City'? The columns are: date, City, price",
        ),
        ({"where": "City = Oslo and cty = x"}, "there is no column 'cty'"),
        ({"where": "City = Oslo or City = Bergen"}, "write column in (a, b)"),
        ({"where": "City = Oslo; date = 1"}, "join conditions by and"),
        ({"where": "City = Oslo, date = 1"}, "join conditions by and"),
        ({"where": "note"}, "this is not a condition"),
        ({"where": "City ="}, "a condition has no value"),
        ({"where": "City in Oslo"}, "in needs a list of values"),
        ({"where": "price between 3"}, "between needs two values"),
        ({"where": "City like 'a%b'"}, "like takes % only at the ends"),
        ({"where": "price > cheap"}, "'price' contains numbers, and 'cheap' is not one; give a number"),
        ({"where": "date > soon"}, "give a date such as 2024-03-31"),
        ({"where": "note < 3"}, "'note' can't be compared by size: it contains text"),
        (
            {"aggregate": "sum(price)"},
            "'price' has a cell that is not a number: 'TBD'; leave it out with where: price",
        ),
        ({"aggregate": "sum(note)"}, "sum can't be computed from 'note': it contains text (such as 'a')"),
        ({"aggregate": "mean(date)"}, "it contains dates"),
        ({"aggregate": "product(price)"}, "this is not an aggregate"),
        ({"aggregate": "sum"}, "sum needs a column"),
        ({"columns": "City, note", "group_by": "City"}, "add note to group_by"),
        (
            {"columns": "City, price", "group_by": "City", "aggregate": "count"},
            "'price' may have several values",
        ),
        ({"sort": "size"}, "there is no column 'size'"),
        ({"group_by": "City", "sort": "size"}, "there is no column 'size'; The columns are: City, count"),
    ],
)
def test_what_can_not_be_answered_is_refused_with_a_way_out(
    tables: Tables, request_: dict[str, str], words: str
) -> None:
    assert words in refused(tables.query_table, "sales.csv", **request_)


# Results --------------------------------------------------------------------------------------------------


def test_sums_are_exact_and_say_their_unit_and_what_they_leave_out(tables: Tables) -> None:
    output = tables.query_table(
        "sales.csv",
        where="price != TBD",
        group_by="City",
        aggregate="sum(price), avg of units_sold, count",
        sort="sum(price) desc",
    )
    assert output.text.splitlines()[:5] == [
        "City,sum(price),mean(Units Sold),count",
        "Oslo,1200.1,3,1",
        "oslo,30,4,1",
        "Bergen,20.2,,1",
        "Salt and Pepper,1,1,1",
    ]
    for note in (
        "4 of 5 rows matched",
        "price: in $; ",
        "left out of mean(Units Sold): 1 empty cell",
        "'units_sold' was taken as the column 'Units Sold'",
        "'Oslo' and 'oslo' are different groups",
    ):
        assert note in output.text
    assert not output.is_trusted


def test_a_single_value_is_the_result_of_the_step(tables: Tables) -> None:
    assert tables.query_table("sales.csv", aggregate="sum(Units Sold)").fields == {"result": 8}
    assert tables.query_table("sales.csv", columns="max(date)").fields == {"result": "2024-02-07"}
    one = tables.query_table(
        "sales.csv", columns="City, price", where="price < 50", sort="price", descending=True, limit=1
    )
    assert one.fields == {"City": "oslo", "price": "$30"}
    assert "1 of 3 rows shown" in one.text


def test_numbers_sort_as_numbers_and_what_is_none_comes_last(tables: Tables) -> None:
    for is_descending, order in (
        (False, "$1 $20.20 $30 $1,200.10 TBD"),
        (True, "$1,200.10 $30 $20.20 $1 TBD"),
    ):
        output = tables.query_table("sales.csv", columns="price", sort="price", descending=is_descending)
        assert " ".join(row[0] for row in rows_in(output)) == order
        assert "such as 'TBD': sorted last" in output.text
    both = tables.query_table("sales.csv", columns="rate, date", sort="rate desc, date desc")
    assert [row[1][-2:] for row in rows_in(both)] == ["03", "07", "06", "05", "05"]


def test_a_value_that_no_row_has_names_those_that_are_like_it(tables: Tables) -> None:
    text = tables.query_table("sales.csv", where="City = BERGEN").text
    assert "(0 rows; 0 of 5 rows matched; City is never 'BERGEN'; its values are 'Bergen', " in text


def test_what_small_models_write_has_the_meaning_that_it_can_have(tables: Tables) -> None:
    """Each of these was written by a model of half a billion parameters, with other names."""
    total = {"result": 1251.3}
    paid = "price != TBD"
    for columns, aggregate in (
        ("price", "sum(price)"),
        ("price", "sum"),
        ("sum(price)", ""),
        ("", "sum of price"),
    ):
        assert (
            tables.query_table("sales.csv", where=paid, columns=columns, aggregate=aggregate).fields == total
        )
    grouped = tables.query_table(
        "sales.csv", where=paid, columns="City, price", group_by="City", aggregate="sum(price)"
    )
    assert grouped.text.startswith("City,sum(price)\n")
    rows = tables.query_table("sales.csv", where="City = Bergen", columns="date, City", aggregate="count(*)")
    assert rows_in(rows) == [["2024-02-05", "Bergen"], ["2024-02-07", "Bergen"]]
    assert rows.fields == {"count": 2}
    assert "count of these rows: 2" in rows.text


@pytest.mark.parametrize("where", ["City != BERGEN", "City not in (BERGEN, Oslo)", "City in (BERGEN, Oslo)"])
def test_a_value_that_no_row_has_is_named_also_where_other_rows_match(tables: Tables, where: str) -> None:
    text = tables.query_table("sales.csv", where=where).text
    assert "City is never 'BERGEN'; its values are 'Bergen', " in text
    assert "never 'Oslo'" not in text


def test_a_fraction_is_not_compared_with_percentages(tables: Tables) -> None:
    assert "'rate' is in %, and 0.06 has no unit; write 6% or 0.06%" in refused(
        tables.query_table, "sales.csv", where="rate > 0.06"
    )


def test_a_row_of_totals_is_pointed_out(tables: Tables, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("city,price\nOslo,1\nBergen,2\nTotal,3\n")
    assert (
        "the last row says 'Total', and counts as a row"
        in tables.query_table("t.csv", aggregate="sum(price)").text
    )


def test_groups_may_be_of_several_columns_and_count_distinct_values(tables: Tables) -> None:
    output = tables.query_table(
        "sales.csv", group_by="City, rate", aggregate="count distinct(date), max(note)"
    )
    assert ["Bergen", "7%", "2", "q"] in rows_in(output)
    assert "max of note is by the order of its characters" in output.text


def test_a_join_says_which_rows_have_no_match(tables: Tables) -> None:
    output = tables.join_tables("sales.csv", "cities.csv", "City", group_by="Land", aggregate="count")
    assert rows_in(output) == [["NO", "3"]]
    assert "without a match in sales.csv: 2 rows, such as 'oslo'" in output.text
    assert "without a match in cities.csv: 1 row, such as 'Malmö'" in output.text


def test_joined_columns_are_named_so_that_each_name_means_one(tables: Tables, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,name\n1,x\n2,y\n")
    (tmp_path / "b.csv").write_text("ref,name,total\n01.0,p,5\n1,r,6\n2,q,7\n")
    (tmp_path / "c.csv").write_text("ref,name,total\n1,p,5\n1,r,6\n1.0,q,7\n")
    output = tables.join_tables("a.csv", "c.csv", "a.id = c.ref")
    assert output.text.splitlines()[0] == "id,name,ref,c.name,total"
    assert [row[3] for row in rows_in(output)] == ["p", "r", "q"]
    assert tables.join_tables(
        "a.csv", "c.csv", "id=ref", columns="c.name", where="a.name = x and total > 6"
    ).fields == {"result": "q"}
    assert "such as '01.0'" in tables.join_tables("a.csv", "b.csv", "id = ref").text
    assert "values repeat on both sides" in tables.join_tables("c.csv", "c.csv", "ref").text
    assert "c.csv: there is no column 'id'" in refused(tables.join_tables, "a.csv", "c.csv", "id")


def test_a_description_shows_types_and_what_is_unusual(tables: Tables) -> None:
    output = tables.describe_table("sales.csv")
    for line in (
        "(sales.csv: CSV, 5 rows, 6 columns)",
        "date,date,0,2024-01-03 to 2024-02-07",
        "Units Sold,number,2,1 to 4",
        "rate,number (in %),0,5 to 12",
    ):
        assert line in output.text.splitlines()
    assert "not numbers: 1, such as 'TBD'" in output.text
    assert output.fields == {"rows": 5, "columns": "date, City, price, Units Sold, rate, note"}


async def test_the_tools_take_json_arguments_and_protect_paths(tables: Tables, tmp_path: Path) -> None:
    tools = {tool.spec.name: tool for tool in builtin_tools(FolderWorkspace(tmp_path), None)}
    for name, call in (
        ("query_table", {"path": "../sales.csv"}),
        ("describe_table", {"path": "/etc/passwd"}),
        ("join_tables", {"path": "sales.csv", "other_path": "../x.csv", "on": "City"}),
    ):
        failure = await tools[name].run(call, "key")
        assert isinstance(failure, Failure)
        assert failure.kind is FailureKind.PERMISSION
    assert isinstance(await tools["query_table"].run({"path": "sales.csv", "limit": 201}, "key"), Failure)
    assert isinstance(await tools["query_table"].run({"path": "gone.csv"}, "key"), Failure)
    assert isinstance(await tools["query_table"].run({"path": "sales.csv", "limit": 200}, "key"), ToolOutput)
