"""The proxy's HTTP server: routes, streams, keep-alives, and the end of a request whose client has gone.

Invariants: a client that hangs up ends its request to the model; nothing is answered with status 200 unless there is
an answer or a stream has begun; bodies are in no log.
"""

import asyncio
import logging
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Any, TypeAlias

import msgspec
from aiohttp import web

from nebulus.core.errors import NebulusError
from nebulus.core.failure import Failure, FailureKind, Fault
from nebulus.proxy.access import Access
from nebulus.proxy.asked import ClientRequest, refused
from nebulus.proxy.chat_wire import ChatWire
from nebulus.proxy.messages_wire import MessagesWire
from nebulus.proxy.reply import Answered, NoReply
from nebulus.proxy.responses_wire import ResponsesWire
from nebulus.proxy.upstream import Upstream
from nebulus.proxy.wire import ClientWire, StreamWriter, account_headers, read_request

MOST_BODY_BYTES = 1 << 25
"""The largest request. Source: Anthropic's limit for its messages API, 32 MB."""
LONGEST_BODY_S = 60.0
"""How long a client may take to send its request."""
_LONG_BODY_BYTES = 1 << 18
"""A body that is longer is read in a thread, so that other clients are answered meanwhile."""
KEEP_ALIVE_S = 10.0
"""How long a stream is silent at most. Source: Codex ends a stream after 20 s of silence in its shortest setting."""
STREAM_HEADERS = {"Content-Type": "text/event-stream", "Cache-Control": "no-cache", "X-Accel-Buffering": "no"}

Handler: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]

CHAT = ChatWire()
MESSAGES, RESPONSES = MessagesWire(), ResponsesWire()
COUNT_PATH = "/v1/messages/count_tokens"
WIRES: Mapping[str, ClientWire] = MappingProxyType(
    {
        "/v1/chat/completions": CHAT,
        "/chat/completions": CHAT,
        "/v1/messages": MESSAGES,
        "/v1/responses": RESPONSES,
        "/responses": RESPONSES,
    }
)
"""The protocols by path."""

_encoder = msgspec.json.Encoder()
_log = logging.getLogger(__name__)


class ProxyServer:
    """Serves `upstream` to clients; use it as an asynchronous context manager. `url` is where it listens."""

    def __init__(
        self,
        upstream: Upstream,
        *,
        access: Access | None = None,
        keep_alive_s: float = KEEP_ALIVE_S,
        longest_body_s: float = LONGEST_BODY_S,
    ) -> None:
        self._upstream = upstream
        self._access = access or Access()
        self._keep_alive_s, self._longest_body_s = keep_alive_s, longest_body_s
        self._runner: web.AppRunner | None = None
        self._started_s = int(time.time())
        self.url = ""

    async def __aenter__(self) -> "ProxyServer":
        await self.start()
        return self

    async def __aexit__(self, *_exception: object) -> None:
        await self.close()

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> None:
        """Listen.

        Raises:
            OSError: the address is taken or not of this machine.
        """
        app = web.Application(client_max_size=MOST_BODY_BYTES, middlewares=[self._guarded])
        for path, wire in WIRES.items():
            app.router.add_post(path, self._answering(wire))
        app.router.add_post(COUNT_PATH, self._count)
        app.router.add_get("/v1/models", self._models)
        app.router.add_get("/models", self._models)
        app.router.add_get("/v1/models/{name:.+}", self._model)
        app.router.add_get("/health", self._health)
        app.router.add_get("/", self._health)
        self._runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=1.0)
        await self._runner.setup()
        await web.TCPSite(self._runner, host, port).start()
        bound_host, bound_port = self._runner.addresses[0][:2]
        shown = f"[{bound_host}]" if ":" in bound_host else bound_host
        self.url = f"http://{shown}:{bound_port}"

    async def close(self) -> None:
        """Stop listening. May be called twice."""
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()

    @web.middleware
    async def _guarded(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Serve who may be served, and tell every error in the protocol of the path."""
        wire = MESSAGES if request.path == COUNT_PATH else WIRES.get(request.path, CHAT)
        refusal = self._access.refusal(request.headers)
        if refusal is not None:
            return _refused(wire, NoReply(failure=refusal))
        try:
            return await handler(request)
        except web.HTTPRequestEntityTooLarge:
            return _refused(
                wire, NoReply(failure=refused("the body is too large", value=f"{MOST_BODY_BYTES} bytes"))
            )
        except web.HTTPException as error:
            what = f"there is nothing at {request.method} {request.path[:200]}"
            return _json(
                {"error": {"message": what, "type": "invalid_request_error", "code": "not_found"}},
                error.status,
            )
        except NebulusError as error:
            return _refused(wire, NoReply(failure=_ours(error)))
        except Exception as error:  # noqa: BLE001 - a defect of ours is told in the client's protocol too
            _log.exception("a request failed because of a defect")
            return _refused(wire, NoReply(failure=_ours(error)))

    async def _asked(self, request: web.Request, wire: ClientWire) -> ClientRequest | Failure:
        """Return what a client asks for, or why it can't be meant."""
        try:
            async with asyncio.timeout(self._longest_body_s):
                body = await request.read()
        except TimeoutError:
            return refused("the request was not sent in time", value=f"{self._longest_body_s:g} s")
        if len(body) > _LONG_BODY_BYTES:
            return await asyncio.to_thread(read_request, wire, body)
        return read_request(wire, body)

    def _answering(self, wire: ClientWire) -> Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            asked = await self._asked(request, wire)
            if isinstance(asked, Failure):
                return _refused(wire, NoReply(failure=asked))
            if asked.is_stream:
                return await self._streamed(request, asked, wire)
            answered = await self._upstream.answer(asked)
            if isinstance(answered, NoReply):
                return _refused(wire, answered)
            body = wire.whole(answered, asked, response_id=uuid.uuid4().hex, created_s=int(time.time()))
            return _json(body, headers=account_headers(answered.account))

        return handle

    async def _streamed(
        self, request: web.Request, asked: ClientRequest, wire: ClientWire
    ) -> web.StreamResponse:
        pieces: asyncio.Queue[str | None] = asyncio.Queue()
        task = asyncio.create_task(self._upstream.answer(asked, pieces.put_nowait))
        task.add_done_callback(lambda _: pieces.put_nowait(None))
        writer = wire.writer(
            asked, model=asked.model, response_id=uuid.uuid4().hex, created_s=int(time.time())
        )
        stream = _Stream(request, writer)
        try:
            await self._pass_on(pieces, stream)
            answered = await task
            if isinstance(answered, NoReply) and not stream.has_begun:
                return _refused(wire, answered)
            await stream.end(answered)
            return stream.response
        except ConnectionError:  # the client has gone: nobody is left to be told anything
            return stream.response
        except Exception as error:  # noqa: BLE001 - a defect of ours ends the stream in its own terms too
            if not isinstance(error, NebulusError):
                _log.exception("a streamed request failed because of a defect")
            failed = NoReply(failure=_ours(error))
            if not stream.has_begun:
                return _refused(wire, failed)
            await stream.end(failed)
            return stream.response
        finally:
            task.cancel()
            await asyncio.wait([task])

    async def _pass_on(self, pieces: "asyncio.Queue[str | None]", stream: "_Stream") -> None:
        """Pass text on as it comes, until there is no more; while there is none, keep the client waiting."""
        while True:
            try:
                piece = await asyncio.wait_for(pieces.get(), self._keep_alive_s)
            except TimeoutError:
                await stream.keep_alive()
                continue
            if piece is None:
                return
            together, is_over = [piece], False
            while not pieces.empty() and not is_over:
                more = pieces.get_nowait()
                is_over = more is None
                together.append(more or "")
            await stream.text("".join(together))
            if is_over:
                return

    async def _count(self, request: web.Request) -> web.Response:
        """Count the tokens of a messages request, exactly where the model server can."""
        asked = await self._asked(request, MESSAGES)
        tokens = asked if isinstance(asked, Failure) else await self._upstream.count(asked)
        if isinstance(tokens, Failure):
            return _refused(MESSAGES, NoReply(failure=tokens))
        return _json({"input_tokens": tokens})

    async def _models(self, request: web.Request) -> web.Response:
        models = [self._described(name) for name in self._upstream.models]
        names = self._upstream.models
        listed = {
            "object": "list",
            "data": models,
            "has_more": False,
            "first_id": names[0],
            "last_id": names[-1],
        }
        return _json(listed)

    async def _model(self, request: web.Request) -> web.Response:
        tiers = self._upstream.tiers_of(request.match_info["name"])
        if isinstance(tiers, Failure):
            return _refused(CHAT, NoReply(failure=tiers))
        return _json(self._described(request.match_info["name"]))

    def _described(self, name: str) -> dict[str, Any]:
        """Return a model as OpenAI and as Anthropic list it: clients of both ask at the same path."""
        tiers = self._upstream.tiers_of(name)
        window = 0 if isinstance(tiers, Failure) else tiers[0].window_tokens
        when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self._started_s))
        return {
            "id": name,
            "object": "model",
            "created": self._started_s,
            "owned_by": "nebulus",
            "type": "model",
            "display_name": name,
            "created_at": when,
            "context_length": window,
            "max_model_len": window,
        }

    async def _health(self, request: web.Request) -> web.Response:
        return _json({"status": "ok", "models": list(self._upstream.models)})


class _Stream:
    """One streamed response. It begins with its first byte, so that an error before it has a status of its own."""

    def __init__(self, request: web.Request, writer: StreamWriter) -> None:
        self._request, self._writer = request, writer
        self.response = web.StreamResponse(headers=STREAM_HEADERS)
        self.has_begun = False

    async def _opening(self) -> bytes:
        """Send the headers and return what comes first; nothing if the stream has begun."""
        if self.has_begun:
            return b""
        self.has_begun = True
        await self.response.prepare(self._request)
        return self._writer.begin()

    async def text(self, piece: str) -> None:
        await self.response.write(await self._opening() + self._writer.text(piece))

    async def keep_alive(self) -> None:
        await self.response.write(await self._opening() + self._writer.keep_alive())

    async def end(self, answered: Answered) -> None:
        opening = await self._opening()
        end = self._writer.fail(answered) if isinstance(answered, NoReply) else self._writer.finish(answered)
        await self.response.write(opening + end)
        await self.response.write_eof()


def _refused(wire: ClientWire, failed: NoReply) -> web.Response:
    refusal = wire.refusal(failed)
    return _json(refusal.body, refusal.status, headers=refusal.headers)


def _json(body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    return web.Response(
        body=_encoder.encode(body), status=status, content_type="application/json", headers=headers
    )


def _ours(error: Exception) -> Failure:
    if isinstance(error, NebulusError):
        return Failure(kind=FailureKind.OURS, fault=Fault.RUNTIME, what=str(error))
    what, fix = "the proxy itself broke", "report it, with the traceback of its log"
    return Failure(kind=FailureKind.OURS, fault=Fault.RUNTIME, what=what, value=type(error).__name__, fix=fix)
