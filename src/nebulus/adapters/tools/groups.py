"""Which of the built-in tools a run has."""

from msgspec import Struct


class ToolGroups(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """The built-in tools of a workspace, by group; `commands` outside of this table is for `run_command`.

    Each tool costs prompt tokens: the three of `tables` about 230 together, `calculate` 90, those of `files` 350.
    """

    files: bool = True
    """Listing, reading, searching, writing, editing, moving and deleting files."""
    tables: bool = True
    """`describe_table`, `query_table` and `join_tables`, for CSV, TSV, JSON and JSON lines."""
    calculate: bool = True
    """`calculate`, for exact arithmetic."""


ALL_GROUPS = ToolGroups()
