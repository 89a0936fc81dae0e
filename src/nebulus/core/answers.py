"""What a model is asked, and its answer before it is parsed."""

from enum import StrEnum
from typing import Any, Literal, TypeAlias

from msgspec import Struct

from nebulus.core.tools import ToolSpec


class RawCall(Struct, frozen=True, omit_defaults=True):
    """A call as the server reported it or the text contains it: `arguments` is verbatim, valid or not."""

    name: str
    arguments: str
    call_id: str = ""


class Message(Struct, frozen=True, omit_defaults=True):
    """One message of a prompt. Only an assistant's message has `calls`, only a tool's has a `call_id`."""

    role: Literal["system", "user", "assistant", "tool"]
    content: str
    calls: tuple[RawCall, ...] = ()
    call_id: str = ""


class FreeForm(Struct, frozen=True, tag=True):
    """Text, calls or both: the model decides."""


class OneCall(Struct, frozen=True, tag=True):
    """Exactly one call of an offered tool, by construction where the backend supports it.

    `tool` names the only tool that may be called ("" for any); the model then chooses only its arguments. `barred` names
    those that may not be called although the prompt shows them: it begins as before, so a server evaluates only what is new.
    """

    tool: str = ""
    barred: tuple[str, ...] = ()

    def allows(self, tool: str) -> bool:
        """Whether `tool` may be called."""
        return tool == self.tool if self.tool else tool not in self.barred


class Shape(Struct, frozen=True, tag=True):
    """JSON that matches a schema."""

    schema: dict[str, Any]


Form: TypeAlias = FreeForm | OneCall | Shape


class ModelRequest(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One prompt for one model. `seed` and `temperature` change between attempts, on purpose.

    `max_tokens` caps the answer alone. With `reasoning_tokens` the model reasons first, in at most that many
    tokens, and only then answers in the form; with 0 it answers at once.
    """

    messages: tuple[Message, ...]
    tools: tuple[ToolSpec, ...] = ()
    form: Form = FreeForm()
    max_tokens: int = 1024
    reasoning_tokens: int = 0
    temperature: float = 0.0
    seed: int = 0

    @property
    def most_tokens(self) -> int:
        """The most tokens for thought and answer together: a completion that reaches it was cut."""
        return self.max_tokens + self.reasoning_tokens


class FinishReason(StrEnum):
    """Why the model stopped writing."""

    STOP = "stop"
    CALLS = "calls"
    LENGTH = "length"
    """It reached its token limit: nothing that it wrote is ever executed."""
    FILTER = "filter"


class Usage(Struct, frozen=True, omit_defaults=True):
    """Tokens of one answer, as the server reported them; `cached_tokens` were not evaluated again.

    `reasoning_tokens` are the part of the completion that was a thought, 0 where the server doesn't say.
    """

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0


class ModelAnswer(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An answer as the server returned it, not parsed yet. `calls` are those that the server itself parsed.

    `reasoning` is the thought, apart from the answer; it is never shown to a model again.
    `starts_in_reasoning`: the text continues a thought that the prompt opened. `is_constrained`: a grammar of
    the server left the model no choice but a call. `unenforced` names the parts of the form's schema that the
    server's grammar can't enforce, as JSON pointers after the tool's name; validation enforces them all the same.
    """

    text: str = ""
    reasoning: str = ""
    calls: tuple[RawCall, ...] = ()
    finish: FinishReason = FinishReason.STOP
    usage: Usage = Usage()
    model: str = ""
    starts_in_reasoning: bool = False
    is_constrained: bool = False
    unenforced: tuple[str, ...] = ()
