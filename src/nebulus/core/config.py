"""The configuration of a run: recorded in its first event, so that a journal explains itself."""

from msgspec import Struct

from nebulus.core.authority import Authority
from nebulus.core.budget import Budget
from nebulus.core.digest import digest
from nebulus.core.limits import Limits
from nebulus.core.plan import PlanMode
from nebulus.core.routes import RoutePolicy
from nebulus.core.tiers import StepKind, Tier
from nebulus.core.tools import ToolSpec


class RunConfig(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a run is given and no model can change: tools, tiers from small to large, budget, limits."""

    tiers: tuple[Tier, ...]
    tools: tuple[ToolSpec, ...] = ()
    budget: Budget = Budget()
    limits: Limits = Limits()
    checks_arguments: bool = True
    """Whether a call is compared with what its step assigns. Off only to measure what the check is worth."""
    resolves_references: bool = True
    """Whether code, not the model, looks up "the result of step 3". Off only to measure what that is worth."""
    planning: PlanMode = PlanMode.OUTLINE
    """How a goal that comes without a plan is worked on."""
    route: RoutePolicy = RoutePolicy()
    """How the tier that is asked first is chosen."""
    agent: str = "agent"
    """Who proposes the calls; policy rules match it as `who`."""
    authority: Authority | None = None
    """What a worker's run may do at most; None for a run that nobody handed over."""

    def digest(self) -> str:
        """Return a digest of all but the budget, so that a changed configuration is noticed on resume."""
        return digest((self.tools, self.tiers, self.limits))

    def tiers_for(self, kind: StepKind) -> tuple[Tier, ...]:
        """Return the tiers that may do work of `kind`, smallest first.

        Where no tier is configured for extracting values or writing the answer, the tiers that execute do it.
        """
        named = tuple(tier for tier in self.tiers if kind in tier.kinds)
        if named or kind in (StepKind.EXECUTE, StepKind.PLAN):
            return named
        return self.tiers_for(StepKind.EXECUTE)

    def tier(self, name: str) -> Tier:
        """Return the tier called `name`.

        Raises:
            LookupError: no tier has that name.
        """
        for tier in self.tiers:
            if tier.name == name:
                return tier
        raise LookupError(f"no tier is called {name!r}")

    def tool(self, name: str) -> ToolSpec:
        """Return the tool called `name`.

        Raises:
            LookupError: no tool has that name; only calls parsed against these tools may come here.
        """
        for spec in self.tools:
            if spec.name == name:
                return spec
        raise LookupError(f"no tool is called {name!r}")
