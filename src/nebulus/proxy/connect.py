"""The settings with which known clients use the proxy.

Invariant: pure; what is written into a client's file is merged with what is there.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Struct

from nebulus.core.errors import ConfigError
from nebulus.core.unreadable import UNREADABLE

BEGIN, END = "# >>> nebulus", "# <<< nebulus"
"""Around what is written into files that are not JSON."""


class Target(Struct, frozen=True, kw_only=True):
    """The proxy as a client needs to know it."""

    url: str
    model: str = "nebulus"
    window_tokens: int = 0
    """The window of the model, 0 where it is not known."""
    key: str = "nebulus"
    """What is given as the API key. Without a token of the proxy, anything will do."""


class ModelEntry(Struct, frozen=True):
    """What the proxy tells of a model; the rest is not looked at."""

    context_length: Annotated[int, msgspec.Meta(ge=0)]


class ClientSettings(Struct, frozen=True, kw_only=True):
    """What to set in one client."""

    variables: dict[str, str] = {}
    """Environment variables."""
    file: str = ""
    """The client's file, relative to the folder of the project, or to the home folder if it begins with ~."""
    form: Literal["json", "block"] = "json"
    """How `content` is put into the file: merged as JSON, or as a marked block at its end."""
    content: Any = None
    then: str = ""
    """What to do after that."""


def clients() -> tuple[str, ...]:
    """Return the names of the clients whose settings are known."""
    return tuple(_CLIENTS)


def settings_of(client: str, target: Target) -> ClientSettings:
    """Return what to set in `client`.

    Raises:
        ConfigError: it is not known.
    """
    if client not in _CLIENTS:
        raise ConfigError(f"the settings of {client!r} are not known; there are {', '.join(clients())}")
    return _CLIENTS[client](target)


def merged(before: str, settings: ClientSettings) -> str:
    """Return the text of the client's file with the settings in it; `before` is its text now, "" for none.

    Raises:
        ConfigError: the file is not what the client's files are.
    """
    if settings.form == "block":
        rest = without_block(before)
        return f"{rest}{'' if not rest or rest.endswith(chr(10)) else chr(10)}{BEGIN}\n{settings.content}\n{END}\n"
    try:
        known = msgspec.json.decode(before) if before.strip() else {}
    except UNREADABLE as error:
        raise ConfigError(f"{settings.file} is not plain JSON ({error}); set it by hand") from error
    if not isinstance(known, dict):
        raise ConfigError(f"{settings.file} is not a JSON object; set it by hand")
    return (
        msgspec.json.format(msgspec.json.encode(_joined(known, settings.content)), indent=2).decode() + "\n"
    )


def without_block(text: str) -> str:
    """Return `text` without our block."""
    start, end = text.find(BEGIN), text.find(END)
    if start < 0 or end < start:
        return text
    return text[:start] + text[end + len(END) :].removeprefix("\n")


def _joined(known: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    joined = dict(known)
    for name, value in more.items():
        here = joined.get(name)
        joined[name] = _joined(here, value) if isinstance(here, dict) and isinstance(value, dict) else value
    return joined


def _claude_code(target: Target) -> ClientSettings:
    """Source: Claude Code's documentation, settings and model configuration; run against the proxy."""
    variables = {
        "ANTHROPIC_BASE_URL": target.url,
        "ANTHROPIC_AUTH_TOKEN": target.key,
        "ANTHROPIC_MODEL": target.model,
        "ANTHROPIC_SMALL_FAST_MODEL": target.model,
        **{f"ANTHROPIC_DEFAULT_{size}_MODEL": target.model for size in ("OPUS", "SONNET", "HAIKU")},
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    }
    if target.window_tokens:  # it takes an unknown model's window for a million tokens
        variables["CLAUDE_CODE_AUTO_COMPACT_WINDOW"] = str(target.window_tokens)
    return ClientSettings(
        variables=variables,
        file=".claude/settings.local.json",
        content={"env": variables},
        then="start claude in this folder",
    )


def _codex(target: Target) -> ClientSettings:
    """Source: Codex' documentation, configuration; run against the proxy."""
    window = f"model_context_window = {target.window_tokens}\n" if target.window_tokens else ""
    profile = (
        f'model_provider = "nebulus"\nmodel = "{target.model}"\n{window}\n[model_providers.nebulus]\n'
        f'name = "Nebulus"\nbase_url = "{target.url}/v1"\nwire_api = "responses"\nenv_key = "NEBULUS_KEY"'
    )
    return ClientSettings(
        variables={"NEBULUS_KEY": target.key},
        file="~/.codex/nebulus.config.toml",
        form="block",
        content=profile,
        then="start codex --profile nebulus",
    )


def _opencode(target: Target) -> ClientSettings:
    """Source: opencode's documentation, providers; run against the proxy."""
    limit = {"limit": {"context": target.window_tokens, "output": target.window_tokens // 2}}
    model = {"name": target.model, **(limit if target.window_tokens else {})}
    provider = {
        "npm": "@ai-sdk/openai-compatible",
        "name": "Nebulus",
        "options": {"baseURL": f"{target.url}/v1", "apiKey": target.key},
        "models": {target.model: model},
    }
    content = {"provider": {"nebulus": provider}, "model": f"nebulus/{target.model}"}
    return ClientSettings(file="opencode.json", content=content, then="start opencode in this folder")


def _openai_variables(target: Target, *, base: str = "OPENAI_BASE_URL", **more: str) -> dict[str, str]:
    return {base: f"{target.url}/v1", "OPENAI_API_KEY": target.key, **more}


def _qwen_code(target: Target) -> ClientSettings:
    """Source: qwen-code's documentation, OpenAI-compatible authentication; run against the proxy."""
    variables = _openai_variables(target, OPENAI_MODEL=target.model)
    return ClientSettings(variables=variables, then="start qwen --auth-type openai")


def _aider(target: Target) -> ClientSettings:
    """Source: aider's documentation, OpenAI compatible APIs; not run here."""
    variables = _openai_variables(target, base="OPENAI_API_BASE")
    return ClientSettings(variables=variables, then=f"start aider --model openai/{target.model}")


def _openai(target: Target) -> ClientSettings:
    """Source: the OpenAI SDK's README."""
    return ClientSettings(variables=_openai_variables(target), then=f'give model="{target.model}"')


def _anthropic(target: Target) -> ClientSettings:
    """Source: the Anthropic SDK's README."""
    variables = {"ANTHROPIC_BASE_URL": target.url, "ANTHROPIC_API_KEY": target.key}
    return ClientSettings(variables=variables, then=f'give model="{target.model}"')


_CLIENTS = MappingProxyType(
    {
        "claude-code": _claude_code,
        "codex": _codex,
        "opencode": _opencode,
        "qwen-code": _qwen_code,
        "aider": _aider,
        "openai": _openai,
        "anthropic": _anthropic,
    }
)
