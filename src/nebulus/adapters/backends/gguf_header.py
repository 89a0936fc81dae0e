"""The head of a GGUF file: enough to say what a model is, and that a file is not one.

Source: the GGUF specification, version 3 (ggml docs/gguf.md).
"""

import struct
from pathlib import Path
from typing import Any, BinaryIO

from msgspec import Struct

from nebulus.core.errors import ConfigError

MAGIC = b"GGUF"
VERSIONS = (2, 3)
_MOST_KEYS = 100_000
_MOST_TEXT_BYTES = 1 << 26

_SCALARS = {
    0: "<B",
    1: "<b",
    2: "<H",
    3: "<h",
    4: "<I",
    5: "<i",
    6: "<f",
    7: "<?",
    10: "<Q",
    11: "<q",
    12: "<d",
}
_TEXT, _ARRAY = 8, 9


class GgufHeader(Struct, frozen=True, kw_only=True):
    """A model file. `context_tokens` is what it was made for, 0 if the file does not say."""

    architecture: str
    context_tokens: int
    size_bytes: int


def read_header(path: Path) -> GgufHeader:
    """Read the head of a model file; stops where both facts are known, before the vocabulary.

    Raises:
        ConfigError: there is no such file, or it is not a GGUF file, or its head is damaged.
    """
    try:
        with path.open("rb") as file:
            return _read(file, path)
    except OSError as error:
        raise ConfigError(f"can't read the model {path}: {error.strerror or error}") from error
    except (struct.error, UnicodeDecodeError, KeyError, ValueError) as error:
        raise ConfigError(
            f"the model {path} is damaged: its head ends early or it is not a GGUF file; fetch it again"
        ) from error


def _read(file: BinaryIO, path: Path) -> GgufHeader:
    if file.read(4) != MAGIC:
        raise ConfigError(
            f"{path} is not a GGUF file: it does not begin with GGUF; give the path of a .gguf model"
        )
    version, _tensors, keys = _take(file, "<IQQ")
    if version not in VERSIONS or keys > _MOST_KEYS:
        raise ConfigError(
            f"{path} is GGUF version {version}; versions {VERSIONS} can be read: convert it again"
        )
    architecture, context = "", 0
    for _ in range(keys):
        key, value = _text(file), _value(file, _take(file, "<I")[0])
        if key == "general.architecture":
            architecture = str(value)
        elif key == f"{architecture}.context_length":
            context = int(value)
            break
    return GgufHeader(architecture=architecture, context_tokens=context, size_bytes=path.stat().st_size)


def _take(file: BinaryIO, layout: str) -> tuple[Any, ...]:
    return struct.unpack(layout, file.read(struct.calcsize(layout)))


def _text(file: BinaryIO) -> str:
    (length,) = _take(file, "<Q")
    if length > _MOST_TEXT_BYTES:
        raise ValueError(length)
    data = file.read(length)
    if len(data) != length:
        raise ValueError(length)
    return data.decode()


def _value(file: BinaryIO, kind: int) -> Any:
    if kind == _TEXT:
        return _text(file)
    if kind != _ARRAY:
        return _take(file, _SCALARS[kind])[0]
    inner, count = _take(file, "<IQ")
    if inner == _TEXT:
        for _ in range(count):
            _text(file)
    else:
        file.seek(struct.calcsize(_SCALARS[inner]) * count, 1)
    return None
