"""A scripted model server over HTTP with no latency of its own, for tests and benches.

It speaks OpenAI's chat completions, Anthropic's messages, and, by flavour, the native routes of llama.cpp
and Ollama; each of its answers may misbehave in the ways that real servers do (`Reply`).
Run it by itself: `python -m nebulus.testing.server 8099 llama.cpp`.
"""

import asyncio
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Literal, TypeAlias

import msgspec
from aiohttp import web
from msgspec.structs import replace

from nebulus.core.answers import RawCall
from nebulus.testing.backends import THOUGHT, example_of
from nebulus.testing.floods import send_flood
from nebulus.testing.server_faces import (
    MODEL,
    Reply,
    anthropic_events,
    anthropic_whole,
    llama_events,
    llama_whole,
    ollama_events,
    ollama_whole,
    openai_events,
    openai_whole,
    pieces_of,
    tokens_of,
    written,
)

Body: TypeAlias = dict[str, Any]
Flavour: TypeAlias = Literal["openai", "llama.cpp", "ollama", "vllm", "lmstudio"]

Thinking: TypeAlias = Literal["none", "switch", "always"]
NEW_LINE = "\u010a"
"""How the tokens of a byte-level vocabulary write a line end."""

OPENER = "<tool_call>\n"


def competent(body: Body) -> Reply:
    """Return the least answer that has the form which a request asks for, after a thought if that is asked for."""
    if "stop" in body:  # llama.cpp is asked for the thought by itself
        return Reply(text=THOUGHT)
    asked = (body.get(name) for name in ("reasoning_effort", "thinking_token_budget", "thinking", "think"))
    return replace(_least(body), reasoning=THOUGHT if any(asked) else "")


def _least(body: Body) -> Reply:
    if schema := body.get("json_schema") or body.get("format") or _response_schema(body):
        return Reply(text=json.dumps(example_of(schema)))
    tools = [tool.get("function", tool) for tool in body.get("tools", ())]
    choice = body.get("tool_choice", "auto")
    if not tools or choice == "auto":
        return Reply(text="It is done, as far as I can tell.")
    wanted = choice.get("name") or choice.get("function", {}).get("name") if isinstance(choice, dict) else ""
    tool = next(tool for tool in tools if wanted in ("", None, tool["name"]))
    arguments = example_of(tool.get("parameters") or tool.get("input_schema") or {})
    return Reply(calls=(RawCall(tool["name"], json.dumps(arguments), "call_1"),))


class ScriptedServer:
    """One server; use it as an asynchronous context manager. `requests` has every (path, body) it got.

    `script` is a list of replies, in order, or a function of a request's body. `has_tools` False leaves
    the tools out of every prompt, as a template without tools does. `thinking` is what its template does
    about thoughts: nothing, open and close an empty one where it is told not to reason, or always open one;
    `template` is what it says that its template is.
    `hanging` counts the replies that hang, `disconnects` the clients who hung up on one.
    """

    def __init__(
        self,
        script: Sequence[Reply] | Callable[[Body], Reply] = competent,
        *,
        flavour: Flavour = "openai",
        window_tokens: int = 8192,
        has_tools: bool = True,
        thinking: Thinking = "none",
        template: str = "",
        counts_tokens: bool = True,
    ) -> None:
        self.requests: list[tuple[str, Body]] = []
        self.hanging = 0
        self.disconnects = 0
        self.url = ""
        self._script = script if callable(script) else _in_order(script)
        self._flavour = flavour
        self._window_tokens = window_tokens
        self._has_tools = has_tools
        self._thinking = thinking
        self._template_text = template
        self._counts_tokens = counts_tokens
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> "ScriptedServer":
        await self.start()
        return self

    async def __aexit__(self, *_exception: object) -> None:
        await self.close()

    async def start(self, port: int = 0) -> None:
        """Listen on this machine, on a free port unless one is given."""
        app = web.Application(client_max_size=1 << 26)
        app.add_routes(self._routes())
        self._runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", port)
        await site.start()
        host, bound = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{bound}"

    async def close(self) -> None:
        """Stop listening. May be called twice."""
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()

    def bodies(self, path: str) -> list[Body]:
        """Return the bodies of all requests to one path."""
        return [body for seen, body in self.requests if seen == path]

    def _routes(self) -> Iterable[web.RouteDef]:
        yield web.get("/v1/models", self._models)
        yield web.post("/v1/chat/completions", self._chat)
        yield web.post("/v1/messages", self._messages)
        if self._counts_tokens:
            yield web.post("/v1/messages/count_tokens", self._count)
        if self._flavour == "llama.cpp":
            yield web.get("/props", self._props)
            yield web.post("/apply-template", self._template)
            yield web.post("/completion", self._completion)
            yield web.post("/tokenize", self._tokenize)
        if self._flavour == "ollama":
            yield web.get("/api/version", self._version)
            yield web.post("/api/show", self._show)
            yield web.post("/api/chat", self._ollama)
        if self._flavour == "vllm":
            yield web.post("/tokenize", self._tokenize_chat)
        if self._flavour == "lmstudio":
            yield web.get("/api/v0/models", self._studio)

    async def _models(self, request: web.Request) -> web.Response:
        entry: Body = {"id": MODEL, "object": "model"}
        if self._flavour == "vllm":
            entry["max_model_len"] = self._window_tokens
        return _json({"object": "list", "data": [entry]})

    async def _props(self, request: web.Request) -> web.Response:
        settings = {"n_ctx": self._window_tokens}
        return _json({"default_generation_settings": settings, "chat_template": self._template_text})

    async def _version(self, request: web.Request) -> web.Response:
        return _json({"version": "0.0.0-scripted"})

    async def _show(self, request: web.Request) -> web.Response:
        shown = {"model_info": {"llama.context_length": self._window_tokens}, "parameters": ""}
        can = {"completion": True, "tools": self._has_tools, "thinking": self._thinking != "none"}
        return _json({**shown, "capabilities": [name for name, is_so in can.items() if is_so]})

    async def _studio(self, request: web.Request) -> web.Response:
        loaded = {"id": MODEL, "state": "loaded", "loaded_context_length": self._window_tokens}
        return _json({"data": [loaded]})

    async def _template(self, request: web.Request) -> web.Response:
        return _json({"prompt": self._rendered(await self._body(request))})

    async def _tokenize(self, request: web.Request) -> web.Response:
        body = await self._body(request)
        return _json({"tokens": list(range(tokens_of(body["content"])))})

    async def _tokenize_chat(self, request: web.Request) -> web.Response:
        body = await self._body(request)
        prompt = self._rendered(body)
        pieces = pieces_of(prompt.replace("\n", NEW_LINE)) if body.get("return_token_strs") else []
        return _json({"count": tokens_of(prompt), "token_strs": pieces})

    async def _count(self, request: web.Request) -> web.Response:
        return _json({"input_tokens": tokens_of(self._rendered(await self._body(request)))})

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        return await self._answer(request, openai_whole, openai_events)

    async def _messages(self, request: web.Request) -> web.StreamResponse:
        return await self._answer(request, anthropic_whole, anthropic_events)

    async def _ollama(self, request: web.Request) -> web.StreamResponse:
        return await self._answer(request, ollama_whole, ollama_events)

    async def _completion(self, request: web.Request) -> web.StreamResponse:
        return await self._answer(request, llama_whole, llama_events)

    async def _body(self, request: web.Request) -> Body:
        body: Body = msgspec.json.decode(await request.read())
        self.requests.append((request.path, body))
        return body

    async def _answer(
        self,
        request: web.Request,
        whole: Callable[[Reply], Body],
        events: Callable[[Reply], Iterator[Body]],
    ) -> web.StreamResponse:
        body = await self._body(request)
        prompt = body["prompt"] if "prompt" in body else self._rendered(body)
        if tokens_of(prompt) > self._window_tokens:
            return _json(_too_large(tokens_of(prompt), self._window_tokens), status=400)
        reply = Reply(text=json.dumps(_const(body))) if _const(body) else self._script(body)
        reply = _worked_out(reply, body, prompt)
        await asyncio.sleep(reply.delay_s)
        if reply.hangs:
            await self._hang()
        if reply.flood is not None:
            return await send_flood(request, reply.flood)
        if reply.status != 200 or reply.raw:
            return web.Response(
                body=reply.raw.encode(),
                status=reply.status,
                headers={"Content-Type": "application/json", **reply.headers},
            )
        if not body.get("stream"):
            return _json(whole(reply))
        return await self._stream(request, reply, events(reply))

    async def _hang(self) -> None:
        self.hanging += 1
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.disconnects += 1
            raise

    async def _stream(self, request: web.Request, reply: Reply, events: Iterator[Body]) -> web.StreamResponse:
        is_lines = request.path == "/api/chat"
        response = web.StreamResponse(
            headers={"Content-Type": "application/x-ndjson" if is_lines else "text/event-stream"}
        )
        await response.prepare(request)
        lines: list[bytes] = []
        for number, event in enumerate(events):
            if number == reply.breaks_after:
                await response.write(b"".join(lines))
                assert request.transport is not None
                request.transport.abort()
                return response
            if number == reply.error_after:
                error = {
                    "error": {"type": "server_error", "code": 500, "message": "scripted error in mid-stream"}
                }
                lines.append(_line(error, is_lines=is_lines))
                break
            lines.append(_line(event, is_lines=is_lines))
        else:
            lines.append(b"" if is_lines else b"data: [DONE]\n\n")
        await response.write(b"".join(lines))  # at once: a server without latency does not dribble
        return response

    def _rendered(self, body: Body) -> str:
        """The scripted model's template: ChatML, with the tools in front."""
        tools = body.get("tools") if self._has_tools else None
        lines = [f"<tools>{json.dumps(tools)}</tools>"] if tools else []
        if system := body.get("system"):
            lines.append(f"<|im_start|>system\n{system}<|im_end|>")
        lines += [
            f"<|im_start|>{message['role']}\n{_content(message)}<|im_end|>"
            for message in body.get("messages", ())
        ]
        return "\n".join([*lines, f"<|im_start|>assistant\n{self._thought(body)}"])

    def _thought(self, body: Body) -> str:
        is_on = body.get("chat_template_kwargs", {}).get("enable_thinking", True)
        match self._thinking:
            case "always":
                return "<think>\n"
            case "switch":
                return "" if is_on else "<think>\n\n</think>\n\n"
            case "none":
                return ""


def _content(message: Body) -> str:
    content = message.get("content") or ""
    text = content if isinstance(content, str) else json.dumps(content)
    for call in message.get("tool_calls", ()):
        function = call["function"]
        arguments = function["arguments"]
        written = arguments if isinstance(arguments, str) else json.dumps(arguments)
        text += f'{OPENER}{{"name": "{function["name"]}", "arguments": {written}}}\n</tool_call>'
    return text


def _worked_out(reply: Reply, body: Body, prompt: str) -> Reply:
    """Fill in the honest numbers, and stop at the cap as a server does."""
    options = body.get("options", {})
    names = ("max_tokens", "max_completion_tokens", "n_predict")
    cap = next((body[name] for name in names if name in body), options.get("num_predict", 1 << 30))
    if "json_schema" in body and reply.calls:
        call = reply.calls[0]
        reply = replace(
            reply, calls=(), text=f'{{"name": {json.dumps(call.name)}, "arguments": {call.arguments}}}'
        )
    reply = replace(reply, prompt_tokens=reply.prompt_tokens or tokens_of(prompt))
    if written(reply) <= cap or reply.completion_tokens:
        return reply
    kept = reply.text[: 4 * cap]
    return replace(reply, text=kept, calls=(), completion_tokens=cap, finish=reply.finish or "length")


def _const(body: Body) -> Any:
    schema = body.get("json_schema")
    return schema.get("const") if isinstance(schema, dict) else None


def _response_schema(body: Body) -> Any:
    return body.get("response_format", {}).get("json_schema", {}).get("schema")


def _too_large(tokens: int, window_tokens: int) -> Body:
    return {
        "error": {
            "code": 400,
            "type": "exceed_context_size_error",
            "message": f"request ({tokens} tokens) exceeds the available context size ({window_tokens} tokens)",
            "n_prompt_tokens": tokens,
            "n_ctx": window_tokens,
        }
    }


def _in_order(replies: Sequence[Reply]) -> Callable[[Body], Reply]:
    left = iter(replies)

    def following(body: Body) -> Reply:
        return next(left, Reply(status=500, raw='{"error": {"message": "the script has come to its end"}}'))

    return following


def _line(event: Body, *, is_lines: bool) -> bytes:
    return (
        msgspec.json.encode(event) + b"\n" if is_lines else b"data: " + msgspec.json.encode(event) + b"\n\n"
    )


def _json(body: Body, *, status: int = 200) -> web.Response:
    return web.Response(body=msgspec.json.encode(body), status=status, content_type="application/json")


async def _serve(port: int, flavour: Flavour) -> None:
    async with ScriptedServer(flavour=flavour) as server:
        await server.close()
        await server.start(port)
        sys.stdout.write(f"{server.url}\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1]), msgspec.convert(sys.argv[2], Flavour)))
