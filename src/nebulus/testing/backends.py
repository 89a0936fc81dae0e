"""A model whose answers come from a script: the fake of `ModelBackend`."""

import asyncio
import json
from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

import msgspec

from nebulus.adapters.backends.estimate import estimate
from nebulus.adapters.backends.faults import failure
from nebulus.core.answers import (
    FinishReason,
    FreeForm,
    ModelAnswer,
    ModelRequest,
    OneCall,
    RawCall,
    Shape,
    Usage,
)
from nebulus.core.errors import BackendError
from nebulus.core.failure import Failure, FailureKind
from nebulus.ports.backend import BackendInfo, OnText, TokenCount

Said: TypeAlias = ModelAnswer | Failure
Script: TypeAlias = Iterable[Said] | Callable[[ModelRequest], Said]

SCRIPTED = BackendInfo(
    name="scripted",
    model="scripted",
    window_tokens=8192,
    constrains_calls=True,
    constrains_json=True,
    reasons=True,
)


THOUGHT = "I should do what the step says."
"""What a scripted model thinks if it is asked to reason first."""


def says(text: str, *, finish: FinishReason = FinishReason.STOP) -> ModelAnswer:
    """Return an answer that is only text."""
    return ModelAnswer(text=text, finish=finish)


def calls(name: str, /, **arguments: Any) -> ModelAnswer:
    """Return an answer that is one call."""
    return ModelAnswer(calls=(RawCall(name, json.dumps(arguments)),), finish=FinishReason.CALLS)


def competent(request: ModelRequest) -> ModelAnswer:
    """Return the smallest answer of the requested form: the first tool, the emptiest valid values."""
    thought = THOUGHT if request.reasoning_tokens else ""
    return msgspec.structs.replace(_least(request), reasoning=thought)


def _least(request: ModelRequest) -> ModelAnswer:
    match request.form:
        case OneCall(name):
            tool = next(tool for tool in request.tools if name in ("", tool.name))
            return calls(tool.name, **example_of(tool.parameters))
        case Shape(schema):
            return says(json.dumps(example_of(schema)))
        case FreeForm():
            return says("It is done, as far as I can tell.")


def example_of(schema: dict[str, Any]) -> Any:
    """Return a value that plain schemas accept: consts, enums, and required properties by type."""
    if "const" in schema or "enum" in schema:
        return schema.get("const", (schema.get("enum") or [None])[0])
    if "anyOf" in schema:
        return example_of(schema["anyOf"][0])
    match schema.get("type"):
        case "object" | None:
            properties = schema.get("properties", {})
            return {
                name: example_of(properties.get(name, {"type": "string"}))
                for name in schema.get("required", ())
            }
        case "array":
            return [example_of(schema.get("items", {"type": "string"}))] * int(schema.get("minItems", 0))
        case "integer" | "number":
            return schema.get("minimum", 1)
        case "boolean":
            return True
        case "null":
            return None
        case _:
            return "text"


class ScriptedBackend:
    """Answers from a list, in order, or from a function of the request; remembers its requests.

    It keeps the promises of the port: usage is filled in if the script gives none, a reached token limit is
    reported, a prompt beyond the window is refused, text is streamed line by line.
    """

    def __init__(self, script: Script = competent, *, info: BackendInfo = SCRIPTED) -> None:
        self.requests: list[ModelRequest] = []
        self.is_closed = False
        self._info = info
        if callable(script):
            self._next: Callable[[ModelRequest], Said] = script
        else:
            said = list(script)
            self._next = lambda request: _nth(said, len(self.requests))

    async def describe(self) -> BackendInfo:
        """Return the description that it was given."""
        return self._info

    async def count(self, request: ModelRequest) -> TokenCount:
        """Estimate the tokens of `request`."""
        return TokenCount(estimate(request).tokens, is_exact=self._info.counts_exactly)

    async def answer(self, request: ModelRequest, on_text: OnText | None = None) -> ModelAnswer:
        """Give the next answer of the script.

        Raises:
            BackendError: the script has a failure here, or the prompt is larger than the window.
            AssertionError: the script has no more answers.
        """
        self.requests.append(request)
        tokens = estimate(request).tokens
        if tokens > self._info.window_tokens:
            size = f"{tokens} tokens, the window has room for {self._info.window_tokens}"
            raise BackendError(
                failure(FailureKind.PROMPT_TOO_LARGE, "the prompt does not fit the window", value=size)
            )
        said = self._next(request)
        await asyncio.sleep(0)  # Never answer without a pause, so that a request can be cancelled.
        if isinstance(said, Failure):
            raise BackendError(said)
        answer = _capped(said, request, tokens)
        if on_text is not None:
            for piece in answer.text.splitlines(keepends=True):
                on_text(piece)
        is_constrained = (
            self._info.constrains_calls and isinstance(request.form, OneCall) and bool(answer.calls)
        )
        return msgspec.structs.replace(
            answer, model=answer.model or self._info.model, is_constrained=is_constrained
        )

    async def close(self) -> None:
        """Remember that it was closed."""
        self.is_closed = True


def _nth(said: list[Said], position: int) -> Said:
    assert position <= len(said), f"the script has {len(said)} answers; this is request {position}"
    return said[position - 1]


def _capped(answer: ModelAnswer, request: ModelRequest, prompt_tokens: int) -> ModelAnswer:
    """Limit the answer to `max_tokens`, counting one token per word."""
    words = len(answer.text.split()) + sum(1 + len(call.arguments.split()) for call in answer.calls)
    thought = min(len(answer.reasoning.split()), request.reasoning_tokens)
    usage = answer.usage if answer.usage != Usage() else Usage(prompt_tokens, words + thought, 0, thought)
    cap = request.max_tokens + usage.reasoning_tokens
    if usage.completion_tokens < cap:
        return msgspec.structs.replace(answer, usage=usage)
    return msgspec.structs.replace(
        answer, finish=FinishReason.LENGTH, usage=msgspec.structs.replace(usage, completion_tokens=cap)
    )
