"""Opens what the proxy serves, from settings.

Invariant: what can be wrong is found before anything is served.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from nebulus.app import bootstrap
from nebulus.app.settings import Settings
from nebulus.core.errors import BackendError, ConfigError
from nebulus.core.tiers import StepKind
from nebulus.guard.check import Scene
from nebulus.ports.backend import ModelBackend
from nebulus.proxy.guarding import AGENT, CallGuard
from nebulus.proxy.upstream import ServedTier, Upstream
from nebulus.runtime.redaction import redacted_logs


@asynccontextmanager
async def open_upstream(
    settings: Settings, folder: Path, *, backends: Mapping[str, ModelBackend] | None = None
) -> AsyncIterator[Upstream]:
    """Connect to the model of every tier that may execute steps, and close them at the end.

    `folder` is where paths in the settings begin, and where clients' paths are judged. `backends` are used by tier in place of those that the settings name; they are not closed.

    Raises:
        ConfigError: a model can't be reached, or a setting or the policy can't be meant.
    """
    guard = _guard(settings, folder)
    given = dict(backends or {})
    own: dict[str, ModelBackend] = {}
    tiers: dict[str, ServedTier] = {}
    secrets = bootstrap.secrets(settings)
    with redacted_logs(secrets):
        try:
            for name, tier in settings.tiers.items():
                if StepKind.EXECUTE not in tier.kinds:
                    continue
                backend = given.get(name)
                if backend is None:
                    backend = own[name] = bootstrap.backend(tier.backend())
                tiers[name] = await _served(name, backend, settings)
            folds = settings.serve.history == "fold"
            yield Upstream(tiers, limits=settings.limits, guard=guard, folds=folds, secrets=secrets)
        finally:
            for backend in own.values():
                await backend.close()


def _guard(settings: Settings, folder: Path) -> CallGuard:
    policy_of = bootstrap.client_policy(settings, folder)
    agents = (AGENT, *settings.tiers)
    return CallGuard(
        settings.serve.tools,
        policy_for=(lambda specs: policy_of(Scene(specs=specs, agents=agents))) if policy_of else None,
        workspace=bootstrap.client_workspace(settings, folder),
    )


async def _served(name: str, backend: ModelBackend, settings: Settings) -> ServedTier:
    try:
        info = await backend.describe()
    except BackendError as error:
        raise ConfigError(f"tiers.{name}: {error}") from error
    tier = settings.tiers[name]
    if tier.reasoning_tokens and not info.reasons:
        raise ConfigError(
            f"tiers.{name}.reasoning_tokens={tier.reasoning_tokens}: {info.name} can't reason first; set it to 0"
        )
    return ServedTier(tier=tier.tier(name, info.window_tokens), backend=backend, info=info)
