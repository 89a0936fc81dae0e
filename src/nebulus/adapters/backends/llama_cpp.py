"""llama.cpp's server, by the path on which nothing is lost: its template, then its raw completion.

Invariants: the server's own call parser is never used (it answers HTTP 500 to what it can't parse), so the text
reaches our reader as the model wrote it; a call is constrained from the model's own opening mark on. A model
that reasons first does so in a completion of its own, up to the end of the thought or its cap; the answer goes
on behind the closed thought, and the server has all of that in its cache. What may take long is streamed even
if nobody looks on: only then does the server notice that nobody waits any more (xllamacpp 2026.10 writes an
unstreamed answer to its end). A form bounds its answer; where the server is quick enough, it comes as one whole
body, which costs a third of the CPU time of a stream.
"""

from typing import Any

import msgspec
from msgspec import Struct

from nebulus.adapters.backends.chat import decoded, read_stream
from nebulus.adapters.backends.enforcement import enforce_form
from nebulus.adapters.backends.faults import failure
from nebulus.adapters.backends.forms import PLAIN, call_schema, guided
from nebulus.adapters.backends.http import HttpClient
from nebulus.adapters.backends.llama_prompt import LlamaPrompts
from nebulus.adapters.backends.probe import Flavour, probe
from nebulus.adapters.backends.prompted_tools import tool_form_of
from nebulus.adapters.backends.schema_subset import Reduced, reduce
from nebulus.adapters.backends.settings import BackendSettings
from nebulus.adapters.backends.thinking import THINK, THINKINGS, Thinking, known_to, opened_by
from nebulus.adapters.backends.truncation import check_truncation
from nebulus.adapters.backends.window import agreed_window
from nebulus.adapters.backends.wire import broken_off, raise_if_error
from nebulus.core.answers import (
    FinishReason,
    Form,
    FreeForm,
    ModelAnswer,
    ModelRequest,
    OneCall,
    Shape,
    Usage,
)
from nebulus.core.errors import BackendError
from nebulus.core.failure import FailureKind
from nebulus.core.tools import ToolSpec
from nebulus.ports.backend import BackendInfo, OnText, TokenCount

_FIELDS = ["content", "tokens_predicted", "tokens_evaluated", "stop_type", "truncated", "timings", "model"]
"""All that is read of an answer; without this the server sends prompt and grammar back.

Source: llama.cpp server documentation, `response_fields`.
"""

_MARKS = [
    "<tool_call>", "</tool_call>", "<|tool_call|>", "<|python_tag|>", "[TOOL_CALLS]", "[ARGS]", "<TOOLCALL>",
    "<|tool_call_start|>", "<|tool_call_end|>", "<think>", "[THINK]", "<|channel|>", "<|message|>",
    "<｜tool▁calls▁begin｜>", "<｜tool▁call▁begin｜>", "<｜tool▁sep｜>", *(each.stop for each in THINKINGS),
]  # fmt: skip
"""Control tokens that open calls or thoughts: the server swallows them unless they are named.

Source: llama.cpp server, `preserved_tokens`; the marks of the model families' templates.
"""

_HELD_S = 0.5
"""The longest that a request which nobody waits for any more may occupy its slot, by the server's last speed."""

_LEAST_TIMED = 8
"""Tokens of an answer that tells the server's speed; fewer are over before its clock has ticked."""

_PROBE_WORD = "nebulus"
_SCHEMAS_KEPT = 64


class _Timings(Struct, frozen=True):
    cache_n: int = 0
    predicted_per_second: float = 0.0


class _Completion(Struct, frozen=True):
    content: str
    tokens_predicted: int = 0
    tokens_evaluated: int = 0
    stop_type: str = ""
    truncated: bool = False
    timings: _Timings = _Timings()
    model: str = ""


class _Piece(Struct, frozen=True):
    content: str = ""
    error: Any = None


_encoder = msgspec.json.Encoder()
_completion = msgspec.json.Decoder(_Completion)
_piece = msgspec.json.Decoder(_Piece)


class LlamaCppServer:
    """One model of a llama.cpp server."""

    def __init__(self, settings: BackendSettings, http: HttpClient) -> None:
        self._settings = settings
        self._http = http
        self._prompts = LlamaPrompts(http)
        self._info: BackendInfo | None = None
        self._style = PLAIN
        self._thinking = THINK
        self._tokens_per_s = 0.0
        self._schemas: dict[tuple[str, tuple[int, ...]], tuple[tuple[ToolSpec, ...], Reduced]] = {}
        self._counted: tuple[ModelRequest, TokenCount] | None = None

    async def describe(self) -> BackendInfo:
        """Probe the server once: what it is, how its model writes calls, whether it obeys a schema.

        Raises:
            BackendError: it can't be reached, is not a llama.cpp server, or does not serve this model.
            ConfigError: the settings want a larger window than it has.
        """
        async with self._http.deadline():
            return await self._known()

    async def count(self, request: ModelRequest) -> TokenCount:
        """Count the tokens of `request`, exactly.

        Raises:
            BackendError: the tokenizer did not answer.
        """
        async with self._http.deadline():
            await self._known()
            prompt = await self._prompt(request)
            counted = TokenCount(await self._prompts.count(prompt), is_exact=True)
        self._counted = (request, counted)
        return counted

    async def answer(self, request: ModelRequest, on_text: OnText | None = None) -> ModelAnswer:
        """Ask once.

        Raises:
            BackendError: no answer that may be used.
        """
        async with self._http.deadline():
            return await self._answer(request, on_text)

    async def _answer(self, request: ModelRequest, on_text: OnText | None) -> ModelAnswer:
        info = await self._known()
        prompt, thought = await self._prompt(request), ModelAnswer()
        if request.reasoning_tokens:
            thinking = opened_by(prompt) or self._thinking
            thought = await self._stream(_thought_body(request, prompt, thinking), None)
            prompt = self._up_to_form(thinking.ended(prompt, thought.text), request.form)
        sent = self._sent(request)
        schema = None if sent is None else sent.schema
        is_quick = request.max_tokens <= _HELD_S * self._tokens_per_s
        is_stream = on_text is not None or schema is None or not is_quick
        body = self._body(request, prompt, schema, is_stream=is_stream)
        answer = await (self._stream(body, on_text) if is_stream else self._whole(body))
        answer = _after(thought, answer) if request.reasoning_tokens else answer
        counted = self._counted[1] if self._counted and self._counted[0] is request else None
        answer = self._with_opener(check_truncation(answer, request, counted), request)
        answer = enforce_form(
            answer, request, is_promised=info.constrains_calls, style=self._style, sent=schema
        )
        return msgspec.structs.replace(answer, unenforced=sent.losses) if sent and sent.losses else answer

    async def close(self) -> None:
        """Let go of connections. May be called twice."""
        await self._http.close()

    async def _known(self) -> BackendInfo:
        if self._info is None:
            self._info = await self._probe()
        return self._info

    async def _probe(self) -> BackendInfo:
        facts = await probe(self._http)
        if facts.flavour is not Flavour.LLAMA_CPP:
            raise BackendError(
                failure(
                    FailureKind.NOT_FOUND,
                    f"{self._http.root} is not a llama.cpp server",
                    value=facts.flavour.value,
                    fix='use kind "openai" for it',
                )
            )
        served = facts.model(self._settings.model)
        takes_tools = await self._prompts.takes_tools()
        self._prompts.tool_form = tool_form_of(self._settings, takes_tools=takes_tools)
        self._style = await self._prompts.call_style()
        self._thinking = known_to(facts.template)
        is_constrained = await self._obeys_schemas()
        return BackendInfo(
            name=Flavour.LLAMA_CPP.value,
            model=served.name,
            window_tokens=agreed_window(
                self._settings.window_tokens, served.window_tokens, model=served.name
            ),
            counts_exactly=True,
            constrains_calls=is_constrained,
            constrains_json=is_constrained,
            template_calls=takes_tools,
            reasons=True,
            leaves_machine=self._settings.leaves_machine,
        )

    async def _obeys_schemas(self) -> bool:
        """Let it answer with a word that no model would say by itself."""
        body = {"prompt": "Hello", "n_predict": 16, "temperature": 0, "response_fields": _FIELDS}
        body["json_schema"] = guided({"const": _PROBE_WORD})
        answer = await self._whole(_encoder.encode(body))
        return answer.text.strip() == f'"{_PROBE_WORD}"'

    async def _prompt(self, request: ModelRequest) -> str:
        """The rendered prompt, up to where the model's thought begins, or else the form of its answer."""
        prompt = await self._prompts.render(request)
        thinking = opened_by(prompt)
        if request.reasoning_tokens:
            return prompt if thinking else self._thinking.begun(prompt)
        return self._up_to_form(thinking.ended(prompt) if thinking else prompt, request.form)

    def _up_to_form(self, prompt: str, form: Form) -> str:
        return prompt + self._style.opener if isinstance(form, OneCall) else prompt

    def _sent(self, request: ModelRequest) -> Reduced | None:
        """The schema that the server gets, and what was left out of it."""
        match request.form:
            case OneCall() as form:
                return self._calls(request.tools, form)
            case Shape(schema):
                return reduce(schema)
            case FreeForm():
                return None

    def _calls(self, tools: tuple[ToolSpec, ...], form: OneCall) -> Reduced:
        """The schema of a set of tools, kept while the very same specs come again."""
        key = (" ".join((form.tool, *form.barred)), tuple(map(id, tools)))
        known = self._schemas.get(key)
        if known is None:
            if len(self._schemas) >= _SCHEMAS_KEPT:
                self._schemas.clear()
            known = self._schemas[key] = (tools, call_schema(tools, form, self._style))
        return known[1]

    def _body(
        self, request: ModelRequest, prompt: str, schema: dict[str, Any] | None, *, is_stream: bool
    ) -> bytes:
        body = _completing(request, prompt) | {"n_predict": request.max_tokens, "stream": is_stream}
        if schema is None:
            body["preserved_tokens"] = _MARKS
        else:
            body["json_schema"] = guided(schema, self._style)
        return _encoder.encode(body)

    async def _whole(self, body: bytes) -> ModelAnswer:
        done = decoded(_completion.decode, await self._http.post("/completion", body))
        self._time(done)
        return _answer(done, done.content)

    async def _stream(self, body: bytes, on_text: OnText | None) -> ModelAnswer:
        stream = _Stream(on_text)
        unstreamed = await read_stream(self._http, "/completion", body, reader=stream)
        if unstreamed:
            done = decoded(_completion.decode, unstreamed)
            return _answer(done, done.content)
        answer = stream.finish()
        self._time(stream.last)
        return answer

    def _time(self, done: _Completion) -> None:
        """Remember how fast an answer came."""
        if done.tokens_predicted >= _LEAST_TIMED:
            self._tokens_per_s = done.timings.predicted_per_second

    def _with_opener(self, answer: ModelAnswer, request: ModelRequest) -> ModelAnswer:
        """Give back the mark at the end of the prompt, where the text is a call's beginning."""
        if isinstance(request.form, OneCall) and answer.finish is FinishReason.LENGTH:
            return msgspec.structs.replace(answer, text=self._style.opener + answer.text)
        return answer


class _Stream:
    """Collects the pieces of one completion."""

    def __init__(self, on_text: OnText | None) -> None:
        self._on_text = on_text
        self._pieces: list[str] = []
        self._has_ended = False
        self.last = _Completion("")

    def feed(self, payload: bytes) -> None:
        """Take one event; the last one alone says why it stopped."""
        if b'"stop_type"' in payload:
            self.last, self._has_ended = _completion.decode(payload), True
            return
        piece = _piece.decode(payload)
        raise_if_error(payload, piece.error)
        if piece.content:
            self._pieces.append(piece.content)
            if self._on_text is not None:
                self._on_text(piece.content)

    def finish(self) -> ModelAnswer:
        """Return the whole answer.

        Raises:
            BackendError: the last event is missing.
        """
        text = "".join(self._pieces)
        if not self._has_ended:
            raise broken_off(text)
        return _answer(self.last, text)


def _answer(done: _Completion, text: str) -> ModelAnswer:
    is_cut = done.stop_type == "limit" or done.truncated
    return ModelAnswer(
        text=text,
        finish=FinishReason.LENGTH if is_cut else FinishReason.STOP,
        usage=Usage(done.tokens_evaluated, done.tokens_predicted, done.timings.cache_n),
        model=done.model,
    )


def _completing(request: ModelRequest, prompt: str) -> dict[str, Any]:
    return {
        "prompt": prompt,
        "temperature": request.temperature,
        "seed": request.seed,
        "cache_prompt": True,
        "response_fields": _FIELDS,
    }


def _thought_body(request: ModelRequest, prompt: str, thinking: Thinking) -> bytes:
    """A thought ends by the model's own mark, by the end of its turn, or at its cap."""
    own = {"n_predict": request.reasoning_tokens, "stop": [thinking.stop], "stream": True}
    return _encoder.encode(_completing(request, prompt) | own | {"preserved_tokens": _MARKS})


def _after(thought: ModelAnswer, answer: ModelAnswer) -> ModelAnswer:
    """Return the answer with the thought before it: the prompt is the first one's, the tokens are both's."""
    spent, own = thought.usage, answer.usage
    return msgspec.structs.replace(
        answer,
        reasoning=thought.text.strip(),
        usage=Usage(
            prompt_tokens=spent.prompt_tokens,
            completion_tokens=spent.completion_tokens + own.completion_tokens,
            cached_tokens=spent.cached_tokens,
            reasoning_tokens=spent.completion_tokens,
        ),
    )
