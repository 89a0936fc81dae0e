"""A probe of one model: asks questions until it may ask no more, and keeps what it learnt after each.

Invariants: an interrupted probe goes on where it was; an answer that never came is not counted as a wrong one; a profile
of another model is never added to.
"""

from collections.abc import Callable
from typing import Protocol

from msgspec import Struct
from msgspec.structs import replace

from nebulus.app import bootstrap_profiles
from nebulus.app.probe_runs import ItemResult, ask_item
from nebulus.app.settings import Settings
from nebulus.ceiling.probe_plan import STANDARD, ItemSource, next_group, widest_spread
from nebulus.ceiling.profile import Cost, ModelIdentity, Profile, Row, day_of
from nebulus.core.errors import BackendError, ConfigError
from nebulus.ports.backend import ModelBackend
from nebulus.ports.world import Clock

MOST_QUESTIONS = 120
MOST_MINUTES = 20.0
MEASURED_FIRST = 5
"""Questions after which a probe says how long all of them will take."""


class ProbeLimits(Struct, frozen=True, kw_only=True):
    """When a probe ends: after so many questions, counting those of earlier calls, or after so many minutes of this one."""

    questions: int = MOST_QUESTIONS
    minutes: float = MOST_MINUTES


class ProbeStep(Struct, frozen=True, kw_only=True):
    """How far a probe is."""

    question: str
    """The name of the question that was answered last."""
    is_right: bool
    asked: int
    """Questions answered so far, in this call and earlier ones."""
    most: int
    """Questions after which it ends."""
    elapsed_s: float
    """How long this call has taken so far."""
    left_s: float
    """How long it will still take, judged by the questions of this call."""
    spread: float
    """The standard deviation of the success rate that is least certain."""
    ended: str = ""
    """How the run of the question ended, in one line."""


class Store(Protocol):
    """Where a profile is kept."""

    def find(self, model: ModelIdentity) -> Profile | None:
        """Return the profile of `model`, None if there is none."""

    def write(self, profile: Profile) -> object:
        """Replace the profile of a model."""


class Probe:
    """A probe of `tier` of `settings`, which `backend` serves."""

    def __init__(
        self,
        tier: str,
        settings: Settings,
        backend: ModelBackend,
        *,
        store: Store,
        clock: Clock,
        source: ItemSource = STANDARD,
    ) -> None:
        self._tier, self._settings, self._backend = tier, settings, backend
        self._store, self._clock, self._source = store, clock, source
        self.stale: tuple[str, ...] = ()
        """What has changed about the model since it was measured before; that profile is replaced."""
        self.resumed = 0
        """Questions that an earlier call has asked already."""

    async def open(self, *, is_fresh: bool = False) -> Profile:
        """Return the profile to begin with: what is known of this very model, else an empty one.

        `is_fresh` begins again whatever is known. Nothing is written yet.

        Raises:
            ConfigError: the model or its profile can't be read, or the server can't be reached.
        """
        model = bootstrap_profiles.model_identity(self._settings.tiers[self._tier])
        try:
            info = await self._backend.describe()
        except BackendError as error:
            raise ConfigError(f"{model.name} can't be measured: {error}") from error
        model = replace(model, backend=model.backend or info.name)
        known = None if is_fresh else self._store.find(model)
        if known is not None:
            self.stale = known.model.changes(model)
        if known is None or self.stale:
            return Profile(model=model, window_tokens=info.window_tokens)
        self.resumed = known.asked
        return known

    async def run(
        self, profile: Profile, limits: ProbeLimits, *, watch: Callable[[ProbeStep], None]
    ) -> Profile:
        """Ask until a limit is reached, and return the profile; it is written after each question.

        Raises:
            ConfigError: a question does not fit the model's window, or the profile can't be written.
            BackendError: the server stopped answering; what was learnt until then is kept.
        """
        began_s, before = self._clock.now_s(), profile.asked
        while profile.asked < limits.questions:
            elapsed_s = self._clock.now_s() - began_s
            if elapsed_s >= limits.minutes * 60:
                break
            group = next_group(self._source, profile.tallies)
            known = profile.tallies.get(group)
            item = self._source.make(group, known.asked if known else 0)
            asked_s = self._clock.now_s()
            result = await ask_item(item, self._settings, self._backend, tier=self._tier)
            took_s = self._clock.now_s() - asked_s
            profile = profile.with_question(group, result.is_right, self._rows(result), seconds=took_s)
            self._store.write(profile)
            elapsed_s = self._clock.now_s() - began_s
            each_s = elapsed_s / (profile.asked - before)
            left_s = min(each_s * (limits.questions - profile.asked), limits.minutes * 60 - elapsed_s)
            watch(
                ProbeStep(
                    question=item.name,
                    is_right=result.is_right,
                    asked=profile.asked,
                    most=limits.questions,
                    elapsed_s=elapsed_s,
                    left_s=max(0.0, left_s),
                    spread=widest_spread(self._source, profile.tallies),
                    ended=result.ended,
                )
            )
        return profile

    def _rows(self, result: ItemResult) -> list[Row]:
        """Return the pieces of work of a question as rows of a profile."""
        return [
            Row(
                demand=judged.work.demand,
                trials=1,
                right=int(judged.is_right),
                cost=Cost(
                    answers=judged.work.answers,
                    prompt_tokens=judged.work.prompt_tokens,
                    completion_tokens=judged.work.completion_tokens,
                    seconds=judged.work.seconds,
                ),
                day=day_of(self._clock.time_s()),
            )
            for judged in result.judged
            if judged.work.demand is not None
        ]


def require_limits(limits: ProbeLimits) -> None:
    """Refuse limits that end a probe before it begins.

    Raises:
        ConfigError: one is not positive.
    """
    if limits.questions < 1:
        raise ConfigError(
            f"--max-questions={limits.questions} asks nothing", fix="give a whole number, at least 1"
        )
    if limits.minutes <= 0:
        raise ConfigError(f"--minutes={limits.minutes:g} leaves no time", fix="give a number greater than 0")
