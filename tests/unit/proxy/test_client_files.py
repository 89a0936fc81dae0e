"""Settings files of other programs are written whole, put back as they were, and lead nowhere that a run chose."""

import os
from pathlib import Path

import pytest

from nebulus.adapters.trust.private import user_state_folder
from nebulus.core.errors import ConfigError
from nebulus.proxy.client_files import MOST_BYTES, place_of, put_back, text_of, write

pytestmark = pytest.mark.usefixtures("new_user")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "project")
    return tmp_path / "project"


@pytest.mark.parametrize("before", ["", '{"a": 1}\n', None])
def test_a_file_is_put_back_as_it_was(project: Path, before: str | None) -> None:
    path = place_of(".claude/settings.local.json")
    if before is not None:
        path.parent.mkdir()
        path.write_text(before)
        path.chmod(0o640)
    write(path, "one")
    write(path, "two")
    assert path.read_text() == "two"
    assert path.stat().st_mode & 0o777 == (0o600 if before is None else 0o640)
    put_back(path)
    assert text_of(path) == before
    with pytest.raises(ConfigError, match="undone already"):
        put_back(path)


def test_what_somebody_changed_since_is_left_alone(project: Path) -> None:
    write(place_of("opencode.json"), "ours")
    (project / "opencode.json").write_text("theirs")
    with pytest.raises(ConfigError, match="was changed since"):
        put_back(place_of("opencode.json"))
    assert (project / "opencode.json").read_text() == "theirs"


def test_how_a_file_was_is_kept_outside_of_the_project(project: Path) -> None:
    write(place_of("opencode.json"), "ours")
    assert [entry.name for entry in project.iterdir()] == ["opencode.json"]
    (record,) = (user_state_folder() / "connect").iterdir()
    assert record.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("leads_to_a_file", [True, False])
@pytest.mark.parametrize("name", ["opencode.json", ".claude/settings.local.json"])
def test_a_link_in_a_project_is_not_followed(project: Path, name: str, leads_to_a_file: bool) -> None:
    target = project.parent / "profile"
    if leads_to_a_file:
        target.write_text("mine")
    (project / name).parent.mkdir(exist_ok=True)
    (project / name).symlink_to(target)
    with pytest.raises(ConfigError, match="is a link"):
        place_of(name)
    assert target.exists() is leads_to_a_file


def test_a_folder_of_a_project_that_is_a_link_is_not_entered(project: Path) -> None:
    (project.parent / "elsewhere").mkdir()
    (project / ".claude").symlink_to(project.parent / "elsewhere")
    with pytest.raises(ConfigError, match="is a link"):
        place_of(".claude/settings.local.json")


def test_what_a_run_leaves_beside_a_file_decides_nothing(project: Path) -> None:
    (project / "opencode.json").write_text("{}")
    (project / "opencode.json.before-nebulus").write_text('{"before": "planted", "written": "{}"}')
    with pytest.raises(ConfigError, match="nothing was written"):
        put_back(place_of("opencode.json"))
    assert (project / "opencode.json").read_text() == "{}"


def test_a_link_in_the_home_folder_is_its_users(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home, dotfiles = project.parent / "home", project.parent / "dotfiles"
    (home / ".codex").mkdir(parents=True)
    dotfiles.mkdir()
    (dotfiles / "config.toml").write_text("a = 1\n")
    (home / ".codex" / "config.toml").symlink_to(dotfiles / "config.toml")
    monkeypatch.setenv("HOME", str(home))
    write(place_of("~/.codex/config.toml"), "b = 2\n")
    assert (dotfiles / "config.toml").read_text() == "b = 2\n"
    assert (home / ".codex" / "config.toml").is_symlink()


def test_what_is_not_a_text_of_that_kind_is_refused(project: Path) -> None:
    os.mkfifo(project / "opencode.json")
    with pytest.raises(ConfigError, match="is not a file"):
        place_of("opencode.json")
    (project / "opencode.json").unlink()
    (project / "opencode.json").write_bytes(bytes(MOST_BYTES + 1))
    with pytest.raises(ConfigError, match="larger than"):
        text_of(project / "opencode.json")
    (project / "opencode.json").write_bytes(b"\xff")
    with pytest.raises(ConfigError, match="not UTF-8"):
        text_of(project / "opencode.json")
