"""What was measured of the models of a run: their profiles, and what those say about success.

Like `bootstrap`, it names adapters, and imports them where they are used.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from nebulus.adapters.backends.hub_files import is_hub_name
from nebulus.app import bootstrap
from nebulus.app.settings import Settings, TierSettings, tier_name
from nebulus.ceiling.forecast import skill_of
from nebulus.ceiling.profile import ModelIdentity
from nebulus.core.demand import Skill
from nebulus.core.routes import RouteMode

if TYPE_CHECKING:
    from nebulus.adapters.profiles.store import ProfileStore


def profiles(folder: Path | None = None) -> "ProfileStore":
    """Return the profiles of models in `folder`, those of this user if none is given."""
    from nebulus.adapters.profiles.store import ProfileStore

    return ProfileStore(folder)


def skills(settings: Settings, *, today: str = "") -> dict[str, Skill]:
    """Return what was measured of each tier; nothing where no choice depends on that.

    A stale profile counts as none. With `today` (YYYY-MM-DD), what was seen in runs long ago counts less.

    Raises:
        ConfigError: a profile, or the file of a model, can't be read.
    """
    route = settings.route
    if route.mode is not RouteMode.MEASURED and route.most_seconds is None and route.most_usd is None:
        return {}
    store, found = profiles(), {}
    for name, tier in settings.tiers.items():
        model = model_identity(tier)
        profile = store.find(model)
        if profile is not None and profile.rows and not profile.model.changes(model):
            found[name] = skill_of(profile, today=today)
    return found


def model_identity(tier: TierSettings) -> ModelIdentity:
    """Return which model a tier is, as far as that is known without asking a server or fetching a file.

    Raises:
        ConfigError: its file can't be read, or is not a model.
    """
    known = short_identity(tier)
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


def short_identity(tier: TierSettings) -> ModelIdentity:
    """Return what the settings alone say about which model a tier is: what its profile is called by."""
    return ModelIdentity(
        name=tier_name(tier.model), tool_form=tier.tool_form, reasoning_tokens=tier.reasoning_tokens
    )
