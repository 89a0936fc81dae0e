"""Settings of several sources: the nearer overrides the farther, and a workspace loosens nothing."""

from pathlib import Path

import pytest

from nebulus.app.settings import Settings
from nebulus.app.settings_layers import Layered, load_layered, unknown_variables
from nebulus.core.errors import ConfigError


def layered(
    folder: Path, *, user: str = "", workspace: str = "", config: str = "", **environ: str
) -> Layered:
    """The settings of three files and an environment."""
    own, named, here = folder / "own" / "nebulus.toml", folder / "named.toml", folder / "workspace"
    here.mkdir()
    own.parent.mkdir()
    for path, text in ((own, user), (named, config), (here / "nebulus.toml", workspace)):
        if text:
            path.write_text(text)
    return load_layered(named if config else None, here, environ=environ, user=own)


def test_without_any_source_the_defaults_are_used(tmp_path: Path) -> None:
    found = layered(tmp_path)
    assert found.settings == Settings()
    assert found.origins == {}


def test_the_nearest_source_decides_each_key_and_is_named(tmp_path: Path) -> None:
    found = layered(
        tmp_path,
        user="[budget]\ntokens = 1\nseconds = 2\nusd = 3\n",
        workspace="[budget]\ntokens = 10\nseconds = 20\n",
        NEBULUS_BUDGET__TOKENS="100",
        NEBULUS_PLANNING="outline",
    )
    budget = found.settings.budget
    assert (budget.tokens, budget.seconds, budget.usd) == (100, 20, 3)
    assert found.settings.planning == "outline"
    assert found.origins["budget.tokens"] == "$NEBULUS_BUDGET__TOKENS"
    assert found.origins["budget.seconds"].endswith("workspace/nebulus.toml")
    assert found.origins["budget.usd"].endswith("own/nebulus.toml")


def test_tiers_are_taken_whole_from_the_nearest_source(tmp_path: Path) -> None:
    found = layered(
        tmp_path,
        user='[tiers.small]\nmodel = "ollama:a"\n[tiers.large]\nmodel = "ollama:b"\n',
        workspace='[tiers.mine]\nmodel = "ollama:c"\n',
    )
    assert list(found.settings.tiers) == ["mine"]
    assert "tiers.small" not in found.origins


def test_a_variable_names_models_from_small_to_large(tmp_path: Path) -> None:
    found = layered(tmp_path, user='[tiers.x]\nmodel = "ollama:a"\n', NEBULUS_MODEL="ollama:b, ollama:c")
    assert [tier.model for tier in found.settings.tiers.values()] == ["ollama:b", "ollama:c"]


def test_relative_paths_in_the_users_own_file_start_at_its_folder(tmp_path: Path) -> None:
    found = layered(tmp_path, user='policy = "rules.toml"\n[tiers.a]\nmodel = "models/a.gguf"\n').settings
    assert found.policy == str(tmp_path / "own" / "rules.toml")
    assert found.tiers["a"].model == str(tmp_path / "own" / "models" / "a.gguf")


OWN = 'policy = "strict.toml"\ncommands = "off"\n[secrets]\nTOKEN = ["send"]\n'
LOOSE = 'policy = "lax.toml"\ncommands = "sandboxed"\n[secrets]\nTOKEN = ["run_command"]\nOTHER = []\n'


def test_a_file_found_in_a_workspace_does_not_loosen_what_the_user_set_to_guard_them(tmp_path: Path) -> None:
    found = layered(tmp_path, user=OWN, workspace=LOOSE)
    assert found.settings.policy.endswith("strict.toml")
    assert found.settings.commands == "off"
    assert found.settings.secrets == {"TOKEN": ("send",), "OTHER": ()}
    assert found.layers[1].kept_out == ("policy", "commands", "secrets.TOKEN")


def test_a_file_that_the_user_names_does(tmp_path: Path) -> None:
    found = layered(tmp_path, user=OWN, config=LOOSE).settings
    assert (found.policy, found.commands) == ("lax.toml", "sandboxed")
    assert found.secrets["TOKEN"] == ("run_command",)


def test_a_wrong_value_is_reported_with_the_source_that_has_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"\$NEBULUS_BUDGET__TOKNS: budget.tokns is not a setting"):
        layered(tmp_path, user="[budget]\nusd = 1\n", NEBULUS_BUDGET__TOKNS="5")


def test_a_pin_may_name_a_tier_of_another_source(tmp_path: Path) -> None:
    found = layered(
        tmp_path, user='[tiers.a]\nmodel = "ollama:a"\n', workspace='[route]\npins = { plan = "a" }\n'
    )
    assert list(found.settings.route.pins.values()) == ["a"]


def test_a_variable_that_is_not_a_setting_is_named_with_the_nearest_one() -> None:
    assert unknown_variables({"NEBULUS_MODLE": "x", "NEBULUS_DEBUG": "1", "NEBULUS_MODEL": "nano"}) == {
        "NEBULUS_MODLE": "did you mean 'NEBULUS_MODEL'?"
    }
