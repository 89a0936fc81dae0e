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
    """One prompt for one model. `seed` and `temperature` change between attempts, on purpose."""

    messages: tuple[Message, ...]
    tools: tuple[ToolSpec, ...] = ()
    form: Form = FreeForm()
    max_tokens: int = 1024
    temperature: float = 0.0
    seed: int = 0


class FinishReason(StrEnum):
    """Why the model stopped writing."""

    STOP = "stop"
    CALLS = "calls"
    LENGTH = "length"
    """It hit its cap: nothing that it wrote is ever executed."""
    FILTER = "filter"


class Usage(Struct, frozen=True, omit_defaults=True):
    """Tokens of one answer, as the server reported them; `cached_tokens` were not evaluated again."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0


class ModelAnswer(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An answer as it came back. `calls` are those that the server parsed; none of it was read yet."""

    text: str = ""
    reasoning: str = ""
    calls: tuple[RawCall, ...] = ()
    finish: FinishReason = FinishReason.STOP
    usage: Usage = Usage()
    model: str = ""
