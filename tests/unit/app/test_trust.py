"""Settings that a run could have written govern nothing, and those in a workspace contact only confirmed hosts."""

from pathlib import Path

import pytest

from nebulus.adapters.trust.ledger import Contact, TrustLedger
from nebulus.adapters.trust.private import user_state_folder
from nebulus.app.settings import EngineSettings, Settings, TierSettings
from nebulus.app.trust import contacts_in_doubt, contacts_of, file_in_doubt, protect_from_now_on, trust
from nebulus.core.errors import ConfigError

pytestmark = pytest.mark.usefixtures("new_user")


@pytest.fixture
def ledger() -> TrustLedger:
    return TrustLedger()


@pytest.fixture
def work(tmp_path: Path) -> Path:
    (tmp_path / "work" / "sub").mkdir(parents=True)
    return tmp_path / "work"


def settings_with(model: str, variable: str = "") -> Settings:
    return Settings(tiers={"one": TierSettings(model=model, api_key_env=variable)})


def written(path: Path, text: str = "") -> Path:
    path.write_text(text)
    return path


def test_a_file_where_no_run_ever_was_needs_no_word(ledger: TrustLedger, work: Path) -> None:
    assert file_in_doubt(written(work / "nebulus.toml"), ledger) == []
    assert not user_state_folder().exists()


def test_the_usual_file_of_a_workspace_needs_no_word_however_often_it_is_edited(
    ledger: TrustLedger, work: Path
) -> None:
    for text in ("", "[budget]", "[limits]"):
        ledger.remember_workspace(work, ())
        assert file_in_doubt(written(work / "nebulus.toml", text), ledger) == []


@pytest.mark.parametrize("name", ["sub/nebulus.toml", "my.toml"])
def test_a_file_that_appears_where_runs_write_needs_one_word(
    ledger: TrustLedger, work: Path, name: str
) -> None:
    ledger.remember_workspace(work, ())
    path = written(work / name)
    (doubt,) = file_in_doubt(path, ledger)
    assert str(path) in doubt.sentence()
    trust([doubt], ledger)
    assert file_in_doubt(path, ledger) == []
    assert file_in_doubt(written(path, "[budget]"), ledger) == [], "from now on every run protects it"


@pytest.mark.parametrize("name", ["sub/nebulus.toml", "my.toml"])
def test_a_file_that_governed_before_runs_came_needs_no_word_afterwards(
    ledger: TrustLedger, work: Path, name: str
) -> None:
    path = written(work / name)
    protect_from_now_on(path, work, ledger)
    ledger.remember_workspace(work, ())
    assert file_in_doubt(written(path, "[budget]"), ledger) == []


def test_a_file_that_was_exposed_counts_by_its_digest(ledger: TrustLedger, work: Path) -> None:
    path = written(work / "nebulus.toml", "one")
    protect_from_now_on(path, work, ledger)
    ledger.expose([str(path)])
    assert file_in_doubt(path, ledger) == [], "it is as it was"
    assert len(file_in_doubt(written(path, "two"), ledger)) == 1


@pytest.mark.parametrize(
    ("model", "variable", "contact"),
    [
        ("https://api.example.com/v1#m", "KEY", Contact("https://api.example.com:443", "KEY")),
        ("https://API.example.com:8443#m", "", Contact("https://api.example.com:8443")),
        ("anthropic+https://api.anthropic.com#m", "KEY", Contact("https://api.anthropic.com:443", "KEY")),
        ("http://127.0.0.1:8000#m", "KEY", Contact("http://127.0.0.1:8000", "KEY")),
        ("http://127.0.0.1.evil.example#m", "", Contact("http://127.0.0.1.evil.example:80")),
        ("http://localhost@evil.example#m", "", Contact("http://evil.example:80")),
        ("http://127.0.0.1:8000#m", "", None),
        ("http://[::1]:8000#m", "", None),
        ("ollama:qwen3", "", None),
        ("nano", "KEY", None),
    ],
)
def test_who_is_contacted_and_gets_what(model: str, variable: str, contact: Contact | None) -> None:
    assert list(contacts_of(settings_with(model, variable))) == ([contact] if contact else [])


@pytest.mark.parametrize(
    ("url", "count"),
    [
        ("postgresql://user@db.example/runs", 1),
        ("postgresql://user@localhost/runs", 0),
        ("postgresql:///runs", 0),
        ("postgresql:///runs?host=evil.example", 1),
        ("postgresql://localhost/runs?host=evil.example", 1),
        ("postgresql://localhost/runs?hostaddr=203.0.113.9", 1),
        (".nebulus/runs.sqlite", 0),
        ("memory", 0),
    ],
)
def test_a_database_elsewhere_is_a_contact_as_well(url: str, count: int) -> None:
    assert len(list(contacts_of(Settings(engine=EngineSettings(url=url))))) == count


def test_a_contact_is_confirmed_once_for_every_workspace_and_for_one_variable(
    ledger: TrustLedger, work: Path
) -> None:
    settings = settings_with("https://api.example.com#m", "KEY")
    path = written(work / "nebulus.toml")
    (doubt,) = contacts_in_doubt(settings, path, work, ledger=ledger)
    assert "$KEY to https://api.example.com:443" in doubt.sentence()
    trust([doubt], ledger)
    other = written(work / "sub" / "nebulus.toml")
    assert contacts_in_doubt(settings, other, work / "sub", ledger=ledger) == []
    for wider in (
        settings_with("https://api.example.com#m", "OTHER"),
        settings_with("https://evil.example#m", "KEY"),
    ):
        assert len(contacts_in_doubt(wider, path, work, ledger=ledger)) == 1


def test_a_file_outside_of_every_workspace_is_its_users_own_word(ledger: TrustLedger, work: Path) -> None:
    mine = written(work.parent / "mine.toml")
    assert contacts_in_doubt(settings_with("https://evil.example#m", "KEY"), mine, work, ledger=ledger) == []
    assert file_in_doubt(mine, ledger) == []


def test_what_was_confirmed_can_be_forgotten(ledger: TrustLedger, work: Path) -> None:
    ledger.remember_workspace(work, ())
    path = written(work / "my.toml")
    trust(file_in_doubt(path, ledger), ledger)
    ledger.trust_contact(Contact("https://api.example.com:443"))
    ledger.forget()
    assert ledger.load().contacts == ()
    assert len(file_in_doubt(path, ledger)) == 1


def test_a_ledger_that_can_not_be_read_is_never_taken_for_an_empty_one(
    ledger: TrustLedger, work: Path
) -> None:
    ledger.remember_workspace(work, ())
    (ledger.folder / "trust.json").write_text("{")
    with pytest.raises(ConfigError, match="nobody knows what you trust"):
        file_in_doubt(written(work / "nebulus.toml"), ledger)


def test_the_ledger_is_for_its_user_alone(ledger: TrustLedger, work: Path) -> None:
    ledger.remember_workspace(work, ())
    assert ledger.folder.stat().st_mode & 0o777 == 0o700
    assert (ledger.folder / "trust.json").stat().st_mode & 0o777 == 0o600
