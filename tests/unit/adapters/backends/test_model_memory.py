"""What a model takes in memory, from the head of its file."""

import struct
from pathlib import Path

from nebulus.adapters.backends.gguf_header import GgufShape, read_shape
from nebulus.adapters.backends.model_memory import BASE_BYTES, memory_need
from tests.unit.adapters.backends.test_gguf_header import entry, text

QWEN_1_5B = GgufShape(context_tokens=32768, cached_values=28 * 2 * (128 + 128), vocabulary_tokens=151936)


def number(key: str, value: int) -> bytes:
    return entry(key, 4, struct.pack("<I", value))


def written(path: Path, *entries: bytes) -> Path:
    path.write_bytes(b"GGUF" + struct.pack("<IQQ", 3, 0, len(entries)) + b"".join(entries))
    return path


def test_the_cache_takes_two_bytes_for_each_key_and_value_of_each_layer() -> None:
    need = memory_need(QWEN_1_5B, size_bytes=1_117_320_768, window_tokens=8192)
    assert (
        need.cache_bytes == 8192 * 28 * (2 * 128 + 2 * 128) * 2
    )  # Qwen2.5 1.5B: 2 heads of 128 in 28 layers
    assert need.total_bytes == 1_117_320_768 + need.cache_bytes + BASE_BYTES + 512 * 151936 * 4


def test_the_window_is_at_most_what_the_model_was_made_for() -> None:
    need = memory_need(
        GgufShape(context_tokens=2048, cached_values=1, vocabulary_tokens=1), size_bytes=1, window_tokens=8192
    )
    assert need.window_tokens == 2048


def test_the_shape_is_read_of_the_head(tmp_path: Path) -> None:
    model = written(
        tmp_path / "m.gguf",
        entry("general.architecture", 8, text("qwen2")),
        number("qwen2.context_length", 32768),
        number("qwen2.block_count", 28),
        number("qwen2.embedding_length", 1536),
        number("qwen2.attention.head_count", 12),
        number("qwen2.attention.head_count_kv", 2),
        entry("tokenizer.ggml.tokens", 9, struct.pack("<IQ", 8, 151936)),  # its words are not read
    )
    assert read_shape(model) == QWEN_1_5B


def test_heads_that_differ_by_layer_and_lengths_of_their_own_count(tmp_path: Path) -> None:
    model = written(
        tmp_path / "m.gguf",
        entry("general.architecture", 8, text("x")),
        number("x.block_count", 3),
        number("x.embedding_length", 64),
        entry("x.attention.head_count", 9, struct.pack("<IQ3I", 4, 3, 4, 8, 8)),
        entry("x.attention.head_count_kv", 9, struct.pack("<IQ3I", 4, 3, 0, 1, 2)),
        number("x.attention.key_length", 16),
        number("x.attention.value_length", 32),
        number("x.vocab_size", 99),
    )
    assert read_shape(model) == GgufShape(context_tokens=0, cached_values=3 * 48, vocabulary_tokens=99)


def test_a_file_that_says_nothing_has_an_unknown_shape(tmp_path: Path) -> None:
    model = written(tmp_path / "m.gguf", entry("general.architecture", 8, text("x")))
    assert read_shape(model) == GgufShape(context_tokens=0, cached_values=0, vocabulary_tokens=0)
