"""Servers that never stop sending: a bounded part is read, and the failure says which limit was reached."""

from collections.abc import Awaitable, Callable

import pytest
from aiohttp import web
from msgspec.structs import replace

from nebulus.adapters.backends.factory import open_backend
from nebulus.adapters.backends.http import HttpClient
from nebulus.adapters.backends.settings import AnswerLimits, BackendKind, BackendSettings
from nebulus.core.answers import Message, ModelRequest, Shape
from nebulus.core.errors import BackendError, ConfigError
from nebulus.core.failure import Failure, FailureKind
from nebulus.testing.floods import CHUNK_BYTES, Flood, FloodKind
from nebulus.testing.server import Flavour, Reply, ScriptedServer

KIB = 1024
LIMITS = AnswerLimits(max_answer_bytes=512 * KIB, max_error_bytes=4 * KIB, max_line_bytes=64 * KIB)
SLACK_BYTES = 4 * CHUNK_BYTES
"""What the client's buffer may have taken in when it hangs up."""
FLOOD_BYTES = 24 * KIB * KIB
SPEAKERS: dict[str, tuple[BackendKind, Flavour]] = {
    "llama.cpp": ("llama.cpp", "llama.cpp"),
    "openai": ("openai", "openai"),
    "ollama": ("openai", "ollama"),
    "anthropic": ("anthropic", "openai"),
}
ASK = ModelRequest(messages=(Message("user", "Please read the file notes.txt."),), max_tokens=50)
QUICK = Shape({"type": "string"})

every_speaker = pytest.mark.parametrize("speaker", SPEAKERS)


class CountingClient(HttpClient):
    """Counts the decompressed bytes that its caller is given."""

    read_bytes = 0

    async def _pieces(self, response):  # type: ignore[no-untyped-def]
        async for piece in super()._pieces(response):
            CountingClient.read_bytes += len(piece)
            yield piece


async def flooded(
    speaker: str, kind: FloodKind, *, is_streamed: bool, timeout_s: float = 60.0
) -> tuple[Failure, int]:
    """Return the failure, and how many decompressed bytes were read."""
    backend_kind, flavour = SPEAKERS[speaker]
    flood = Flood(kind, most_bytes=FLOOD_BYTES)
    async with ScriptedServer(lambda body: Reply(flood=flood), flavour=flavour) as server:
        settings = BackendSettings(
            kind=backend_kind, url=server.url, window_tokens=4096, answer_limits=LIMITS, timeout_s=timeout_s
        )
        backend = open_backend(settings)
        backend._http.__class__ = CountingClient  # type: ignore[attr-defined]
        await backend.describe()
        CountingClient.read_bytes = 0
        with pytest.raises(BackendError) as caught:
            await backend.answer(ASK, (lambda piece: None) if is_streamed else None)
        await backend.close()
    return caught.value.failure, CountingClient.read_bytes


@every_speaker
@pytest.mark.parametrize("kind", ["body", "gzip bomb"])
async def test_a_whole_answer_without_an_end_is_read_up_to_its_limit(speaker: str, kind: FloodKind) -> None:
    failure, read_bytes = await flooded(speaker, kind, is_streamed=False)
    assert failure.kind is FailureKind.TRUNCATED
    limit = "max_line_bytes" if speaker == "llama.cpp" else "max_answer_bytes"  # it always streams
    assert limit in failure.what
    assert limit in failure.fix
    assert str(getattr(LIMITS, limit)) in failure.value
    assert read_bytes <= LIMITS.max_answer_bytes + SLACK_BYTES


@every_speaker
@pytest.mark.parametrize("kind", ["events", "comments", "gzip bomb"])
async def test_a_stream_without_an_end_is_read_up_to_its_limit(speaker: str, kind: FloodKind) -> None:
    failure, read_bytes = await flooded(speaker, kind, is_streamed=True)
    if speaker == "ollama" and kind == "comments":
        assert failure.kind is FailureKind.MALFORMED_ANSWER  # a line of this protocol is JSON
        return
    assert failure.kind is FailureKind.TRUNCATED
    assert read_bytes <= LIMITS.max_answer_bytes + SLACK_BYTES


@every_speaker
async def test_a_line_without_an_end_is_read_up_to_its_limit(speaker: str) -> None:
    failure, read_bytes = await flooded(speaker, "line", is_streamed=True)
    assert failure.kind is FailureKind.TRUNCATED
    assert "answer_limits.max_line_bytes" in failure.what
    assert str(LIMITS.max_line_bytes) in failure.value
    assert read_bytes <= LIMITS.max_line_bytes + SLACK_BYTES


@every_speaker
@pytest.mark.parametrize("is_streamed", [False, True], ids=["whole", "streamed"])
async def test_an_error_without_an_end_is_cut_and_is_still_that_error(
    speaker: str, is_streamed: bool
) -> None:
    failure, read_bytes = await flooded(speaker, "error", is_streamed=is_streamed)
    assert failure.kind is FailureKind.TRANSIENT
    assert "HTTP 500" in failure.what
    assert len(failure.value) <= 200
    assert read_bytes <= LIMITS.max_error_bytes + SLACK_BYTES


@pytest.mark.parametrize("speaker", ["openai", "ollama", "anthropic"])
async def test_a_stream_of_calls_without_an_end_is_no_answer(speaker: str) -> None:
    failure, read_bytes = await flooded(speaker, "calls", is_streamed=True)
    assert failure.kind in (FailureKind.TRUNCATED, FailureKind.MALFORMED_ANSWER)
    assert read_bytes <= LIMITS.max_answer_bytes + SLACK_BYTES


async def test_a_body_of_very_many_values_is_not_decoded() -> None:
    with_room = replace(LIMITS, max_answer_bytes=4 * KIB * KIB)
    body = b'{"choices":[' + b"{}," * 1_000_000 + b"{}]}"
    failure = await failed_get(lambda request: web.Response(body=body), with_room)
    assert failure.kind is FailureKind.MALFORMED_ANSWER
    assert "values" in failure.value


async def test_a_compression_that_nobody_asked_for_is_named() -> None:
    failure = await failed_get(lambda request: web.Response(body=b"x", headers={"Content-Encoding": "br"}))
    assert failure.kind is FailureKind.MALFORMED_ANSWER
    assert failure.value == "br"


async def test_a_damaged_compression_is_malformed() -> None:
    failure = await failed_get(
        lambda request: web.Response(body=b"xyz", headers={"Content-Encoding": "gzip"})
    )
    assert failure.kind is FailureKind.MALFORMED_ANSWER


async def test_no_compression_is_asked_for_and_one_that_comes_all_the_same_is_read() -> None:
    seen: list[str] = []

    async def packed(request: web.Request) -> web.Response:
        seen.append(request.headers["Accept-Encoding"])
        response = web.Response(text="fine " * 1000)
        response.enable_compression(web.ContentCoding.gzip)
        return response

    async with Served(packed) as url:
        http = HttpClient(url, timeout_s=5, connect_timeout_s=5)
        assert await http.get("/") == b"fine " * 1000
        await http.close()
    assert seen == ["identity"]


@every_speaker
async def test_a_stream_that_never_rests_and_never_ends_is_a_timeout(speaker: str) -> None:
    failure, _ = await flooded(speaker, "slow events", is_streamed=True, timeout_s=0.3)
    assert failure.kind is FailureKind.TIMEOUT
    assert failure.value == "0.3 s"


async def test_all_requests_of_one_answer_share_one_time_limit() -> None:
    async with ScriptedServer(lambda body: Reply(text="fine", delay_s=1.0), flavour="llama.cpp") as server:
        hurried = open_backend(BackendSettings(kind="llama.cpp", url=server.url, timeout_s=1.5))
        with pytest.raises(BackendError) as caught:
            await hurried.answer(replace(ASK, reasoning_tokens=16))  # two completions of 1 s each
        await hurried.close()
    assert caught.value.failure.kind is FailureKind.TIMEOUT


@pytest.mark.parametrize(
    "changed", [{"max_answer_bytes": 0}, {"max_error_bytes": -1}, {"max_line_bytes": 1023}]
)
def test_a_limit_that_leaves_no_room_is_refused_at_the_start(changed: dict[str, int]) -> None:
    limits = replace(AnswerLimits(), **changed)
    with pytest.raises(ConfigError, match=f"answer_limits.{next(iter(changed))}"):
        open_backend(BackendSettings(kind="openai", url="http://127.0.0.1:1", answer_limits=limits))


async def failed_get(
    handler: Callable[[web.Request], web.Response], limits: AnswerLimits = LIMITS
) -> Failure:
    async def answered(request: web.Request) -> web.Response:
        return handler(request)

    async with Served(answered) as url:
        http = HttpClient(url, timeout_s=10, connect_timeout_s=5, limits=limits)
        with pytest.raises(BackendError) as caught:
            await http.get("/")
        await http.close()
    return caught.value.failure


class Served:
    """A server with one handler, for the length of a block."""

    def __init__(self, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> None:
        app = web.Application()
        app.router.add_get("/", handler)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)

    async def __aenter__(self) -> str:
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        host, port = self._runner.addresses[0][:2]
        return f"http://{host}:{port}"

    async def __aexit__(self, *_exception: object) -> None:
        await self._runner.cleanup()
