"""The tools that a client sees, and the two ways in which its user is asked: within a call, or between two.

Source: MCP 2026-07-28 (a result that asks for input, and the call again with it) and 2025-11-25 (elicitation).
"""

from collections.abc import Mapping
from itertools import count
from pathlib import Path
from typing import Any, Literal, TypeAlias

from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import (
    CallToolResult,
    ElicitRequest,
    ElicitRequestFormParams,
    ElicitResult,
    InputRequiredResult,
    TextContent,
    ToolAnnotations,
)
from mcp_types.version import is_version_at_least
from pydantic import BaseModel, Field

from nebulus import __version__
from nebulus.app.settings import Settings
from nebulus.core.errors import NebulusError
from nebulus.core.outcome import Question
from nebulus.mcp_server.runs import Ended, OnLine, Runs, open_runs
from nebulus.ports.guard import PersonReply
from nebulus.report.text import safe_lines

Answered: TypeAlias = CallToolResult | InputRequiredResult
_ASKING_BETWEEN = "2026-07-28"
"""The first version in which a server asks between two calls."""
_KEY = "answer"
_BY = "mcp client"
_SHOWN_CHARS = 4000
_INSTRUCTIONS = (
    "Nebulus carries out goals in one folder with small local models. `run` begins a run and returns how it ended; "
    "`show` says what was done and why; `ask` answers without tools. What can't be undone is asked of the user."
)


class PersonSays(BaseModel):
    """What the user of a client is asked for."""

    allow: bool | None = Field(description="Yes or no.", default=None)
    words: str = Field(description="What you want to say about it.", default="")


def make_server(runs: Runs) -> MCPServer:
    """Return the server of `runs`, for any transport."""
    server = MCPServer("nebulus", version=__version__, instructions=_INSTRUCTIONS, log_level="WARNING")
    face = _Face(runs)
    for tool, reads_only in ((face.run, False), (face.ask, True), (face.show, True), (face.approve, False)):
        hints = ToolAnnotations(read_only_hint=reads_only, open_world_hint=False)
        server.add_tool(tool, structured_output=False, annotations=hints)
    return server


async def serve_stdio(settings: Settings, folder: Path, *, remembered: Mapping[str, str]) -> None:
    """Serve the client at stdin and stdout until it ends.

    Raises:
        ConfigError: as `open_runs`.
    """
    async with open_runs(settings, folder, remembered=remembered) as runs:
        await make_server(runs).run_stdio_async()


class _Face:
    """The tools; a docstring is what the client's model reads."""

    def __init__(self, runs: Runs) -> None:
        self._runs = runs

    async def run(
        self, goal: str, ctx: Context[Any, Any], answer: Literal["text", "none"] = "text"
    ) -> Answered:
        """Carry out a goal in the workspace: a sentence, or numbered steps. Returns how it ended, and an answer."""
        try:
            ended = await self._taken_up(ctx)
            if ended is None:
                ended = await self._runs.begin(goal, wants_answer=answer == "text", on_line=_teller(ctx))
            return await self._settled(ended, ctx) if isinstance(ended, Ended) else ended
        except NebulusError as error:
            raise ToolError(str(error)) from error

    async def ask(self, question: str) -> CallToolResult:
        """Answer a question by one call of the local model. It has no tools and sees no file."""
        try:
            return _said(await self._runs.ask(question))
        except NebulusError as error:
            raise ToolError(str(error)) from error

    async def show(self, run_id: str = "") -> CallToolResult:
        """Say how a run ended, what it did, and what it waits for. Without a run, list the latest runs."""
        try:
            if not run_id:
                return _said(await self._runs.listing())
            return _said((await self._runs.state(run_id)).text(self._runs.folder))
        except NebulusError as error:
            raise ToolError(str(error)) from error

    async def approve(self, run_id: str, ctx: Context[Any, Any]) -> Answered:
        """Have the user asked what a blocked run waits for, and go on. Only the user can say yes."""
        try:
            ended = await self._taken_up(ctx)
            if ended is None:  # it may have been answered elsewhere, or its time may be over
                ended = await self._runs.go_on(run_id, on_line=_teller(ctx))
            return await self._settled(ended, ctx) if isinstance(ended, Ended) else ended
        except NebulusError as error:
            raise ToolError(str(error)) from error

    async def _settled(self, ended: Ended, ctx: Context[Any, Any]) -> Answered:
        """Ask the user as long as the run asks and the client can, then return how the run ended."""
        while (question := ended.question) is not None and _can_ask(ctx):
            if is_version_at_least(ctx.protocol_version or "", _ASKING_BETWEEN):
                return _asked(question, ended.run_id)
            said = await ctx.elicit(shown_question(question), PersonSays)
            data = said.data if said.action == "accept" else None
            reply = reply_to(question, said.action, data)
            if reply is None:
                break
            ended = await self._answered(question, reply, run_id=ended.run_id, ctx=ctx)
        return _said(ended.text(self._runs.folder))

    async def _taken_up(self, ctx: Context[Any, Any]) -> Answered | Ended | None:
        """Go on with the run that an earlier round of this call asked about; None if there was none.

        The state of that round is sealed by the SDK: a client can give it back, and can't make one.
        """
        if ctx.request_state is None:
            return None
        run_id, _, digest = ctx.request_state.partition(" ")
        ended, response = await self._runs.state(run_id), (ctx.input_responses or {}).get(_KEY)
        question = ended.question
        if question is None or question.digest != digest or not isinstance(response, ElicitResult):
            return _said(ended.text(self._runs.folder))
        data = PersonSays.model_validate(response.content or {}) if response.action == "accept" else None
        reply = reply_to(question, response.action, data)
        if reply is None:
            return _said(ended.text(self._runs.folder))
        return await self._answered(question, reply, run_id=run_id, ctx=ctx)

    async def _answered(
        self, question: Question, reply: PersonReply, *, run_id: str, ctx: Context[Any, Any]
    ) -> Ended:
        await self._runs.answer(question.digest, reply)
        return await self._runs.go_on(run_id, on_line=_teller(ctx))


def reply_to(question: Question, action: str, said: PersonSays | None) -> PersonReply | None:
    """Return what the user answered to `question`; None if that is no answer.

    Only an approval can be declined. That somebody would not say what happened does not mean that nothing did.
    """
    if action == "decline" and question.kind == "approval":
        return PersonReply(is_yes=False, by=_BY)
    if said is None:
        return None
    if question.kind == "question":
        return PersonReply(is_yes=True, text=said.words, by=_BY) if said.words else None
    return None if said.allow is None else PersonReply(is_yes=said.allow, text=said.words, by=_BY)


def shown_question(question: Question) -> str:
    """Return a question as the client's user reads it: what a model or a tool wrote can't pass for our words."""
    parts = [question.text]
    for label, value in (
        ("tool", question.tool),
        ("arguments", question.arguments),
        ("why", question.reason),
    ):
        parts += [f"{label}:", *(f"  | {line}" for line in safe_lines(value[:_SHOWN_CHARS]))] if value else []
    return "\n".join(parts)


def _asked(question: Question, run_id: str) -> InputRequiredResult:
    form = ElicitRequestFormParams(
        message=shown_question(question),
        requested_schema={
            "type": "object",
            "properties": {
                "allow": {"type": "boolean", "description": "Yes or no."},
                "words": {"type": "string", "description": "What you want to say about it."},
            },
        },
    )
    return InputRequiredResult(
        input_requests={_KEY: ElicitRequest(params=form)}, request_state=f"{run_id} {question.digest}"
    )


def _can_ask(ctx: Context[Any, Any]) -> bool:
    capabilities = ctx.client_capabilities
    return capabilities is not None and capabilities.elicitation is not None


def _said(text: str) -> CallToolResult:
    return CallToolResult(content=[TextContent(type="text", text=text)])


def _teller(ctx: Context[Any, Any]) -> OnLine:
    """Return what tells the client how far a run is, as progress of its call."""
    numbers = count(1)

    async def tell(line: str) -> None:
        await ctx.report_progress(next(numbers), None, line)

    return tell
