"""A store in a folder is whole whatever happens to it."""

import os
from pathlib import Path

import pytest

from nebulus.adapters.stores.folder import FolderStore
from nebulus.core.errors import ConfigError, StoreError


def place(root: Path, address: str) -> Path:
    return root / address[:2] / address[2:4] / address


def test_what_was_stored_is_there_for_the_next_process(tmp_path: Path) -> None:
    address = FolderStore(tmp_path).put("kept")
    assert FolderStore(tmp_path).get(address) == "kept"
    assert place(tmp_path, address).read_text() == "kept"


def test_no_draft_is_left(tmp_path: Path) -> None:
    address = FolderStore(tmp_path).put("kept")
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == [address]


@pytest.mark.parametrize("damage", ["", "kep", "kept!", "\udcff"])
def test_a_damaged_file_is_an_error_and_is_mended_by_the_next_put(tmp_path: Path, damage: str) -> None:
    store = FolderStore(tmp_path)
    address = store.put("kept")
    place(tmp_path, address).write_bytes(damage.encode(errors="surrogateescape"))
    with pytest.raises(StoreError, match="damaged"):
        store.get(address)
    assert store.put("kept") == address
    assert store.get(address) == "kept"


def test_a_folder_that_can_not_be_made_is_a_setting_to_mend(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="can't be made"):
        FolderStore(tmp_path / "file" / "store")


def test_a_disk_that_refuses_is_a_store_error(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    address = FolderStore(tmp_path / "other").put("kept")
    (tmp_path / address[:2]).write_text("in the way")
    with pytest.raises(StoreError, match="can't be stored"):
        store.put("kept")
    with pytest.raises(StoreError, match="can't be read"):
        store.get(address)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_rights_is_a_store_error(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    tmp_path.chmod(0o500)
    with pytest.raises(StoreError, match="mend its permissions"):
        store.put("kept")
