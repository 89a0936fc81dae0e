"""What a command may touch follows from the settings and the rules, before any command runs."""

from pathlib import Path

import pytest

from nebulus.app.bootstrap import reach_of
from nebulus.app.settings import Settings
from nebulus.core.errors import ConfigError

RULES = """
cedar = ["more.cedar", "../outside.cedar"]

[[policy]]
path = "secrets/**"
then = "deny"
reason = "secrets are for nobody"

[[policy]]
path = "docs/**"
effect = "write"
then = "deny"
reason = "docs are final"
"""


def test_what_governs_a_run_and_what_its_rules_close_is_not_for_commands(tmp_path: Path) -> None:
    work = tmp_path / "work"
    (work / "rules").mkdir(parents=True)
    (work / "rules" / "policy.toml").write_text(RULES)
    reach = reach_of(Settings(policy="rules/policy.toml"), work, workspace=work)
    assert reach.root == work
    assert set(reach.kept) == {
        ".nebulus",
        "nebulus.toml",
        "rules/policy.toml",
        "rules/more.cedar",
        "outside.cedar",
    }
    assert (reach.hidden, reach.fixed) == (("secrets",), ("docs",))


def test_a_policy_beside_the_workspace_closes_what_lies_in_it(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "policy.toml").write_text(RULES)
    reach = reach_of(Settings(policy="policy.toml"), tmp_path, workspace=tmp_path / "work")
    assert set(reach.kept) == {".nebulus", "nebulus.toml"}
    assert reach.hidden == ("secrets",)


def test_without_a_policy_only_what_governs_a_run_is_kept(tmp_path: Path) -> None:
    reach = reach_of(Settings(), tmp_path, workspace=tmp_path)
    assert (set(reach.kept), reach.hidden, reach.fixed) == ({".nebulus", "nebulus.toml"}, (), ())


def test_a_policy_that_is_missing_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"policy\.toml can't be read"):
        reach_of(Settings(policy="policy.toml"), tmp_path, workspace=tmp_path)
