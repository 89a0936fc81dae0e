"""The head of a model file: read, or refused with a reason."""

import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nebulus.adapters.backends.gguf_header import GgufHeader, read_header
from nebulus.core.errors import ConfigError


def text(value: str) -> bytes:
    return struct.pack("<Q", len(value.encode())) + value.encode()


def entry(key: str, kind: int, value: bytes) -> bytes:
    return text(key) + struct.pack("<I", kind) + value


GOOD = b"".join([
    b"GGUF", struct.pack("<IQQ", 3, 0, 5),
    entry("general.architecture", 8, text("llama")),
    entry("some.flags", 9, struct.pack("<IQ", 4, 2) + struct.pack("<II", 1, 2)),
    entry("some.words", 9, struct.pack("<IQ", 8, 2) + text("a") + text("b")),
    entry("llama.context_length", 4, struct.pack("<I", 8192)),
    entry("never.read", 99, b""),
])  # fmt: skip


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return tmp_path / "model.gguf"


def test_architecture_and_window_are_read_and_the_rest_is_left_alone(model: Path) -> None:
    model.write_bytes(GOOD)
    assert read_header(model) == GgufHeader(architecture="llama", context_tokens=8192, size_bytes=len(GOOD))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "not a GGUF file"),
        (b"PK\x03\x04zip", "not a GGUF file"),
        (b"GGUF\x01", "damaged"),
        (b"GGUF" + struct.pack("<IQQ", 9, 0, 0), "version 9"),
    ],
)
def test_what_is_no_model_is_refused_with_its_path(model: Path, content: bytes, says: str) -> None:
    model.write_bytes(content)
    with pytest.raises(ConfigError, match=says) as caught:
        read_header(model)
    assert str(model) in str(caught.value)


def test_a_file_that_is_not_there_is_said_to_be_missing(model: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        read_header(model)


@given(cut=st.integers(4, len(GOOD) - 40), flip=st.integers(4, len(GOOD) - 1), value=st.integers(0, 255))
def test_a_damaged_head_is_refused_or_read_and_never_anything_else(
    tmp_path_factory: pytest.TempPathFactory, cut: int, flip: int, value: int
) -> None:
    model = tmp_path_factory.mktemp("gguf") / "model.gguf"
    damaged = bytearray(GOOD)
    damaged[flip] = value
    for content in (GOOD[:cut], bytes(damaged)):
        model.write_bytes(content)
        try:
            read_header(model)
        except ConfigError as error:
            assert str(model) in str(error)
