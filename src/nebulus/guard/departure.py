"""Whether a prompt may leave this machine: the last look before it is sent, whichever way its tier was chosen.

Invariant: it goes by the labels of the prompt's pieces, which no model can remove, and never by what a text says.
"""

from nebulus.core.failure import Failure, FailureKind, Fault
from nebulus.core.prompt import Prompt
from nebulus.core.routes import RoutePolicy
from nebulus.core.tiers import Tier


def departure_refusal(prompt: Prompt, tier: Tier, policy: RoutePolicy) -> Failure | None:
    """Return why `prompt` may not be sent to `tier`, or None if it may."""
    if not tier.leaves_machine:
        return None
    if policy.is_private:
        return _refusal(tier, "the settings say that all data is private")
    for piece in prompt.pieces:
        for origin in piece.provenance.origins:
            if origin.kind == "tool" and origin.ref in policy.private_tools:
                return _refusal(tier, f"the prompt contains what {origin.words} returned, which is private")
    return None


def _refusal(tier: Tier, why: str) -> Failure:
    return Failure(
        kind=FailureKind.POLICY_REFUSAL,
        fault=Fault.POLICY,
        what=f"nothing was sent to {tier.name}, which is on another machine: {why}",
        fix="use a tier on this machine, or change [route]",
    )
