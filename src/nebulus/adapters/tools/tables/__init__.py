"""Tables in files: looked at, filtered, sorted, joined, grouped and aggregated.

A file is CSV, TSV, JSON (a list of objects, found wherever it is; `json_path` chooses among several) or JSON lines, at
most 16 MiB, 200,000 rows and 1,000,000 cells. The separator of a CSV file (`,` `;` tab `|`) is found. A row with more
cells than the header stops the reading, since its cells would be in the wrong columns.

**Columns.** A name means exactly one column. Case, blanks and underscores are forgiven where one column matches, and the
answer says so; any other name is refused with the nearest and with all.

**Conditions** are joined by `and`: `=` `!=` `<` `<=` `>` `>=` `contains` `starts with` `ends with` `in (a, b)`
`not in (a, b)` `between a and b` `is empty` `is not empty`. `=` is exact; if no row matches, the answer names the values
that come near. `contains`, `starts with` and `ends with` ignore case. `!=` and `not in` include empty cells, and say so.

**Aggregates** are `count`, `count(column)` (cells that are not empty), `distinct`, `sum`, `mean`, `median`, `min` and
`max`. Sums and means are exact; a mean that never ends is rounded to 15 digits.

**What cells mean** is decided for a whole column. It contains numbers if at least half of its different cells are
numbers by one convention: `1,200.50` or `1.200,50`, `$30`, `30 EUR`, `12%`, `(7)` for -7; all with the same unit. It
contains dates if they are written year first, with a name of the month, with points, or so that only one order of day
and month is possible. What could mean two things (`03/04/2024`, `$` and `€` in one column) stays text, and says why.
`n/a`, `null`, `-` and the like are empty in such columns. Leading zeros make a code. A cell that is not what its column
contains matches no comparison, which the answer says, and stops an aggregate, which names the cell.
"""
