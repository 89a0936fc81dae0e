"""What was measured is listed, shown, compared and used for forecasts; what is missing names the command that makes it."""

import json
import os
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from nebulus.adapters.profiles.store import MOST_BYTES, ProfileStore, read_profile
from nebulus.ceiling.profile import ModelIdentity, Profile, Row
from nebulus.cli.main import app
from nebulus.core.demand import Demand, ToolDemand, WorkKind
from nebulus.core.errors import ConfigError

QWEN, GEMMA = "http://127.0.0.1:1#qwen", "http://127.0.0.1:1#gemma"
DEMAND = Demand(kind=WorkKind.ACT, tools=ToolDemand(count=5), prompt_tokens=500)


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("NEBULUS_PROFILES", str(tmp_path / "profiles"))
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "nebulus.toml").write_text('commands = "off"\n')
    (tmp_path / "work" / "tidy.md").write_text("Tidy.\n\n1. Read a.md\n2. Delete b.md\n")
    return tmp_path


def keep(name: str, *, right: int, asked: int = 20, store: ProfileStore | None = None) -> Path:
    profile = Profile(model=ModelIdentity(name=name), window_tokens=8192)
    for number in range(asked):
        row = Row(demand=DEMAND, trials=1, right=int(number < right))
        profile = profile.with_question(("choose", 5), number < right, [row], seconds=1.0)
    return (store or ProfileStore()).write(profile)


def call(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def test_a_profile_is_shown_with_rates_intervals_and_how_deep_the_model_carries(state: Path) -> None:
    keep("qwen", right=18)
    shown = call("profile", "show", QWEN)
    assert shown.exit_code == 0
    assert "18 of 20" in shown.stdout
    assert "How deep does it carry?" in shown.stdout
    document = json.loads(call("profile", "show", "qwen", "--json").stdout)
    assert document["questions"] == 20
    assert document["depth"]["half"] >= 3


def test_a_model_that_was_not_measured_names_the_command_and_what_was_measured(state: Path) -> None:
    keep("qwen", right=18)
    shown = call("profile", "show", GEMMA)
    assert shown.exit_code == 2
    assert f"nebulus probe {GEMMA}" in " ".join(shown.stderr.split())
    assert "qwen" in shown.stderr


def test_two_models_are_compared_and_clear_differences_are_named(state: Path) -> None:
    keep("qwen", right=20)
    keep("gemma", right=1)
    shown = call("profile", "compare", QWEN, GEMMA)
    assert shown.exit_code == 0
    assert "A is better" in shown.stdout
    document = json.loads(call("profile", "compare", QWEN, GEMMA, "--json").stdout)
    assert [group["is_clear"] for group in document["groups"]] == [True]


def test_profiles_are_listed_and_one_that_cannot_be_read_says_why(state: Path) -> None:
    assert "no profiles" in call("profile", "list").stdout
    path = keep("qwen", right=18)
    (path.parent / "broken.json").write_text("{")
    listed = call("profile", "list")
    assert listed.exit_code == 0
    assert "qwen" in listed.stdout
    assert "broken.json is not a profile" in listed.stdout
    assert len(json.loads(call("profile", "list", "--json").stdout)) == 2


def test_a_file_that_somebody_shared_is_shown_by_its_path(state: Path) -> None:
    path = keep("qwen", right=18, store=ProfileStore(state / "shared"))
    assert "18 of 20" in call("profile", "show", str(path)).stdout
    assert call("profile", "show", str(state / "none.json")).exit_code == 2


def test_a_forecast_gives_a_chance_with_an_interval_and_says_what_was_not_measured(state: Path) -> None:
    keep("qwen", right=18)
    arguments = ("forecast", str(state / "work" / "tidy.md"), "-C", str(state / "work"))
    shown = call(*arguments, "-m", QWEN, "-m", GEMMA)
    assert shown.exit_code == 0, shown.stderr
    assert "to end right" in shown.stdout
    assert f"gemma: no profile; run `nebulus probe {GEMMA}`" in shown.stdout
    document = json.loads(call(*arguments, "-m", QWEN, "--json").stdout)
    (found,) = document["forecasts"]
    assert 0 < found["low"] < found["chance"] < found["high"] < 1
    assert [step["number"] for step in found["steps"]] == [1, 2]


def test_a_forecast_without_any_profile_says_what_to_run(state: Path) -> None:
    shown = call("forecast", str(state / "work" / "tidy.md"), "-C", str(state / "work"), "-m", QWEN)
    assert shown.exit_code == 2
    assert f"nebulus probe {QWEN}" in " ".join(shown.stderr.split())


def test_a_probe_without_a_model_or_with_both_is_refused(state: Path) -> None:
    for arguments in (("probe",), ("probe", QWEN, "--tier", "small")):
        shown = call(*arguments)
        assert shown.exit_code == 2
        assert "say which model to measure" in shown.stderr


def test_a_probe_of_a_model_file_that_is_not_there_writes_nothing(state: Path) -> None:
    shown = call("probe", str(state / "none.gguf"), "-C", str(state / "work"))
    assert shown.exit_code == 2
    assert "none.gguf" in shown.stderr
    assert not (state / "profiles").exists()


def test_what_is_not_a_profiles_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.json")
    with pytest.raises(ConfigError, match="is not a file"):
        read_profile(tmp_path / "pipe.json")
    with (tmp_path / "large.json").open("wb") as file:
        file.truncate(MOST_BYTES + 1)
    with pytest.raises(ConfigError, match="is larger than"):
        read_profile(tmp_path / "large.json")


def test_a_name_that_is_neither_a_profile_nor_a_model_says_what_is_measured(tmp_path: Path) -> None:
    found = call("profile", "show", "nothere", "--profiles", str(tmp_path))
    assert found.exit_code == 2
    assert "'nothere' is neither a profile nor a model" in found.stderr
    assert "there are no profiles in" in found.stderr
