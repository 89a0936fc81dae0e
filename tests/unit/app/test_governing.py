"""What governs a run is found by what is used, under every name that it has."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from nebulus.adapters.tools.builtin import builtin_tools
from nebulus.adapters.trust.ledger import TrustLedger
from nebulus.adapters.workspaces.folder import FolderWorkspace
from nebulus.app.governing import Governing, governing
from nebulus.app.settings import EngineSettings, Settings, TierSettings
from nebulus.core.errors import ConfigError
from nebulus.core.failure import Failure

pytestmark = pytest.mark.usefixtures("new_user")


@pytest.fixture
def work(tmp_path: Path) -> Path:
    (tmp_path / "work").mkdir()
    return tmp_path / "work"


def found(work: Path, settings: Settings = Settings(), *policy: Path) -> Governing:  # noqa: B008
    return governing(settings, work, work, policy=policy, ledger=TrustLedger())


def engine_at(url: str) -> Settings:
    return Settings(engine=EngineSettings(url=url))


def test_the_folder_of_the_runs_is_closed_wherever_it_is(work: Path) -> None:
    assert found(work, engine_at("state/runs.sqlite")).kept == (".nebulus", "nebulus.toml", "state")
    assert found(work, engine_at("a/b/runs.sqlite")).kept == (".nebulus", "a/b", "nebulus.toml")
    assert found(work, engine_at(f"sqlite:///{work}/deep/r.db")).kept == (".nebulus", "deep", "nebulus.toml")
    assert found(work, engine_at("../elsewhere/runs.sqlite")).kept == (".nebulus", "nebulus.toml")


def test_runs_that_can_not_be_closed_off_are_refused_with_the_reason(work: Path) -> None:
    with pytest.raises(ConfigError, match=r"keeps the runs in the workspace itself.*\.nebulus/runs\.sqlite"):
        found(work, engine_at("runs.sqlite"))
    (work / "data").mkdir()
    (work / "data" / "input.csv").write_text("1")
    with pytest.raises(ConfigError, match=r"next to 'input\.csv'"):
        found(work, engine_at("data/runs.sqlite"))


def test_a_link_to_the_runs_is_closed_with_what_it_leads_to(work: Path) -> None:
    (work / "real").mkdir()
    (work / "state").symlink_to("real")
    assert {"state", "real"} <= set(found(work, engine_at("state/runs.sqlite")).kept)


def test_every_name_of_a_policy_is_closed(work: Path) -> None:
    (work / "rules").mkdir()
    (work / "rules" / "real.toml").write_text("")
    (work / "conf").symlink_to("rules")
    (work / "rules" / "policy.toml").symlink_to("real.toml")
    os.link(work / "rules" / "real.toml", work / "hard.toml")
    kept = set(found(work, Settings(), work / "conf" / "policy.toml").kept)
    assert kept == {".nebulus", "nebulus.toml", "conf", "rules/policy.toml", "rules/real.toml", "hard.toml"}


def test_a_settings_file_that_governed_once_is_closed_in_every_later_run(work: Path) -> None:
    (work / "sub").mkdir()
    for path in (work / "my.toml", work / "sub" / "nebulus.toml", work.parent / "outside.toml"):
        path.write_text("")
        TrustLedger().remember_file(path)
    TrustLedger().remember_workspace(work / "sub", [])
    kept = found(work).kept
    assert kept == (".nebulus", "my.toml", "nebulus.toml", "sub/.nebulus", "sub/nebulus.toml")


def test_what_the_user_trusts_is_closed_where_it_lies_in_the_workspace(
    work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(work / "home"))
    assert "home/nebulus" in found(work).kept
    with pytest.raises(ConfigError, match="where Nebulus keeps what you trust"):
        governing(Settings(), work, work / "home" / "nebulus", ledger=TrustLedger())


def test_the_code_that_runs_us_and_the_models_are_read_and_not_changed(
    work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (work / ".venv").mkdir()
    (work / "m.gguf").write_text("")
    monkeypatch.setattr(sys, "prefix", str(work / ".venv"))
    tiers = {"one": TierSettings(model=str(work / "m.gguf")), "two": TierSettings(model="n.gguf")}
    assert found(work, Settings(tiers=tiers)).fixed == (".venv", "m.gguf"), "n.gguf is not there"


def test_a_chat_template_is_read_and_not_changed(work: Path) -> None:
    (work / "form.jinja").write_text("{{ messages }}")
    inline = TierSettings(model="smollm2", chat_template="{{ messages }}")
    from_file = TierSettings(model="smollm2", chat_template=str(work / "form.jinja"))
    assert found(work, Settings(tiers={"one": inline, "two": from_file})).fixed == ("form.jinja",)


def test_profiles_in_a_workspace_are_not_made_or_changed_there(
    work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NEBULUS_PROFILES", str(work / "profiles"))
    assert "profiles" in found(work).kept, "no run makes one that decides about later runs"
    (work / "profiles").mkdir()
    assert found(work).fixed == ("profiles",)
    monkeypatch.setenv("NEBULUS_PROFILES", str(work))
    with pytest.raises(ConfigError, match=r"NEBULUS_PROFILES.*the workspace itself"):
        found(work)


def test_what_leads_to_a_database_server_is_closed(work: Path) -> None:
    (work / "pg").mkdir()
    for url in (
        f"postgresql:///runs?host={work}/pg",
        f"postgresql://{str(work / 'pg').replace('/', '%2F')}/runs",
        f"postgres://box/runs?sslkey={work}/pg/key.pem&sslrootcert={work}/pg/ca.pem",
    ):
        assert any(name.startswith("pg") for name in found(work, engine_at(url)).kept), url
    with pytest.raises(ConfigError, match="through the workspace itself"):
        found(work, engine_at(f"postgresql+psycopg:///runs?host={work}"))


PROTECTED = (
    "state/approvals.sqlite",
    "my.toml",
    "hard.toml",
    "rules/real.toml",
    "nebulus.toml",
    ".nebulus/x",
)
VARIANTS: tuple[Callable[[str], str], ...] = (
    str,
    str.upper,
    lambda path: path.replace("s", "ſ"),
    lambda path: path[:2] + "\u200c" + path[2:],
    lambda path: f"./x/../{path}",
)


@pytest.fixture
def guarded(work: Path) -> FolderWorkspace:
    """A workspace whose settings, runs and policy are elsewhere than usual."""
    for name in PROTECTED:
        (work / name).parent.mkdir(exist_ok=True)
        (work / name).write_text("governs") if name != "hard.toml" else os.link(work / "my.toml", work / name)
    (work / "policy.toml").symlink_to("rules/real.toml")
    (work / "link").symlink_to("state")
    (work / "notes.txt").write_text("mine")
    TrustLedger().remember_file(work / "my.toml")
    settings = Settings(engine=EngineSettings(url="state/runs.sqlite"), policy="policy.toml")
    paths = governing(settings, work, work, policy=[work / "policy.toml"], ledger=TrustLedger())
    return FolderWorkspace(work, kept=paths.kept, fixed=paths.fixed)


@pytest.mark.parametrize("path", [*PROTECTED, "policy.toml", "link/approvals.sqlite", "state/new", "state"])
@pytest.mark.parametrize("variant", VARIANTS)
def test_no_spelling_of_what_governs_is_a_path_for_tools(
    guarded: FolderWorkspace, path: str, variant: Callable[[str], str]
) -> None:
    (guarded.root / "x").mkdir()
    spelled = variant(path)
    refused = guarded.canonical(spelled)
    is_other_name = not isinstance(refused, Failure) and not (guarded.root / spelled).exists()
    assert isinstance(refused, Failure) or (is_other_name and "link" in path), refused


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        *(
            ("write_file", {"path": path, "content": "x"})
            for path in (*PROTECTED, "state/runs.sqlite-journal", "rules")
        ),
        *(("edit_file", {"path": path, "old": "governs", "new": "x"}) for path in PROTECTED),
        *(("delete_file", {"path": path}) for path in PROTECTED),
        *(("move_file", {"source": path, "target": "taken"}) for path in (*PROTECTED, "state", "rules")),
        *(
            ("move_file", {"source": "notes.txt", "target": path})
            for path in ("state/new", "policy.toml", "MY.TOML")
        ),
        *(("read_file", {"path": path}) for path in ("state/approvals.sqlite", ".nebulus/x")),
    ],
)
async def test_no_file_tool_reaches_what_governs_a_run(
    guarded: FolderWorkspace, tool: str, arguments: dict[str, str]
) -> None:
    tools = {each.spec.name: each for each in builtin_tools(guarded, None)}
    refused = await tools[tool].run(arguments, "key")
    assert isinstance(refused, Failure)
    assert "runtime" in refused.what or "link" in refused.what
    for name in PROTECTED:
        assert (guarded.root / name).read_text() == "governs"


def test_the_cache_of_fetched_models_is_closed_to_changes_where_it_is_in_the_workspace(
    work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(work / "models"))
    (work / "models").mkdir()
    settings = Settings(tiers={"a": TierSettings(model="hf:a/b:Q4_0")})
    assert "models" in found(work, settings).fixed
