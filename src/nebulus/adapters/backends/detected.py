"""A server of which only the address is known: the interface that loses least is found out at the first use."""

import asyncio

from nebulus.adapters.backends.http import HttpClient
from nebulus.adapters.backends.llama_cpp import LlamaCppServer
from nebulus.adapters.backends.openai_chat import OpenAIChat
from nebulus.adapters.backends.probe import is_llama_cpp
from nebulus.adapters.backends.settings import BackendSettings
from nebulus.core.answers import ModelAnswer, ModelRequest
from nebulus.ports.backend import BackendInfo, OnText, TokenCount


class DetectedServer:
    """llama.cpp's own interface where llama.cpp answers, which constrains calls; else the OpenAI-compatible one."""

    def __init__(self, settings: BackendSettings, http: HttpClient) -> None:
        self._settings = settings
        self._http = http
        self._server: LlamaCppServer | OpenAIChat | None = None
        self._detecting = asyncio.Lock()

    async def describe(self) -> BackendInfo:
        """Find out what the server is, and say it.

        Raises:
            BackendError: it can't be reached, or does not serve this model.
            ConfigError: the settings can't be carried out by this server.
        """
        return await (await self._found()).describe()

    async def count(self, request: ModelRequest) -> TokenCount:
        """Count the tokens of `request`, as the server found can.

        Raises:
            BackendError: the server's tokenizer did not answer.
        """
        return await (await self._found()).count(request)

    async def answer(self, request: ModelRequest, on_text: OnText | None = None) -> ModelAnswer:
        """Ask once.

        Raises:
            BackendError: no answer that may be used.
        """
        return await (await self._found()).answer(request, on_text)

    async def close(self) -> None:
        """Let go of connections. May be called twice."""
        await self._http.close()

    async def _found(self) -> LlamaCppServer | OpenAIChat:
        async with self._detecting:
            if self._server is None:
                async with self._http.deadline():
                    is_llama = await is_llama_cpp(self._http)
                kind = LlamaCppServer if is_llama else OpenAIChat
                self._server = kind(self._settings, self._http)
        return self._server
