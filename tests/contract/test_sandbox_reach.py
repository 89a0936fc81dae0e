"""What beneath a workspace is not for commands is not, at any level: what governs a run, and what a rule closes."""

from pathlib import Path

import pytest

from nebulus.adapters.sandboxes.reach import Reach
from nebulus.adapters.trust.ledger import TrustLedger
from nebulus.app.bootstrap import reach_of
from nebulus.app.settings import EngineSettings, Settings
from nebulus.core.tools import SandboxLevel
from tests.contract.sandbox_levels import LIMITS, Real, made, shell

KEPT = (".nebulus", "nebulus.toml", "rules/policy.toml", "absent.toml")


@pytest.fixture
def governed(level: SandboxLevel, root: Path) -> Real:
    """A sandbox in a workspace that holds what governs a run."""
    (root / ".nebulus").mkdir()
    (root / ".nebulus" / "runs.sqlite").write_text("history")
    (root / "nebulus.toml").write_text("settings")
    (root / "rules").mkdir()
    (root / "rules" / "policy.toml").write_text("deny")
    (root / "rules" / "notes.txt").write_text("note")
    (root / "work").mkdir()
    return made(level, Reach(root, KEPT))


@pytest.mark.parametrize(
    "script",
    [
        "cat .nebulus/runs.sqlite; echo x > .nebulus/runs.sqlite; rm -rf .nebulus; mv .nebulus work",
        "echo x > .nebulus/runs.sqlite-journal; mkfifo .nebulus/x; mkdir .nebulus/y; ln -s x .nebulus/z",
        "echo x > work/new; ln work/new .nebulus/new; mv work/new .nebulus/new",
        "ln .nebulus/runs.sqlite work/past; cat work/past; ln -s ../.nebulus work/link; cat work/link/*",
        "echo x > nebulus.toml; rm -f nebulus.toml; echo x > work/n; mv -f work/n nebulus.toml",
        "ln nebulus.toml work/hard; echo x > work/hard; chmod 000 nebulus.toml .nebulus",
        "echo x > rules/policy.toml; rm -rf rules; mv rules old; mkdir rules; echo x > rules/policy.toml",
        "echo x > absent.toml",
    ],
)
async def test_a_command_neither_reads_nor_changes_what_governs_its_run(
    governed: Real, root: Path, script: str
) -> None:
    before = (root / ".nebulus").stat().st_mode
    ended = await shell(governed, script)
    assert "history" not in ended.output
    assert [path.name for path in (root / ".nebulus").iterdir()] == ["runs.sqlite"]
    assert (root / ".nebulus" / "runs.sqlite").read_text() == "history"
    assert (root / ".nebulus").stat().st_mode == before
    assert (root / "nebulus.toml").read_text() == "settings"
    assert (root / "rules" / "policy.toml").read_text() == "deny"
    assert not (root / "absent.toml").exists()


async def test_the_rest_of_a_governed_workspace_can_be_worked_in(governed: Real, root: Path) -> None:
    (root / "notes.txt").write_text("note\n")
    ended = await shell(
        governed,
        "cat nebulus.toml && echo more >> notes.txt && mkdir work/a && echo x > work/a/b && mv work/a work/c && "
        "rm work/c/b && echo better > rules/notes.txt",
    )
    assert (ended.exit_code, ended.output) == (0, "settings")
    assert (root / "notes.txt").read_text() == "note\nmore\n"
    assert (root / "rules" / "notes.txt").read_text() == "better\n"
    assert [path.name for path in (root / "work").iterdir()] == ["c"]


async def test_what_is_hidden_is_for_no_command(level: SandboxLevel, root: Path) -> None:
    (root / "secrets").mkdir()
    (root / "secrets" / "key").write_text("hidden")
    (root / ".env").write_text("hidden")
    sandbox = made(level, Reach(root, hidden=("secrets", ".env", "absent")), LIMITS)
    ended = await shell(
        sandbox, "cat secrets/key .env; echo x > .env; echo x > secrets/new; mkdir absent; echo end"
    )
    assert "hidden" not in ended.output
    assert "end" in ended.output
    assert (root / ".env").read_text() == "hidden"
    assert [path.name for path in (root / "secrets").iterdir()] == ["key"]
    assert not (root / "absent").exists()


async def test_a_link_to_what_governs_a_run_is_held_as_well_as_what_it_leads_to(
    level: SandboxLevel, root: Path
) -> None:
    (root / "rules").mkdir()
    (root / "rules" / "real.toml").write_text("deny")
    (root / "policy.toml").symlink_to("rules/real.toml")
    sandbox = made(level, Reach(root, ("policy.toml",), hidden=("rules/none", "rules/none/deeper")))
    await shell(
        sandbox,
        "echo x > policy.toml; echo x > rules/real.toml; rm -f rules/real.toml policy.toml; mv rules old; "
        "echo x > new; mv -f new policy.toml",
    )
    assert (root / "policy.toml").read_text() == "deny"
    assert (root / "policy.toml").is_symlink()


async def test_what_is_fixed_is_read_and_not_changed_and_what_is_hidden_in_it_is_not_read(
    level: SandboxLevel, root: Path
) -> None:
    (root / "docs" / "inner" / "deep").mkdir(parents=True)
    (root / "docs" / "text").write_text("shown")
    (root / "docs" / "inner" / "key").write_text("hidden")
    (root / "docs" / "inner" / "deep" / "text").write_text("deep")
    reach = Reach(root, hidden=("docs/inner/key",), fixed=("docs", "single"))
    (root / "single").write_text("one")
    ended = await shell(
        made(level, reach),
        "cat docs/text single docs/inner/deep/text docs/inner/key; echo x > docs/text; echo x > docs/new; "
        "echo x > single; rm -rf docs single; mv docs old; echo x > docs/inner/deep/text; echo end",
    )
    assert ended.output.startswith("shownonedeep")
    assert "hidden" not in ended.output
    assert (root / "docs" / "text").read_text() == "shown"
    assert (root / "docs" / "inner" / "deep" / "text").read_text() == "deep"
    assert (root / "docs" / "inner" / "key").read_text() == "hidden"
    assert (root / "single").read_text() == "one"
    assert not (root / "docs" / "new").exists()


@pytest.mark.usefixtures("new_user")
async def test_a_command_changes_nothing_that_governs_under_names_of_its_users_choice(
    level: SandboxLevel, root: Path
) -> None:
    (root / "state").mkdir()
    (root / "state" / "approvals.sqlite").write_text("history")
    (root / "my.toml").write_text("settings")
    (root / "hard.toml").hardlink_to(root / "my.toml")
    TrustLedger().remember_file(root / "my.toml")
    settings = Settings(engine=EngineSettings(url="state/runs.sqlite"))
    reach = reach_of(settings, root, workspace=root)
    ended = await shell(
        made(level, reach),
        "cat state/*; echo x > state/approvals.sqlite; echo x > state/runs.sqlite-journal; mv state old; "
        "rm -rf state; echo x > my.toml; echo x > hard.toml; mv -f hard.toml my.toml; ln -sf hard.toml my.toml; "
        "mkdir .nebulus; echo x > nebulus.toml; cp -r state copy; echo end",
    )
    assert "history" not in ended.output
    assert [path.name for path in (root / "state").iterdir()] == ["approvals.sqlite"]
    assert (root / "state" / "approvals.sqlite").read_text() == "history"
    assert (root / "my.toml").read_text() == "settings"
    assert not (root / "nebulus.toml").exists()
    assert not (root / ".nebulus").exists()


@pytest.mark.usefixtures("new_user")
async def test_the_settings_of_a_workspace_within_are_closed_to_commands_around_it(
    level: SandboxLevel, root: Path
) -> None:
    (root / "sub" / ".nebulus").mkdir(parents=True)
    sandbox = made(level, Reach(root, (".nebulus", "nebulus.toml")))
    TrustLedger().remember_workspace(
        root / "sub", [str(root / "sub" / name) for name in (".nebulus", "nebulus.toml")]
    )
    await shell(sandbox, "echo x > sub/nebulus.toml; echo x > sub/.nebulus/x; mv sub other; rm -rf sub")
    assert [path.name for path in (root / "sub").iterdir()] == [".nebulus"]
    assert list((root / "sub" / ".nebulus").iterdir()) == []
