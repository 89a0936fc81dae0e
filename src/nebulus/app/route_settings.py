"""What a user sets about the choice among tiers, and what of it can't be meant."""

from collections.abc import Mapping
from typing import Literal, Protocol

from msgspec import Struct, field

from nebulus.core.demand import ErrorCost, WorkKind
from nebulus.core.errors import ConfigError
from nebulus.core.routes import AfterEscalation, RouteMode, RoutePolicy
from nebulus.core.text import nearest
from nebulus.core.tiers import StepKind

_STEP_KINDS = {
    WorkKind.PLAN: StepKind.PLAN,
    WorkKind.EXTRACT: StepKind.EXTRACT,
    WorkKind.ANSWER: StepKind.ANSWER,
}
"""What a tier must be configured for to do work of a kind; for the others, to execute steps."""


class RouteSettings(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Which tier is asked first: the smallest ("ladder"), by what was measured, or the one that is pinned.

    `read`, `reversible` and `irreversible` are the lower bounds of success that a tier needs, by what an error costs.
    `pins` names the tier for a kind of work, in any mode: `pins = { plan = "large" }`.

    `data = "private"` forbids all tiers that are on another machine; `private_tools` does so from the first call of one
    of these tools on. `most_usd` and `most_seconds` forbid tiers of which one answer is expected to cost or take more.
    Where that leaves no tier, the run is refused. `after_escalation` says where the step after one that needed a larger
    tier begins: with the smallest again ("return"), or with the larger one ("stay"). With `learns` on, what the checks of a
    run have proven is added to the profiles of its models, where there are profiles.
    """

    mode: RouteMode = RouteMode.LADDER
    pins: dict[WorkKind, str] = field(default_factory=dict)
    read: float = 0.6
    reversible: float = 0.75
    irreversible: float = 0.9
    data: Literal["", "private"] = ""
    private_tools: tuple[str, ...] = ()
    most_usd: float | None = None
    most_seconds: float | None = None
    after_escalation: AfterEscalation = AfterEscalation.RETURN
    learns: bool = True

    def policy(self) -> RoutePolicy:
        """Return these settings as a run's configuration contains them."""
        needed = {cost: getattr(self, cost.value) for cost in ErrorCost}
        return RoutePolicy(
            mode=self.mode,
            pins=self.pins,
            needed=needed,
            is_private=self.data == "private",
            private_tools=self.private_tools,
            most_usd=self.most_usd,
            most_seconds=self.most_seconds,
            after_escalation=self.after_escalation,
        )


class TierFacts(Protocol):
    """What the check must know about a tier."""

    @property
    def kinds(self) -> tuple[StepKind, ...]:
        """The kinds of work that it may do."""

    def is_elsewhere(self) -> bool:
        """Whether what is sent to it goes to another machine."""


def validate_route(route: RouteSettings, tiers: Mapping[str, TierFacts], source: str) -> None:
    """Reject what can't be meant.

    Raises:
        ConfigError: names the first such setting, and what would be right; messages begin with `source`.
    """
    for cost in ErrorCost:
        if not 0 <= getattr(route, cost.value) <= 1:
            raise ConfigError(
                f"{source}: route.{cost.value}={getattr(route, cost.value)!r} is not a probability from 0 to 1"
            )
    for key in ("most_usd", "most_seconds"):
        value = getattr(route, key)
        if value is not None and not 0 < value < float("inf"):
            raise ConfigError(
                f"{source}: route.{key}={value!r} allows no answer at all",
                fix="write a number greater than 0, or remove the line",
            )
    for tool in route.private_tools:
        if not tool.strip():
            raise ConfigError(f"{source}: route.private_tools contains an empty name")
    _validate_pins(route, tiers, source)
    _validate_privacy(route, tiers, source)


def _validate_pins(route: RouteSettings, tiers: Mapping[str, TierFacts], source: str) -> None:
    for kind, name in route.pins.items():
        place = f"{source}: route.pins.{kind.value}={name!r}"
        if name not in tiers:
            raise ConfigError(f"{place} is not a tier", fix=nearest(name, list(tiers)))
        needed = _STEP_KINDS.get(kind, StepKind.EXECUTE)
        is_shared = needed in (StepKind.EXTRACT, StepKind.ANSWER) and StepKind.EXECUTE in tiers[name].kinds
        if needed not in tiers[name].kinds and not is_shared:
            raise ConfigError(
                f"{place}: this tier may not {needed.value}", fix=f"add {needed.value!r} to its kinds"
            )
    if route.mode is RouteMode.PIN and not route.pins:
        raise ConfigError(f'{source}: route.mode="pin" needs route.pins, such as {{ act = "NAME" }}')


def _validate_privacy(route: RouteSettings, tiers: Mapping[str, TierFacts], source: str) -> None:
    if route.data != "private":
        return
    for kind in StepKind.EXECUTE, StepKind.PLAN:
        able = [name for name, tier in tiers.items() if kind in tier.kinds]
        if able and all(tiers[name].is_elsewhere() for name in able):
            raise ConfigError(
                f'{source}: route.data="private", and every tier that may {kind.value} is on another machine '
                f"({', '.join(able)})",
                fix="add a tier on this machine; a tunnel or a machine of yours can say leaves_machine = false",
            )
    for pinned, name in route.pins.items():
        if tiers[name].is_elsewhere():
            raise ConfigError(
                f'{source}: route.pins.{pinned.value}={name!r} is on another machine, and route.data="private" forbids that'
            )
