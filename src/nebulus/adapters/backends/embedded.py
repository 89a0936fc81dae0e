"""A llama.cpp server of our own on a GGUF file: started at the first use, stopped with us.

Invariants: one server per process, so that a crash of native code is a failed request, not a dead run; it listens
on this machine only; it writes no log.
"""

import asyncio
import importlib.util
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec

from nebulus.adapters.backends.child_settings import EXIT_NO_SERVER, ChildSettings
from nebulus.adapters.backends.faults import failure
from nebulus.adapters.backends.gguf_header import GgufHeader, read_header
from nebulus.adapters.backends.http import HttpClient
from nebulus.adapters.backends.llama_cpp import LlamaCppServer
from nebulus.adapters.backends.llama_process import LlamaProcess
from nebulus.adapters.backends.settings import BackendSettings, is_template
from nebulus.core.answers import ModelAnswer, ModelRequest
from nebulus.core.errors import BackendError, ConfigError
from nebulus.core.failure import FailureKind
from nebulus.ports.backend import BackendInfo, OnText, TokenCount

WINDOW_TOKENS = 8192
"""The window where the settings say none: what fits in a laptop's memory with the weights of an 8B model."""

TINY_BYTES = 100 * 1024 * 1024
"""Below this size one thread is fastest: with two on a busy machine, decoding fell from 1,900 to 160 tokens/s."""

TEMPLATE_BYTES = 100_000
"""The longest chat template: it is handed to the child as an argument. Source: execve(2), MAX_ARG_STRLEN."""

PORT_ATTEMPTS = 3


class EmbeddedLlamaCpp:
    """One model file, served by a child process."""

    def __init__(
        self, settings: BackendSettings, *, locate: Callable[[], Awaitable[Path]] | None = None
    ) -> None:
        """Take the settings, and what finds or fetches the file where they name none."""
        self._settings = settings
        self._locate = locate
        self._starting = asyncio.Lock()
        self._child: LlamaProcess | None = None
        self._server: LlamaCppServer | None = None
        self.url = ""
        """Where the server listens, once it was started."""

    @property
    def pid(self) -> int:
        """The process that serves, 0 before the first use."""
        return self._child.pid if self._child else 0

    async def describe(self) -> BackendInfo:
        """Start the server if need be, and say what it is.

        Raises:
            ConfigError: no xllamacpp, no such file, or one that llama.cpp can't load.
            BackendError: the server does not answer, or the file can't be fetched.
        """
        return msgspec.structs.replace(await (await self._running()).describe(), name="embedded llama.cpp")

    async def count(self, request: ModelRequest) -> TokenCount:
        """Count the tokens of `request`, exactly.

        Raises:
            BackendError: the tokenizer did not answer.
        """
        return await (await self._running()).count(request)

    async def answer(self, request: ModelRequest, on_text: OnText | None = None) -> ModelAnswer:
        """Ask once.

        Raises:
            BackendError: no answer that may be used; transient if the server died: the next use starts another.
        """
        return await (await self._running()).answer(request, on_text)

    async def close(self) -> None:
        """Stop the server and wait for its end. May be called twice."""
        server, self._server = self._server, None
        child, self._child = self._child, None
        if server is not None:
            await server.close()
        if child is not None:
            await child.stop()

    async def _running(self) -> LlamaCppServer:
        async with self._starting:
            if self._server is not None and self._child is not None and self._child.is_alive:
                return self._server
            await self.close()
            if importlib.util.find_spec("xllamacpp") is None:
                raise ConfigError("the embedded server needs xllamacpp: pip install 'nebulus[local]'")
            if self._locate is not None:
                self._settings = msgspec.structs.replace(self._settings, path=str(await self._locate()))
            header = read_header(Path(self._settings.path))
            for _ in range(PORT_ATTEMPTS):
                port = _free_port()
                server = await self._start(header, port)
                if server is not None:
                    self._server = server
                    return server
                if _is_free(port):
                    break  # nobody took it in the meantime, so it was the model
            raise ConfigError(
                f"llama.cpp can't load the model {self._settings.path} ({header.size_bytes} bytes, "
                f"architecture {header.architecture!r}){self._with_template()}: fetch it again, or update xllamacpp"
            )

    def _with_template(self) -> str:
        return (
            f" with chat_template={self._settings.chat_template[:60]!r}"
            if self._settings.chat_template
            else ""
        )

    async def _start(self, header: GgufHeader, port: int) -> LlamaCppServer | None:
        """Start a child; None where llama.cpp refused, which does not say what it did not like."""
        told = ChildSettings(
            path=str(Path(self._settings.path).resolve()),
            port=port,
            window_tokens=self._settings.window_tokens
            or min(WINDOW_TOKENS, header.context_tokens or WINDOW_TOKENS),
            slots=self._settings.slots,
            threads=self._settings.threads or (1 if header.size_bytes < TINY_BYTES else 0),
            chat_template=template_text(self._settings.chat_template),
        )
        child = LlamaProcess(told)
        code = await self._ready_or_exit(child)
        if code == EXIT_NO_SERVER:
            return None
        self._child = child
        self.url = f"http://127.0.0.1:{port}"
        http = HttpClient(
            self.url,
            timeout_s=self._settings.timeout_s,
            connect_timeout_s=self._settings.connect_timeout_s,
            limits=self._settings.answer_limits,
        )
        return LlamaCppServer(msgspec.structs.replace(self._settings, model="", window_tokens=0), http)

    async def _ready_or_exit(self, child: LlamaProcess) -> int:
        """Return 0 when the child serves, else its exit code for a refusal.

        Raises:
            BackendError: it took too long, or died otherwise.
        """
        limit_s = self._settings.start_timeout_s
        try:
            code = await child.ready_or_exit(limit_s)
        except TimeoutError as error:
            late = f"the model {self._settings.path} was not loaded in time"
            raise BackendError(
                failure(FailureKind.TIMEOUT, late, value=f"{limit_s:g} s", fix="raise start_timeout_s")
            ) from error
        if code in (0, EXIT_NO_SERVER):
            return code
        raise BackendError(
            failure(FailureKind.PERMANENT, "the embedded server died at its start", value=f"exit {code}")
        )


def template_text(setting: str) -> str:
    """Return the Jinja template that the setting `chat_template` is, or names the file of; "" for none.

    Raises:
        ConfigError: the file can't be read, or is longer than a template can be.
    """
    if not setting or is_template(setting):
        return setting
    try:
        with Path(setting).open("rb") as file:
            data = file.read(TEMPLATE_BYTES + 1)
        text = data.decode("utf-8", "strict" if len(data) <= TEMPLATE_BYTES else "replace")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"chat_template={setting!r} can't be read ({error}): give a Jinja template, or the path of one"
        ) from error
    if len(data) > TEMPLATE_BYTES:
        raise ConfigError(
            f"chat_template={setting!r} is too long",
            fix=f"a chat template has at most {TEMPLATE_BYTES} bytes",
        )
    return text


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0
