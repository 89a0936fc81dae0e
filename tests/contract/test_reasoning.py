"""What every backend promises whose model reasons first: a thought apart, bounded and counted, then the form."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import jsonschema_rs
import pytest
from msgspec.structs import replace

from nebulus.adapters.backends.factory import open_backend
from nebulus.adapters.backends.settings import BackendKind, BackendSettings
from nebulus.calls import read
from nebulus.core.answers import FinishReason, FreeForm, ModelRequest, OneCall, Shape
from nebulus.ports.backend import ModelBackend
from nebulus.testing.backends import ScriptedBackend
from nebulus.testing.server import Flavour, ScriptedServer
from tests.contract.backend_cases import MESSAGES, NANO, TOOLS, missing
from tests.contract.template_server import THINKING, template_server, with_thinking

CAP = 24
SCRIPTS: dict[str, tuple[BackendKind, Flavour, int]] = {
    "llama.cpp on a script": ("llama.cpp", "llama.cpp", CAP),
    "openai on a script": ("openai", "openai", CAP),
    "openai on a scripted Ollama": ("openai", "ollama", CAP),
    "openai on a scripted vLLM": ("openai", "vllm", CAP),
    "openai on a scripted LM Studio": ("openai", "lmstudio", CAP),
    "anthropic on a script": ("anthropic", "openai", 1024),
}
REAL = {f"real: nano, a template with {kind}": kind for kind in THINKING}
RANDOM = "real: random weights"
SCHEMA = {
    "type": "object",
    "properties": {"verdict": {"enum": ["done", "continue"]}},
    "required": ["verdict"],
    "additionalProperties": False,
}


def asked(cap: int, **changes: object) -> ModelRequest:
    """A request for one call after a thought."""
    base = ModelRequest(messages=MESSAGES, tools=TOOLS, form=OneCall(), max_tokens=200, reasoning_tokens=cap)
    return replace(base, **changes)


@asynccontextmanager
async def opened(name: str, folder: Path) -> AsyncIterator[tuple[ModelBackend, int]]:
    """A backend, and the cap that it is asked with."""
    if name == "fake":
        yield ScriptedBackend(), CAP
        return
    if name in SCRIPTS:
        kind, flavour, cap = SCRIPTS[name]
        async with ScriptedServer(flavour=flavour) as server:
            settings = BackendSettings(kind=kind, url=server.url, window_tokens=4096, reasoning_tokens=cap)
            backend = open_backend(settings)
            yield backend, cap
            await backend.close()
        return
    export = pytest.importorskip("nano.export", reason="nano's sources are not here")
    template, model = export.TEMPLATE, NANO
    if name == RANDOM:
        pytest.importorskip("gguf", reason="the extra `nano` is not installed")
        model = folder / "random.gguf"
        shape = export.Shape(n_vocab=export.stored_vocabulary_size(), is_tied=False)
        export.write(
            model, shape, export.random_weights(shape), name="random", vocabulary=export.tokens.STORED
        )
    else:
        template = with_thinking(template, REAL[name])
    async with template_server(model, template) as url:
        backend = open_backend(BackendSettings(kind="llama.cpp", url=url, reasoning_tokens=CAP))
        yield backend, CAP
        await backend.close()


@pytest.fixture(
    params=[
        pytest.param(name, marks=pytest.mark.e2e if "real" in name else ())
        for name in ("fake", *SCRIPTS, *REAL, RANDOM)
    ]
)
async def backend(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[tuple[ModelBackend, int]]:
    if why := missing(request.param):
        pytest.skip(why)
    async with opened(request.param, tmp_path) as case:
        yield case


async def test_it_says_that_it_reasons(backend: tuple[ModelBackend, int]) -> None:
    assert (await backend[0].describe()).reasons


async def test_a_call_after_a_thought_is_a_valid_call_and_nothing_of_the_thought_is_in_it(
    backend: tuple[ModelBackend, int],
) -> None:
    model, cap = backend
    answer = await model.answer(asked(cap))
    assert answer.text == ""
    (call,) = answer.calls
    tool = next(tool for tool in TOOLS if tool.name == call.name)
    assert set(json.loads(call.arguments)) == set(tool.parameters["required"])
    assert answer.finish is FinishReason.CALLS
    assert read(answer, TOOLS, cap_tokens=asked(cap).most_tokens).calls


async def test_a_thought_is_bounded_and_its_tokens_are_counted(backend: tuple[ModelBackend, int]) -> None:
    model, cap = backend
    answer = await model.answer(asked(cap))
    usage = answer.usage
    assert usage.reasoning_tokens <= cap
    assert usage.completion_tokens <= asked(cap).most_tokens
    assert usage.completion_tokens > usage.reasoning_tokens
    assert answer.reasoning or usage.completion_tokens


async def test_the_count_is_of_the_prompt_without_the_thought(backend: tuple[ModelBackend, int]) -> None:
    model, cap = backend
    counted = await model.count(asked(cap))
    answer = await model.answer(asked(cap))
    assert not counted.is_exact or answer.usage.prompt_tokens == counted.tokens


async def test_a_shape_after_a_thought_is_json_of_its_schema(backend: tuple[ModelBackend, int]) -> None:
    model, cap = backend
    answer = await model.answer(asked(cap, tools=(), form=Shape(SCHEMA)))
    jsonschema_rs.validator_for(SCHEMA).validate(json.loads(answer.text))


async def test_words_after_a_thought_are_streamed_without_it(backend: tuple[ModelBackend, int]) -> None:
    model, cap = backend
    pieces: list[str] = []
    answer = await model.answer(asked(cap, form=FreeForm(), tools=(), max_tokens=24), pieces.append)
    assert "".join(pieces) == answer.text
    assert not answer.starts_in_reasoning


async def test_without_leave_to_reason_there_is_no_thought(backend: tuple[ModelBackend, int]) -> None:
    answer = await backend[0].answer(asked(0))
    assert (answer.reasoning, answer.usage.reasoning_tokens) == ("", 0)
    assert len(answer.calls) == 1


@pytest.mark.e2e
@pytest.mark.parametrize("cap", [1, 2, 5])
@pytest.mark.parametrize("kind", THINKING)
async def test_a_thought_at_its_cap_is_closed_and_the_call_follows(
    kind: str, cap: int, tmp_path: Path
) -> None:
    if why := missing("real"):
        pytest.skip(why)
    pytest.importorskip("gguf", reason="the extra `nano` is not installed")
    export = pytest.importorskip("nano.export", reason="nano's sources are not here")
    model = tmp_path / "random.gguf"
    shape = export.Shape(n_vocab=export.stored_vocabulary_size(), is_tied=False)
    export.write(model, shape, export.random_weights(shape), name="random", vocabulary=export.tokens.STORED)
    async with template_server(model, with_thinking(export.TEMPLATE, kind)) as url:
        backend = open_backend(BackendSettings(kind="llama.cpp", url=url, reasoning_tokens=cap))
        for seed in range(8):
            answer = await backend.answer(asked(cap, max_tokens=400, temperature=1.0, seed=seed))
            assert answer.usage.reasoning_tokens <= cap
            assert read(answer, TOOLS).calls or answer.finish is FinishReason.LENGTH
        await backend.close()
