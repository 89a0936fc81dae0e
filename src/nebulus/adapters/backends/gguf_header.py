"""The head of a GGUF file: enough to say what a model is, and that a file is not one.

Source: the GGUF specification, version 3 (ggml docs/gguf.md).
"""

import struct
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from msgspec import Struct

from nebulus.core.errors import ConfigError

MAGIC = b"GGUF"
VERSIONS = (2, 3)
_MOST_KEYS = 100_000
_MOST_TEXT_BYTES = 1 << 26
_MOST_NUMBERS = 4096
"""Longer arrays of numbers belong to the vocabulary, and are skipped."""
VOCABULARY = "tokenizer.ggml.tokens"

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


class GgufShape(Struct, frozen=True, kw_only=True):
    """What of a model decides how much memory it takes; 0 where the file does not say.

    `cached_values` is how many numbers the cache keeps for one token: the keys and values of all layers.
    """

    context_tokens: int
    cached_values: int
    vocabulary_tokens: int


def read_header(path: Path) -> GgufHeader:
    """Read the head of a model file; stops where both facts are known, before the vocabulary.

    Raises:
        ConfigError: there is no such file, or it is not a GGUF file, or its head is damaged.
    """
    architecture, context = "", 0
    for key, value in _pairs(path):
        if key == "general.architecture":
            architecture = str(value)
        elif key == f"{architecture}.context_length":
            context = int(value)
            break
    return GgufHeader(architecture=architecture, context_tokens=context, size_bytes=path.stat().st_size)


def read_shape(path: Path) -> GgufShape:
    """Read of a model file what decides its memory; stops before the words of the vocabulary.

    Raises:
        ConfigError: as `read_header`.
    """
    known: dict[str, Any] = {}
    for key, value in _pairs(path):
        known[key.split(".", 1)[-1] if key.startswith(f"{known.get('architecture')}.") else key] = value
        if key == "general.architecture":
            known["architecture"] = value
        if key == VOCABULARY:
            break
    layers, heads = _number(known.get("block_count")), known.get("attention.head_count")
    key_heads = known.get("attention.head_count_kv", heads)
    per_layer = key_heads if isinstance(key_heads, list) else [key_heads] * layers
    width = _number(known.get("embedding_length")) // max(1, _number(heads))
    values = sum(_number(known.get(f"attention.{name}")) or width for name in ("key_length", "value_length"))
    return GgufShape(
        context_tokens=_number(known.get("context_length")),
        cached_values=sum(_number(count) for count in per_layer) * values,
        vocabulary_tokens=_number(known.get("vocab_size")) or _number(known.get(VOCABULARY)),
    )


def read_values(path: Path, keys: Collection[str]) -> dict[str, Any]:
    """Return those of `keys` that the head of a model file has, with their values; reads over the vocabulary.

    Raises:
        ConfigError: as `read_header`.
    """
    found: dict[str, Any] = {}
    for key, value in _pairs(path):
        if key in keys:
            found[key] = value
            if len(found) == len(keys):
                break
    return found


def _number(value: Any) -> int:
    """Return a whole number, the largest of a list, 0 for anything else."""
    if isinstance(value, list):
        return max(map(_number, value), default=0)
    return value if isinstance(value, int) else 0


def _pairs(path: Path) -> Iterator[tuple[str, Any]]:
    """Yield keys and values; of a list of texts its length, before its texts are read over.

    Raises:
        ConfigError: there is no such file, or it is not a GGUF file, or its head is damaged.
    """
    try:
        with path.open("rb") as file:
            yield from _read(file, path)
    except OSError as error:
        raise ConfigError(f"can't read the model {path}: {error.strerror or error}") from error
    except (struct.error, UnicodeDecodeError, KeyError, ValueError) as error:
        raise ConfigError(
            f"the model {path} is damaged: its head ends early or it is not a GGUF file", fix="fetch it again"
        ) from error


def _read(file: BinaryIO, path: Path) -> Iterator[tuple[str, Any]]:
    if file.read(4) != MAGIC:
        raise ConfigError(
            f"{path} is not a GGUF file: it does not begin with GGUF", fix="give the path of a .gguf model"
        )
    version, _tensors, keys = _take(file, "<IQQ")
    if version not in VERSIONS or keys > _MOST_KEYS:
        raise ConfigError(
            f"{path} is GGUF version {version}", fix=f"versions {VERSIONS} can be read: convert it again"
        )
    for _ in range(keys):
        key, kind = _text(file), _take(file, "<I")[0]
        if kind != _ARRAY:
            yield key, _text(file) if kind == _TEXT else _take(file, _SCALARS[kind])[0]
            continue
        inner, count = _take(file, "<IQ")
        if inner != _TEXT:
            yield key, _numbers(file, _SCALARS[inner], count)
            continue
        yield key, count
        for _ in range(count):
            _text(file)


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


def _numbers(file: BinaryIO, layout: str, count: int) -> list[Any] | None:
    if count <= _MOST_NUMBERS:
        return [_take(file, layout)[0] for _ in range(count)]
    file.seek(struct.calcsize(layout) * count, 1)
    return None
