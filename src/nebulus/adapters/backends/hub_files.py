"""Models on a Hugging Face hub: how one is named, and which of a repository's files that name means.

Invariants: pure; a name that fits several files, or none, is an error that lists what there is.
"""

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from msgspec import Struct

from nebulus.core.errors import ConfigError

PREFIX = "hf:"
DEFAULT_QUANT = "Q4_K_M"
"""What a name without a quantisation means, where the repository has it: the usual choice for 8B models."""

LISTED = 20
"""Most files that an error lists."""

_NAME = re.compile(r"hf:(?P<repo>[\w.-]+/[\w.-]+)(?::(?P<file>[^\s:]+))?", re.ASCII)
_PART = re.compile(r"-(?P<number>\d{5})-of-(?P<count>\d{5})$")
_QUANT = re.compile(r"(?:UD-)?(?:T?Q\d|IQ\d)\w*|MXFP4\w*|NVFP4\w*|BF16|FP?16|FP?32", re.IGNORECASE)
_NOT_MODELS = re.compile(r"(?:^|[-._])(?:mmproj|imatrix)(?:[-._]|$)", re.IGNORECASE)
"""Parts of models that see, and statistics for quantising: GGUF files, but not models that can be run."""


class HubName(Struct, frozen=True):
    """What `hf:OWNER/REPO:WHICH` names. `which` is a quantisation or the path of a file, "" for the default."""

    repo: str
    which: str = ""

    def __str__(self) -> str:
        return f"{PREFIX}{self.repo}" + (f":{self.which}" if self.which else "")


class HubFile(Struct, frozen=True):
    """A file of a repository. `sha256` is "" where the hub gives none: the file is not in LFS."""

    path: str
    size_bytes: int
    sha256: str = ""


class HubModel(Struct, frozen=True):
    """A model: its files, in the order of their parts; llama.cpp is given the first and finds the others."""

    quant: str
    files: tuple[HubFile, ...]

    @property
    def size_bytes(self) -> int:
        """The size of all parts."""
        return sum(file.size_bytes for file in self.files)


def is_safe(file: HubFile) -> bool:
    """Whether a file keeps to its place in the cache: what a hub says becomes names of files here."""
    parts = re.split(r"[/\\]", file.path)
    return not {"", ".", ".."} & set(parts) and re.fullmatch("[0-9a-f]{64}|", file.sha256) is not None


def is_hub_name(text: str) -> bool:
    """Whether `text` is meant as the name of a model on a hub; it may still be malformed."""
    return text.startswith(PREFIX)


def read_name(text: str) -> HubName:
    """Return what `text`, such as `hf:OWNER/REPO:Q4_K_M`, names.

    Raises:
        ConfigError: it is not such a name.
    """
    match = _NAME.fullmatch(text)
    if match is None:
        raise ConfigError(
            f"{text!r} does not name a model on Hugging Face",
            fix=f"write hf:OWNER/REPO:QUANT, such as "
            f"hf:Qwen/Qwen2.5-Coder-1.5B-Instruct-GGUF:{DEFAULT_QUANT}",
        )
    return HubName(match["repo"], match["file"] or "")


def cache_folder(environ: Mapping[str, str]) -> Path:
    """Return the folder that models are fetched to.

    Source: huggingface_hub 2.4, `constants.HF_HUB_CACHE`.
    """
    caches = Path(environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    home = environ.get("HF_HOME") or caches / "huggingface"
    chosen = environ.get("HF_HUB_CACHE") or environ.get("HUGGINGFACE_HUB_CACHE") or Path(home) / "hub"
    return Path(os.path.expandvars(chosen)).expanduser()


def models_among(files: Iterable[HubFile]) -> list[HubModel]:
    """Return the models among the files of a repository, by path; one with a missing part is left out."""
    groups: dict[str, list[HubFile]] = {}
    for file in sorted(files, key=lambda file: file.path):
        stem = file.path.rsplit("/", 1)[-1].removesuffix(".gguf")
        if file.path.endswith(".gguf") and not _NOT_MODELS.search(stem):
            groups.setdefault(whole_of(file.path), []).append(file)
    return [HubModel(quant_of(path), tuple(parts)) for path, parts in groups.items() if _iswhole_of(parts)]


def choose(name: HubName, models: list[HubModel]) -> HubModel:
    """Return the model that `name` means.

    Raises:
        ConfigError: none of `models`, or several, fit.
    """
    if not models:
        raise ConfigError(
            f"{name.repo} has no GGUF file", fix="name a repository that has (their names often end in -GGUF)"
        )
    found = fitting(name, models)
    if len(found) == 1:
        return found[0]
    if not name.which and len(models) == 1:
        return models[0]
    if len(found) > 1:
        wrong = (
            f"{name} fits {len(found)} files; name one of them by its path, as in hf:{name.repo}:FILE.gguf"
        )
        raise ConfigError(f"{wrong}: {_listed(found, by_path=True)}")
    wrong = (
        f"no {DEFAULT_QUANT}, which a name without a quantisation means"
        if not name.which
        else f"no {name.which}"
    )
    raise ConfigError(f"{name.repo} has {wrong}", fix=f"it has {_listed(models)}")


def fitting(name: HubName, models: Iterable[HubModel]) -> list[HubModel]:
    """Return the models whose quantisation or path is the one of `name`; case does not count."""
    wanted = (name.which or DEFAULT_QUANT).casefold()
    return [model for model in models if wanted in (model.quant.casefold(), model.files[0].path.casefold())]


def quant_of(path: str) -> str:
    """Return the quantisation that ends the name of a file, "" if none does."""
    stem = whole_of(path).rsplit("/", 1)[-1]
    starts = (0, *(mark.end() for mark in re.finditer(r"[-._]", stem)))
    return next((stem[start:] for start in starts if _QUANT.fullmatch(stem, start)), "")


def size_text(size_bytes: int) -> str:
    """Return a size as people read it, in decimal units like the hub's pages."""
    for unit, scale in (("GB", 1e9), ("MB", 1e6)):
        if size_bytes >= scale:
            return f"{size_bytes / scale:.1f} {unit}"
    return f"{size_bytes / 1e3:.1f} kB"


def whole_of(path: str) -> str:
    """Return the path of a file without its ending, and without which part of a model it is."""
    return _PART.sub("", path.removesuffix(".gguf"))


def _iswhole_of(parts: list[HubFile]) -> bool:
    match = _PART.search(parts[0].path.removesuffix(".gguf"))
    return len(parts) == (int(match["count"]) if match else 1)


def _listed(models: list[HubModel], *, by_path: bool = False) -> str:
    shown = [
        f"{model.files[0].path if by_path or not model.quant else model.quant} ({size_text(model.size_bytes)})"
        for model in models[:LISTED]
    ]
    more = f" and {len(models) - LISTED} more" if len(models) > LISTED else ""
    return ", ".join(shown) + more
