"""What the user accepted: kept in their own folder, for one way of reaching a server."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from nebulus.adapters.mcp.definitions import Definition
from nebulus.adapters.mcp.pins import FILE_NAME, PinStore
from nebulus.adapters.mcp.settings import McpServerSettings
from nebulus.adapters.trust.private import user_state_folder
from nebulus.core.errors import ConfigError

SERVER = McpServerSettings(command=("server", "--flag"))
ONE, TWO = Definition(name="one", description="1"), Definition(name="two", description="2")


def test_what_was_accepted_is_the_same_until_it_changes(tmp_path: Path) -> None:
    pins = PinStore(tmp_path)
    assert pins.difference("s", SERVER, [ONE]).is_first
    pins.accept("s", SERVER, [ONE, TWO])
    now = [replace(ONE, description="other"), Definition(name="three")]
    found = pins.difference("s", SERVER, now)
    assert not found.is_first
    assert found.changed == ((ONE, now[0]),)
    assert found.fresh == (now[1],)
    assert found.gone == ("two",)
    assert found.same == ()


def test_the_parameters_keep_their_order(tmp_path: Path) -> None:
    pins = PinStore(tmp_path)
    tool = Definition(name="t", parameters={"properties": {"z": {}, "a": {}}})
    pins.accept("s", SERVER, [tool])
    known = pins.accepted("s", SERVER)
    assert known is not None
    assert list(known[0].parameters["properties"]) == ["z", "a"]


@pytest.mark.parametrize(
    "other",
    [
        McpServerSettings(command=("server",)),
        McpServerSettings(url="https://example.org/mcp"),
        McpServerSettings(command=("server", "--flag"), env={"LD_PRELOAD": "x.so"}),
        McpServerSettings(command=("server", "--flag"), secrets={"KEY": "MINE"}),
    ],
)
def test_another_address_under_the_same_name_has_nothing_accepted(
    tmp_path: Path, other: McpServerSettings
) -> None:
    pins = PinStore(tmp_path)
    pins.accept("s", SERVER, [ONE])
    assert pins.accepted("s", other) is None
    assert pins.accepted("t", SERVER) is None


def test_a_file_that_can_not_be_read_is_never_taken_for_nothing(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_text("{")
    with pytest.raises(ConfigError, match="nobody knows which tools you accepted"):
        PinStore(tmp_path).accepted("s", SERVER)


@pytest.mark.usefixtures("new_user")
def test_pins_are_in_the_folder_that_no_run_can_write() -> None:
    pins = PinStore()
    assert pins.folder == user_state_folder()
    pins.accept("s", SERVER, [ONE])
    assert (pins.folder / FILE_NAME).stat().st_mode & 0o077 == 0
