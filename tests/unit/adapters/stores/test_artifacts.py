"""Artifacts in a database are whole whatever happens to it."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from nebulus.adapters.stores.artifacts import DatabaseStore
from nebulus.core.errors import ConfigError, StoreError


def execute(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(statement)


def test_what_was_stored_is_there_for_the_next_process(tmp_path: Path) -> None:
    address = DatabaseStore(tmp_path / "runs.db").put("kept")
    assert DatabaseStore(tmp_path / "runs.db").get(address) == "kept"


def test_a_damaged_artifact_is_an_error(tmp_path: Path) -> None:
    store = DatabaseStore(tmp_path / "runs.db")
    address = store.put("kept")
    execute(tmp_path / "runs.db", "UPDATE nebulus_artifacts SET content = x'6b6570'")
    with pytest.raises(StoreError, match="damaged"):
        store.get(address)


def test_a_database_that_refuses_is_a_store_error(tmp_path: Path) -> None:
    store = DatabaseStore(tmp_path / "runs.db")
    address = store.put("kept")
    execute(tmp_path / "runs.db", "DROP TABLE nebulus_artifacts")
    with pytest.raises(StoreError, match=r"artifact .* of 4 bytes can't be read or written: no such table"):
        store.put("kept")
    with pytest.raises(StoreError, match="no such table"):
        store.get(address)


def test_a_path_that_leads_through_a_file_is_a_setting_to_mend(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="name a path"):
        DatabaseStore(tmp_path / "file" / "runs.db")
