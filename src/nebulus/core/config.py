"""The configuration of a run: recorded in its first event, so that a journal explains itself."""

from msgspec import Struct

from nebulus.core.budget import Budget
from nebulus.core.digest import digest
from nebulus.core.limits import Limits
from nebulus.core.tiers import StepKind, Tier
from nebulus.core.tools import ToolSpec


class RunConfig(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a run is given and no model can change: tools, tiers from small to large, budget, limits."""

    tiers: tuple[Tier, ...]
    tools: tuple[ToolSpec, ...] = ()
    budget: Budget = Budget()
    limits: Limits = Limits()
    checks_arguments: bool = True
    """Off only to measure what it is worth that a call is compared with what its step assigns."""
    resolves_references: bool = True
    """Off only to measure what it is worth that code, and not the model, looks up "the result of step 3"."""
    agent: str = "agent"
    """Who proposes the calls: what policy rules call `who`."""

    def digest(self) -> str:
        """Name this configuration without its budget, so that a changed one is noticed on resume."""
        return digest((self.tools, self.tiers, self.limits))

    def tiers_for(self, kind: StepKind) -> tuple[Tier, ...]:
        """Return the tiers that may do work of `kind`, smallest first.

        Tiers that execute may also extract values and write the answer where no tier is named for that.
        """
        named = tuple(tier for tier in self.tiers if kind in tier.kinds)
        if named or kind in (StepKind.EXECUTE, StepKind.PLAN):
            return named
        return self.tiers_for(StepKind.EXECUTE)

    def tier(self, name: str) -> Tier:
        """Return the tier called `name`.

        Raises:
            LookupError: there is none.
        """
        for tier in self.tiers:
            if tier.name == name:
                return tier
        raise LookupError(f"no tier is called {name!r}")

    def tool(self, name: str) -> ToolSpec:
        """Return the tool called `name`.

        Raises:
            LookupError: there is none; only calls that were parsed against these tools may come here.
        """
        for spec in self.tools:
            if spec.name == name:
                return spec
        raise LookupError(f"no tool is called {name!r}")
