"""Hard limits: what a run may spend, and what it has spent."""

from typing import Literal, TypeAlias

from msgspec import Struct, field
from msgspec.structs import replace

from nebulus.core.answers import Usage

Resource: TypeAlias = Literal["model_calls", "tool_calls", "tokens", "seconds", "usd"]


class Budget(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a run may spend; a limit of 0 means that the resource is not limited."""

    model_calls: int = 1000
    tool_calls: int = 1000
    tokens: int = 0
    """Prompt plus completion tokens."""
    seconds: float = 0.0
    """Seconds of model and tool time."""
    usd: float = 0.0
    """US dollars."""
    steps: int = 0
    """Steps done."""
    bytes_out: int = 0
    """Bytes of arguments that leave the workspace."""
    calls: dict[str, int] = field(default_factory=dict)
    """Limits of single tools, by name."""


class Spent(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a run has spent so far, in the units of `Budget`."""

    model_calls: int = 0
    tool_calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    seconds: float = 0.0
    usd: float = 0.0

    @property
    def tokens(self) -> int:
        """Prompt and completion tokens together."""
        return self.prompt_tokens + self.completion_tokens

    def with_answer(self, usage: Usage, *, seconds: float, usd: float) -> "Spent":
        """Return a copy with one more model call."""
        return replace(
            self,
            model_calls=self.model_calls + 1,
            prompt_tokens=self.prompt_tokens + usage.prompt_tokens,
            completion_tokens=self.completion_tokens + usage.completion_tokens,
            seconds=self.seconds + seconds,
            usd=self.usd + usd,
        )

    def with_tool(self, *, seconds: float, handed: "Spent | None" = None) -> "Spent":
        """Return a copy with one more tool call, and with what a worker spent, but for its time: the call took it."""
        used = handed or Spent()
        return replace(
            self,
            model_calls=self.model_calls + used.model_calls,
            tool_calls=self.tool_calls + used.tool_calls + 1,
            prompt_tokens=self.prompt_tokens + used.prompt_tokens,
            completion_tokens=self.completion_tokens + used.completion_tokens,
            seconds=self.seconds + seconds,
            usd=self.usd + used.usd,
        )

    def minus(self, earlier: "Spent") -> "Spent":
        """Return what was spent since `earlier`."""
        fields = self.__struct_fields__
        return Spent(**{name: getattr(self, name) - getattr(earlier, name) for name in fields})


ASKING: tuple[Resource, ...] = ("model_calls", "tokens", "seconds", "usd")
"""The resources that asking a model needs."""
ACTING: tuple[Resource, ...] = ("tool_calls", "seconds")
"""The resources that running a tool needs; model calls are not among them: a paid answer may be used."""


def exceeded(budget: Budget, spent: Spent, needed: tuple[Resource, ...]) -> Resource | Literal[""]:
    """Return the first resource in `needed` that is used up, or "" if none is."""
    for resource in needed:
        limit = getattr(budget, resource)
        if limit and getattr(spent, resource) >= limit:
            return resource
    return ""
