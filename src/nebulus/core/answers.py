"""What is asked of a model, and what came back, before anybody has read it."""

from enum import StrEnum
from typing import Any, Literal, TypeAlias

from msgspec import Struct

from nebulus.core.tools import ToolSpec


class RawCall(Struct, frozen=True, omit_defaults=True):
    """A call as the server or the text gave it: `arguments` is verbatim text, valid or not."""

    name: str
    arguments: str
    call_id: str = ""


class Message(Struct, frozen=True, omit_defaults=True):
    """One message of a prompt. `calls` stand on an assistant's message, `call_id` on a tool's."""

    role: Literal["system", "user", "assistant", "tool"]
    content: str
    calls: tuple[RawCall, ...] = ()
    call_id: str = ""


class FreeForm(Struct, frozen=True, tag=True):
    """Text, calls or both: the model decides."""


class OneCall(Struct, frozen=True, tag=True):
    """Exactly one call of an offered tool, by construction where the backend can do it.

    `tool` narrows to one tool ("" for any); then only its arguments are left to the model.
    """

    tool: str = ""


class Shape(Struct, frozen=True, tag=True):
    """JSON of a schema."""

    schema: dict[str, Any]


Form: TypeAlias = FreeForm | OneCall | Shape


class ModelRequest(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One prompt for one model. `seed` and `temperature` change between attempts, on purpose.

    `max_tokens` caps the answer alone. With `reasoning_tokens` the model reasons first, in at most so many
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
        """The tokens that thought and answer may have together: a completion of so many was cut."""
        return self.max_tokens + self.reasoning_tokens


class FinishReason(StrEnum):
    """Why the model stopped writing."""

    STOP = "stop"
    CALLS = "calls"
    LENGTH = "length"
    """It hit its cap: nothing that it wrote is ever executed."""
    FILTER = "filter"


class Usage(Struct, frozen=True, omit_defaults=True):
    """Tokens of one answer, as the server reported them; `cached_tokens` were not evaluated again.

    `reasoning_tokens` are those of the completion that were a thought, 0 where the server does not tell.
    """

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0


class ModelAnswer(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An answer as it came back. `calls` are those that the server parsed; none of it was read yet.

    `reasoning` came apart and is never shown to a model again. `starts_in_reasoning`: the text goes on in a
    thought that the prompt opened. `unenforced` names what the form's schema asks and the server's grammar
    can't hold, as JSON pointers behind the tool's name; validation holds it all the same.
    """

    text: str = ""
    reasoning: str = ""
    calls: tuple[RawCall, ...] = ()
    finish: FinishReason = FinishReason.STOP
    usage: Usage = Usage()
    model: str = ""
    starts_in_reasoning: bool = False
    unenforced: tuple[str, ...] = ()
