"""The plain loop that most agents are: all tools, a growing transcript, errors fed back as text.

It ends when the model answers without a call; constrained, every answer is one call of a tool by construction, and a
tool `finish` ends it. Code, not the model, gives up: at the limits, when the window is full, or after four answers in
a row that had no usable call, or repeated a call with the same result.
"""

import asyncio
import json
import re
from collections.abc import Callable
from typing import Any

import msgspec

from bench.real_parts.arms import Task, Track, settings_for
from bench.real_parts.goal import Ended
from bench.real_parts.serving import MeteredBackend
from nebulus.app import bootstrap
from nebulus.app.results import result_spec
from nebulus.calls import read
from nebulus.core.answers import FreeForm, Message, ModelAnswer, ModelRequest, OneCall, RawCall
from nebulus.core.errors import BackendError
from nebulus.core.failure import Failure, FailureKind
from nebulus.core.findings import Call, CallEvidence
from nebulus.core.text import message_of
from nebulus.core.tools import Effect, ToolSpec
from nebulus.ports.guard import Workspace
from nebulus.ports.tool import Tool

SYSTEM = (
    "You are an assistant that works on the files in a folder, with tools. Do what the user asks. Call one tool at a "
    "time and look at its result before you go on. Never invent what a file says. "
)
ENDS_FREE = "When everything is done, answer in plain words without a call. If it can't be done, say so."
ENDS_CALLED = "When everything is done, call finish. If it can't be done, call finish and say so."
STUCK_AFTER = 4
ANSWER_TOKENS = 1024
_FENCED = re.compile(r"```(?:json)?\s*(.*?)```", re.DOTALL)


class _Loop:
    """One conversation about one task."""

    def __init__(self, task: Task, backend: MeteredBackend, track: Track) -> None:
        self.task, self.backend, self.track = task, backend, track
        self.tools: dict[str, Tool] = {}
        self.workspace: Workspace | None = None
        self.turn = 0

    async def ask(
        self, messages: list[Message], tools: tuple[ToolSpec, ...], *, is_constrained: bool
    ) -> ModelAnswer:
        """Ask for the next answer."""
        self.turn += 1
        return await self.backend.answer(
            ModelRequest(
                messages=tuple(messages),
                tools=tools,
                form=OneCall() if is_constrained else FreeForm(),
                max_tokens=ANSWER_TOKENS,
                seed=self.turn,
            )
        )

    async def call(self, call: Call) -> str:
        """Run a tool, and return what the model is shown of its end."""
        tool, arguments = self.tools[call.tool], dict(call.arguments)
        what = f"{call.tool}({', '.join(f'{name}={value!r}' for name, value in arguments.items())})"
        for name in tool.spec.paths:
            if self.workspace is not None and isinstance(arguments.get(name), str):
                path = self.workspace.canonical(arguments[name])
                if isinstance(path, Failure):
                    self.track.failed(what, path.what)
                    return f"error: {path.sentence()}"
                arguments[name] = path
        self.track.approvals += tool.spec.effect is Effect.IRREVERSIBLE
        try:
            output = await tool.run(arguments, f"call-{self.turn}")
        except Exception as error:  # noqa: BLE001 - whatever a tool raises is told to the model here
            why = f"{type(error).__name__}: {message_of(error)}"
            self.track.failed(what, why)
            return f"error: {why}"
        if isinstance(output, Failure):
            self.track.failed(what, output.what)
            return f"error: {output.sentence()}"
        self.track.succeeded(what)
        return output.text


async def run_loop(
    task: Task,
    backend: MeteredBackend,
    track: Track,
    *,
    is_constrained: bool,
    is_complete: Callable[[], bool] = lambda: False,
) -> Ended:
    """Carry out a task by a plain loop, and say how it ended. It ends early, as done, once `is_complete`."""
    loop = _Loop(task, backend, track)
    async with bootstrap.tools({"workspace": str(task.root)}, (), settings_for(task)) as kit:
        loop.tools = {tool.spec.name: tool for tool in kit.tools if not tool.spec.handles}
        loop.workspace = kit.workspace
        try:
            async with asyncio.timeout(task.seconds):
                return await _converse(loop, is_constrained=is_constrained, is_complete=is_complete)
        except TimeoutError:
            return Ended(how="limit", failure="wall time", text=f"{task.seconds:g} s")


async def _converse(loop: _Loop, *, is_constrained: bool, is_complete: Callable[[], bool]) -> Ended:
    specs = tuple(msgspec.structs.replace(tool.spec, grounded=()) for tool in loop.tools.values())
    if is_constrained:
        specs = (*specs, finish_tool(loop.task.result))
    system = SYSTEM + (ENDS_CALLED if is_constrained else ENDS_FREE)
    messages, stuck = [Message("system", system), Message("user", loop.task.text)], 0
    said: tuple[str, dict[str, Any], str] | None = None
    while stuck < STUCK_AFTER:
        if is_complete():
            return Ended(how="done", text="all of it was done", proof="claimed")
        if (ended := _at_limit(loop)) is not None:
            return ended
        try:
            answer = await loop.ask(messages, specs, is_constrained=is_constrained)
        except BackendError as error:
            if error.failure.kind is FailureKind.PROMPT_TOO_LARGE:
                return Ended(how="failed", failure="window", text=error.failure.what)
            messages.append(Message("user", f"error: {error.failure.what}"))
            stuck += 1
            continue
        reading = read(answer, specs, cap_tokens=ANSWER_TOKENS, needed=CallEvidence.UNMARKED)
        if reading.finding is not None:
            stuck += 1
            messages += [
                Message("assistant", answer.text),
                Message("user", f"error: {reading.finding.sentence()}"),
            ]
        elif not reading.calls:
            return await _last_words(loop, messages, answer)
        else:
            call = reading.calls[0]
            if call.tool == "finish":
                return _finished(call, loop.task.result)
            before, said = said, (call.tool, call.arguments, await loop.call(call))
            stuck = stuck + 1 if said == before else 0
            arguments, name = json.dumps(call.arguments, ensure_ascii=False), f"c{loop.turn}"
            messages.append(Message("assistant", "", (RawCall(call.tool, arguments, name),)))
            messages.append(Message("tool", said[2], (), name))
    return Ended(how="failed", failure="stuck", text=f"{STUCK_AFTER} answers in a row were of no use")


def _at_limit(loop: _Loop) -> Ended | None:
    cost, task = loop.backend.cost, loop.task
    if cost.prompt_tokens + cost.answer_tokens > task.tokens:
        return Ended(how="limit", failure="tokens", text=f"{task.tokens} tokens")
    if loop.turn >= task.turns:
        return Ended(how="limit", failure="answers", text=f"{task.turns} answers")
    return None


def finish_tool(kind: Any) -> ToolSpec:
    """Return the tool that ends a constrained loop, with the answer as its argument."""
    schema = result_spec(kind).schema or {"type": "string"}
    return ToolSpec(
        name="finish",
        description="End the work. Give the answer, or say what was done, or why it can't be done.",
        parameters={
            "type": "object",
            "properties": {"answer": schema},
            "required": ["answer"],
            "additionalProperties": False,
        },
        effect=Effect.READ,
    )


def _finished(call: Call, kind: Any) -> Ended:
    value = call.arguments.get("answer")
    answer = value if kind in (None, str) else msgspec.convert(value, kind)
    return Ended(how="done", answer=None if kind is None else answer, text=str(value), proof="claimed")


async def _last_words(loop: _Loop, messages: list[Message], answer: ModelAnswer) -> Ended:
    """Take an answer without a call as the end; where an answer of a type is wanted, ask for it as JSON."""
    kind, text = loop.task.result, answer.text.strip()
    if kind in (None, str):
        return Ended(how="done", answer=text if kind is str else None, text=text, proof="claimed")
    schema = json.dumps(result_spec(kind).schema)
    asked = f"Give this answer as JSON that matches the schema {schema}, and nothing else."
    more = [*messages, Message("assistant", text), Message("user", asked)]
    try:
        last = (await loop.ask(more, (), is_constrained=False)).text
    except BackendError as error:
        return Ended(how="failed", failure="answer", text=error.failure.what)
    return Ended(how="done", answer=typed(last, kind), text=f"{text}\n{last}", proof="claimed")


def typed(text: str, kind: Any) -> Any:
    """Return the JSON in a text, fenced or bare, as a value of `kind`; None where there is none."""
    fenced = _FENCED.search(text)
    try:
        return msgspec.json.decode((fenced[1] if fenced else text).strip(), type=kind, strict=False)
    except (msgspec.ValidationError, msgspec.DecodeError):
        return None  # no such value in it: the judge says that there is no answer
