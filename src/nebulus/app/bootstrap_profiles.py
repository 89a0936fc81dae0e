"""What was measured of the models of a run: their profiles, and what those say about success.

Like `bootstrap`, it names adapters, and imports them where they are used.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from nebulus.adapters.backends.hub_files import is_hub_name
from nebulus.app import bootstrap
from nebulus.app.settings import Settings, TierSettings, tier_name
from nebulus.ceiling.forecast import estimator
from nebulus.ceiling.profile import ModelIdentity
from nebulus.core.demand import Demand, Estimate
from nebulus.core.routes import RouteMode

if TYPE_CHECKING:
    from nebulus.adapters.profiles.store import ProfileStore


def profiles(folder: Path | None = None) -> "ProfileStore":
    """Return the profiles of models in `folder`, those of this user if none is given."""
    from nebulus.adapters.profiles.store import ProfileStore

    return ProfileStore(folder)


def skills(settings: Settings) -> dict[str, Callable[[Demand], Estimate]]:
    """Return what estimates the success of each tier that was measured; nothing where the ladder is climbed.

    A stale profile counts as none.

    Raises:
        ConfigError: a profile, or the file of a model, can't be read.
    """
    if settings.route.mode is not RouteMode.MEASURED:
        return {}
    store, found = profiles(), {}
    for name, tier in settings.tiers.items():
        model = model_identity(tier)
        profile = store.find(model)
        if profile is not None and profile.rows and not profile.model.changes(model):
            found[name] = estimator(profile)
    return found


def model_identity(tier: TierSettings) -> ModelIdentity:
    """Return which model a tier is, as far as that is known without asking a server or fetching a file.

    Raises:
        ConfigError: its file can't be read, or is not a model.
    """
    known = ModelIdentity(
        name=tier_name(tier.model), tool_form=tier.tool_form, reasoning_tokens=tier.reasoning_tokens
    )
    settings = tier.backend()
    if settings.kind != "embedded":
        return known
    path = (
        bootstrap.hub().cache.find(settings.path)
        if is_hub_name(settings.path)
        else bootstrap.model_path(settings.path)
    )
    if path is None:
        return known
    from nebulus.adapters.backends.embedded import template_text
    from nebulus.adapters.backends.model_identity import file_facts, text_digest

    facts = file_facts(path)
    return replace(
        known,
        digest=facts.digest,
        quantisation=facts.quantisation,
        template=text_digest(template_text(tier.chat_template)) or facts.template,
        backend="embedded llama.cpp",
    )
