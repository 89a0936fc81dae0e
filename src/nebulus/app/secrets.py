"""The secrets that settings name, with their values."""

import os

from nebulus.app.settings import Settings
from nebulus.core.errors import ConfigError
from nebulus.guard.secrets import LEAST_CHARS, Secret, Secrets


def secrets(settings: Settings) -> Secrets:
    """Return the secrets that `settings` name, with their values.

    The keys of model servers are among them, except a placeholder too short to be one; so is what MCP servers get.

    Raises:
        ConfigError: one is not set, or too short to be told from ordinary text.
    """
    keys = sorted({tier.api_key_env for tier in settings.tiers.values()})
    granted: dict[str, tuple[str, ...]] = {
        name: () for name in keys if len(os.environ.get(name, "")) >= LEAST_CHARS
    }
    granted |= {name: () for server in settings.mcp.values() for name in server.variables}
    granted |= settings.secrets
    known = []
    for name, tools in granted.items():
        value = os.environ.get(name, "")
        if len(value) < LEAST_CHARS:
            what = f"has {len(value)} characters; {LEAST_CHARS} are the least" if value else "is not set"
            raise ConfigError(f"the secret {name} {what}", fix="set it in the environment, or remove it")
        known.append(Secret(name, value, tools))
    return Secrets(tuple(known))
