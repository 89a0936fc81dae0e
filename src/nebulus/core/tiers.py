"""The kinds of work that models are asked for, and the models that may be asked."""

from enum import StrEnum

from msgspec import Struct


class StepKind(StrEnum):
    """The kinds of work that a model is asked for."""

    PLAN = "plan"
    EXECUTE = "execute"
    EXTRACT = "extract"
    """Extracting values from a text; where no tier is configured for it, those that execute do it."""
    ANSWER = "answer"
    """Writing the result that the goal asks for; where no tier is configured for it, those that execute do it."""


class Tier(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A model that may be asked. Prices are in US dollars per million tokens; the window is in tokens.

    `kinds` are the kinds of work that it may do; `tools_shown` caps the tools in one prompt. With
    `reasoning_tokens` it reasons before each answer, in at most that many tokens.
    """

    name: str
    window_tokens: int
    reserve_tokens: int = 512
    reasoning_tokens: int = 0
    price_in_usd: float = 0.0
    price_out_usd: float = 0.0
    kinds: tuple[StepKind, ...] = (StepKind.EXECUTE, StepKind.PLAN)
    tools_shown: int = 5
    leaves_machine: bool = False
    """Whether its prompts go to another machine."""

    @property
    def room_tokens(self) -> int:
        """The tokens of the window that are left for a prompt."""
        return self.window_tokens - self.reserve_tokens - self.reasoning_tokens

    def cost_usd(self, prompt_tokens: int, completion_tokens: int) -> float:
        """Return the price of one answer, in US dollars."""
        return (prompt_tokens * self.price_in_usd + completion_tokens * self.price_out_usd) / 1e6
