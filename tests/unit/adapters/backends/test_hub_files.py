"""Names of models on a hub, and which files they mean. File names are those of public repositories."""

from pathlib import Path

import pytest

from nebulus.adapters.backends.hub_files import (
    HubFile,
    HubName,
    cache_folder,
    choose,
    models_among,
    quant_of,
    read_name,
)
from nebulus.core.errors import ConfigError

QWEN = [
    HubFile("README.md", 5_000),
    HubFile("qwen2.5-7b-instruct-q4_k_m-00001-of-00002.gguf", 3_990_000_000),
    HubFile("qwen2.5-7b-instruct-q4_k_m-00002-of-00002.gguf", 690_000_000),
    HubFile("qwen2.5-7b-instruct-q8_0-00001-of-00003.gguf", 3_990_000_000),
    HubFile("qwen2.5-7b-instruct-q8_0-00002-of-00003.gguf", 3_980_000_000),
    HubFile("qwen2.5-7b-instruct-q3_k_m.gguf", 3_810_000_000),
]


@pytest.mark.parametrize(
    ("path", "quant"),
    [
        ("Qwen3-8B-Q4_K_M.gguf", "Q4_K_M"),
        ("qwen2.5-coder-1.5b-instruct-q4_k_m.gguf", "q4_k_m"),
        ("SmolLM2-135M-Instruct.Q4_1.gguf", "Q4_1"),
        ("UD-Q4_K_XL/Qwen3-235B-A22B-UD-Q4_K_XL-00001-of-00003.gguf", "UD-Q4_K_XL"),
        ("Llama-3.2-1B-Instruct-IQ4_XS.gguf", "IQ4_XS"),
        ("gpt-oss-20b-mxfp4.gguf", "mxfp4"),
        ("ggml-model-f16.gguf", "f16"),
        ("gemma-3-4b-it-BF16.gguf", "BF16"),
        ("BitNet-b1.58-2B-4T-TQ2_0.gguf", "TQ2_0"),
        ("Llama-3.2-3B-Instruct-Q4_0_4_8.gguf", "Q4_0_4_8"),
        ("tiny.gguf", ""),
        ("Q-model.gguf", ""),
    ],
)
def test_the_quantisation_is_what_ends_the_name_of_a_file(path: str, quant: str) -> None:
    assert quant_of(path) == quant


def test_a_quantisation_is_found_in_any_case_with_all_its_parts() -> None:
    model = choose(read_name("hf:Qwen/Qwen2.5-7B-Instruct-GGUF:Q4_K_M"), models_among(QWEN))
    assert [file.path[-19:] for file in model.files] == [
        "-00001-of-00002.gguf"[-19:],
        "-00002-of-00002.gguf"[-19:],
    ]
    assert model.size_bytes == 4_680_000_000


def test_without_a_quantisation_q4_k_m_is_meant() -> None:
    assert choose(HubName("a/b"), models_among(QWEN)).quant == "q4_k_m"
    with pytest.raises(ConfigError, match=r"no Q4_K_M, .* it has q3_k_m \(3.8 GB\), IQ4_XS \(1.0 GB\)"):
        choose(HubName("a/b"), models_among([QWEN[-1], HubFile("x-IQ4_XS.gguf", 1_000_000_000)]))


def test_the_only_model_of_a_repository_needs_no_quantisation() -> None:
    assert choose(HubName("a/b"), models_among([HubFile("model.gguf", 1)])).files[0].path == "model.gguf"


def test_a_model_with_a_part_missing_is_not_offered() -> None:
    with pytest.raises(ConfigError, match=r"no Q8_0; it has q3_k_m \(3.8 GB\), q4_k_m \(4.7 GB\)"):
        choose(HubName("a/b", "Q8_0"), models_among(QWEN))


def test_a_quantisation_of_several_files_is_answered_with_their_paths_each_of_which_is_a_name() -> None:
    models = models_among([HubFile("base-Q4_0.gguf", 1_000), HubFile("chat-Q4_0.gguf", 2_000)])
    with pytest.raises(
        ConfigError, match=r"fits 2 files; .* base-Q4_0.gguf \(1.0 kB\), chat-Q4_0.gguf \(2.0 kB\)"
    ):
        choose(HubName("a/b", "Q4_0"), models)
    assert choose(read_name("hf:a/b:chat-Q4_0.gguf"), models).files[0].path == "chat-Q4_0.gguf"


def test_what_goes_with_a_model_is_not_taken_for_one() -> None:
    files = [
        HubFile("mmproj-gemma-3-4b-it-f16.gguf", 1),
        HubFile("imatrix_unsloth.gguf", 1),
        HubFile("imatrix.dat", 1),
    ]
    with pytest.raises(ConfigError, match="has no GGUF file"):
        choose(HubName("a/b", "f16"), models_among(files))


@pytest.mark.parametrize(
    "text", ["hf:", "hf:model", "hf:a/b/c", "hf:a/b:", "hf:a/b:Q4 _0", "hf://a/b", "hf:a/b:Q4:x"]
)
def test_a_malformed_name_says_how_one_is_written(text: str) -> None:
    with pytest.raises(ConfigError, match="write hf:OWNER/REPO:QUANT"):
        read_name(text)


@pytest.mark.parametrize(
    ("environ", "folder"),
    [
        ({"HF_HUB_CACHE": "/a"}, Path("/a")),
        ({"HF_HOME": "/h"}, Path("/h/hub")),
        ({"XDG_CACHE_HOME": "/c"}, Path("/c/huggingface/hub")),
        ({}, Path.home() / ".cache" / "huggingface" / "hub"),
    ],
)
def test_the_cache_is_where_huggingface_hub_has_it(environ: dict[str, str], folder: Path) -> None:
    assert cache_folder(environ) == folder
