"""One answer over a chat protocol: what the backends of all such protocols have in common.

Invariants: one request an answer, no retries; every answer was checked (`truncation`, `enforcement`); a server whose
model is to reason has shown once that the thought comes apart from the answer; what is counted is what is sent.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TypeVar

from msgspec.structs import replace

from nebulus.adapters.backends.bounds import LineSplitter, check_items
from nebulus.adapters.backends.enforcement import enforce_form
from nebulus.adapters.backends.estimate import estimate
from nebulus.adapters.backends.faults import malformed
from nebulus.adapters.backends.forms import call_schema
from nebulus.adapters.backends.http import HttpClient
from nebulus.adapters.backends.prompted_tools import as_shape, tool_form_of, written
from nebulus.adapters.backends.schema_subset import Reduced
from nebulus.adapters.backends.settings import BackendSettings, ToolForm
from nebulus.adapters.backends.sse import payload
from nebulus.adapters.backends.thinking import closes_unopened
from nebulus.adapters.backends.truncation import check_truncation
from nebulus.adapters.backends.wire import ChatWire, StreamReader
from nebulus.core.answers import Message, ModelAnswer, ModelRequest, OneCall, Shape
from nebulus.core.errors import BackendError, ConfigError
from nebulus.core.unreadable import UNREADABLE
from nebulus.ports.backend import BackendInfo, OnText, TokenCount

T = TypeVar("T")

PROBE_SCHEMA = {
    "type": "object",
    "properties": {"word": {"type": "string", "enum": ["nebulus"]}},
    "required": ["word"],
    "additionalProperties": False,
}
PROBE = ModelRequest(
    messages=(Message("user", "Which letter stands most often in this word: nebulus?"),),
    form=Shape(PROBE_SCHEMA),
    max_tokens=64,
)
"""Needs a thought, and an answer in a form that no model would choose by itself."""


class ChatBackend(ABC):
    """A model behind a chat protocol. What the server is decides, at the first use, how it is spoken to."""

    def __init__(self, settings: BackendSettings, http: HttpClient) -> None:
        self._settings = settings
        self._http = http
        self._known: tuple[ChatWire, BackendInfo] | None = None
        self._counted: tuple[ModelRequest, TokenCount] | None = None
        self._tool_form: ToolForm = tool_form_of(settings, takes_tools=True)
        self._texts = 0
        self._ended_thoughts = 0

    @abstractmethod
    async def _connect(self) -> tuple[ChatWire, BackendInfo]:
        """Probe the server."""

    async def _count(self, request: ModelRequest) -> TokenCount:
        """Count with what the server has; an estimate where it has nothing."""
        return estimate(request)

    async def describe(self) -> BackendInfo:
        """Probe the server once and say what it is.

        Raises:
            BackendError: it can't be reached, or does not serve this model.
        """
        async with self._http.deadline():
            return (await self._connected())[1]

    async def count(self, request: ModelRequest) -> TokenCount:
        """Count the tokens of `request`; what is counted is compared with what the server evaluates.

        Raises:
            BackendError: the server's tokenizer did not answer.
        """
        async with self._http.deadline():
            await self._connected()
            counted = await self._count(self._written(request))
        self._counted = (request, counted)
        return counted

    async def answer(self, request: ModelRequest, on_text: OnText | None = None) -> ModelAnswer:
        """Ask once.

        Raises:
            BackendError: no answer that may be used.
        """
        async with self._http.deadline():
            wire, info = await self._connected()
            asked = self._written(request)
            answer = await ask(self._http, wire, asked, on_text=on_text)
        counted = self._counted[1] if self._counted and self._counted[0] is request else None
        answer = self._placed(check_truncation(answer, request, counted))
        sent = self._sent(wire, request)
        schema = None if sent is None else sent.schema
        answer = enforce_form(answer, request, is_promised=info.constrains_calls, sent=schema)
        return replace(answer, unenforced=sent.losses) if sent and sent.losses else answer

    def _written(self, request: ModelRequest) -> ModelRequest:
        """Return `request` as it is sent: where the template takes no tools, they are text, and a call is JSON."""
        if self._tool_form == "template":
            return request
        return as_shape(written(request, self._tool_form), request.tools)

    def _sent(self, wire: ChatWire, request: ModelRequest) -> Reduced | None:
        """Return the schema of ours that the server got, and what was left out of it."""
        if self._tool_form != "template" and isinstance(request.form, OneCall):
            return call_schema(request.tools, request.form)
        return wire.sent(request)

    async def close(self) -> None:
        """Close the connections. May be called twice."""
        await self._http.close()

    async def _connected(self) -> tuple[ChatWire, BackendInfo]:
        if self._known is None:
            wire, info = await self._connect()
            if self._settings.reasoning_tokens:
                await self._require_thought(wire, info)
            self._known = wire, replace(info, reasons=self._settings.reasoning_tokens > 0)
        return self._known

    async def _require_thought(self, wire: ChatWire, info: BackendInfo) -> None:
        """Let the model reason once.

        Raises:
            ConfigError: the server refused, or no thought came back apart from the answer.
        """
        tokens = self._settings.reasoning_tokens
        where, fix = (
            f"{info.model} on {info.name}",
            "set reasoning_tokens to 0, or let the server split thoughts off",
        )
        try:
            answer = await ask(self._http, wire, replace(PROBE, reasoning_tokens=tokens), on_text=None)
        except BackendError as error:
            raise ConfigError(
                f"reasoning_tokens={tokens}: {where} refused to reason ({error})", fix=f"{fix}"
            ) from error
        if not (answer.reasoning or answer.usage.reasoning_tokens):
            raise ConfigError(
                f"reasoning_tokens={tokens}: {where} showed no thought apart from its answer", fix=f"{fix}"
            )

    def _placed(self, answer: ModelAnswer) -> ModelAnswer:
        """Say where the text begins: inside a thought, if it ends one that it did not begin.

        Where all texts so far did, one that ends none is a thought to its end.
        """
        if not answer.text or answer.reasoning:
            return answer
        is_ended = closes_unopened(answer.text)
        is_inside = is_ended or 0 < self._ended_thoughts == self._texts
        self._texts += 1
        self._ended_thoughts += is_ended
        return replace(answer, starts_in_reasoning=True) if is_inside else answer


async def ask(
    http: HttpClient, wire: ChatWire, request: ModelRequest, *, on_text: OnText | None
) -> ModelAnswer:
    """Send one request and read its answer, streamed if there is somebody to stream to.

    Raises:
        BackendError: no answer came, or none that can be decoded.
    """
    body = wire.body(request, is_stream=on_text is not None)
    if on_text is None:
        return decoded(wire.read, await http.post(wire.path, body))
    reader = wire.reader(on_text)
    unstreamed = await read_stream(http, wire.path, body, reader=reader, is_bare=wire.is_bare)
    return decoded(wire.read, unstreamed) if unstreamed else reader.finish()


async def read_stream(
    http: HttpClient, path: str, body: bytes, *, reader: StreamReader, is_bare: bool = False
) -> bytes:
    """Feed `reader` with the events of a stream; return the body of an answer that was none, else b"".

    Raises:
        BackendError: the server reported an error, the connection broke, or an event can't be decoded.
    """
    lines = LineSplitter(http.limits.max_line_bytes)
    unread = bytearray()
    has_begun = False

    def take(line: bytes) -> None:
        nonlocal has_begun
        if event := payload(line, is_bare=is_bare):
            has_begun = True
            decoded(reader.feed, event)

    def on_chunk(chunk: bytes) -> None:
        for line in lines.feed(chunk):
            take(line)
        if has_begun:
            unread.clear()
        else:
            unread.extend(chunk)

    await http.stream(path, body, on_chunk)
    take(lines.finish())
    check_items(unread)
    return b"" if has_begun else bytes(unread)


def decoded(read: Callable[[bytes], T], raw: bytes) -> T:
    """Return what `read` makes of `raw`.

    Raises:
        BackendError: `raw` can't be decoded.
    """
    try:
        return read(raw)
    except UNREADABLE as error:
        raise BackendError(malformed("the server's answer can't be decoded", raw)) from error
