"""A statement ends in time, and what it adds is exact."""

import pytest

from nebulus.adapters.tools.tables.database import fraction_of, open_database
from nebulus.adapters.tools.tables.source import Rows
from nebulus.core.errors import ToolError

ENDLESS = "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT count(*) FROM c"


def test_a_statement_that_would_never_end_is_stopped() -> None:
    with open_database(longest_s=0.05) as database, pytest.raises(ToolError, match="takes more than"):
        database.rows(ENDLESS)


def test_sums_means_and_medians_are_exact() -> None:
    rows = Rows(("n",), [["0.1"], ["0.2"], ["0.3"], [""]], "CSV", ",")
    with open_database() as database:
        table = database.load(rows, "a")
        key = table.fields[0].key
        found = database.rows(f"SELECT exact_sum({key}), exact_mean({key}), exact_median({key}) FROM a")[0]
    assert found == ("3/5", "1/5", "1/5")
    assert fraction_of(found[0]) * 5 == 3


def test_names_from_a_file_are_never_sql() -> None:
    names = ("n INTEGER); DROP TABLE a; --", '"', "'; ATTACH 'x' AS y; --")
    with open_database() as database:
        table = database.load(Rows(names, [["1", "'); --", "\x01"]], "CSV", ","), "a")
        assert database.rows(f"SELECT t0, t1, t2 FROM {table.source}") == [("1", "'); --", "\x01")]
