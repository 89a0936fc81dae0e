"""What tells one model file from another: a digest of samples, how the weights are stored, the chat template.

Invariant: the same file has the same identity on every machine; finding it out takes well under a second.
"""

import hashlib
from pathlib import Path

from msgspec import Struct

from nebulus.adapters.backends.gguf_header import read_values
from nebulus.core.errors import ConfigError

SAMPLES = 256
SAMPLE_BYTES = 16_384
_FILE_TYPES = {
    0: "F32", 1: "F16", 2: "Q4_0", 3: "Q4_1", 7: "Q8_0", 8: "Q5_0", 9: "Q5_1", 10: "Q2_K", 11: "Q3_K_S", 12: "Q3_K_M",
    13: "Q3_K_L", 14: "Q4_K_S", 15: "Q4_K_M", 16: "Q5_K_S", 17: "Q5_K_M", 18: "Q6_K", 19: "IQ2_XXS", 20: "IQ2_XS",
    21: "Q2_K_S", 22: "IQ3_XS", 23: "IQ3_XXS", 24: "IQ1_S", 25: "IQ4_NL", 26: "IQ3_S", 27: "IQ3_M", 28: "IQ2_S",
    29: "IQ2_M", 30: "IQ4_XS", 31: "IQ1_M", 32: "BF16",
}  # fmt: skip
"""Source: `llama_ftype` in llama.cpp's include/llama.h."""


class ModelFileFacts(Struct, frozen=True, kw_only=True):
    """What a model file is, in short; "" for what it does not say."""

    digest: str
    quantisation: str
    template: str
    """The digest of its chat template."""


def file_facts(path: Path) -> ModelFileFacts:
    """Return what tells the model file at `path` from others.

    Raises:
        ConfigError: it can't be read, or is not a GGUF file.
    """
    values = read_values(path, ("general.file_type", "tokenizer.chat_template"))
    file_type = values.get("general.file_type")
    return ModelFileFacts(
        digest=sampled_digest(path),
        quantisation=_FILE_TYPES.get(file_type, f"type {file_type}") if file_type is not None else "",
        template=text_digest(str(values.get("tokenizer.chat_template", ""))),
    )


def sampled_digest(path: Path) -> str:
    """Return a SHA-256 of the file's size and of samples spread evenly over it, shortened: reading gigabytes takes long.

    Raises:
        ConfigError: it can't be read.
    """
    try:
        size = path.stat().st_size
        digest = hashlib.sha256(str(size).encode())
        with path.open("rb") as file:
            for number in range(SAMPLES):
                file.seek(max(0, size - SAMPLE_BYTES) * number // (SAMPLES - 1))
                digest.update(file.read(SAMPLE_BYTES))
    except OSError as error:
        raise ConfigError(f"can't read the model {path}: {error.strerror}") from error
    return digest.hexdigest()[:16]


def text_digest(text: str) -> str:
    """Return a short digest of a text, "" for an empty one."""
    return hashlib.sha256(text.encode()).hexdigest()[:16] if text else ""
