"""Models whose chat template takes no tools are given them in the prompt, and are held to one call all the same."""

import json
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from nebulus.adapters.backends.embedded import EmbeddedLlamaCpp
from nebulus.adapters.backends.factory import open_backend
from nebulus.adapters.backends.settings import BackendKind, BackendSettings
from nebulus.core.answers import FinishReason, Message, ModelRequest, OneCall, RawCall
from nebulus.core.errors import BackendError, ConfigError
from nebulus.core.failure import FailureKind
from nebulus.testing.server import Flavour, Reply, ScriptedServer
from tests.contract import backend_cases
from tests.contract.backend_cases import TOOLS, llama_server, missing

FOLDER = Path(os.environ.get("NEBULUS_MODELS") or Path.home() / ".cache" / "nebulus-models")
SMOLLM2 = FOLDER / "smollm2-135m.gguf"
CALL = ModelRequest(
    messages=(Message("system", "You are an agent."), Message("user", "Read the file notes.txt.")),
    tools=TOOLS,
    form=OneCall(),
    max_tokens=80,
)
SPEAKERS: dict[str, tuple[BackendKind, Flavour]] = {
    "llama.cpp": ("llama.cpp", "llama.cpp"),
    "auto, llama.cpp": ("auto", "llama.cpp"),
    "openai, llama.cpp": ("openai", "llama.cpp"),
    "ollama": ("openai", "ollama"),
    "vllm": ("openai", "vllm"),
}
CHATS = ("/completion", "/v1/chat/completions", "/api/chat")
real = pytest.mark.skipif(bool(missing("real")), reason=missing("real") or "it can run")


@pytest.mark.parametrize("speaker", SPEAKERS)
@pytest.mark.parametrize("is_streamed", [False, True], ids=["whole", "streamed"])
async def test_a_template_without_tools_is_found_out_and_the_tools_are_written_into_the_prompt(
    speaker: str, is_streamed: bool
) -> None:
    kind, flavour = SPEAKERS[speaker]
    async with ScriptedServer(flavour=flavour, has_tools=False) as server:
        backend = open_backend(BackendSettings(kind=kind, url=server.url))
        info = await backend.describe()
        assert not info.template_calls
        assert info.constrains_calls
        answer = await backend.answer(CALL, (lambda piece: None) if is_streamed else None)
        counted, bare = await backend.count(CALL), await backend.count(replace(CALL, tools=()))
        await backend.close()
        body = next(body for path, body in reversed(server.requests) if path in CHATS)
    assert [call.name for call in answer.calls] == ["read_file"]
    assert answer.finish is FinishReason.CALLS
    assert answer.unenforced == ("add_labels/properties/labels/uniqueItems",)
    assert "tools" not in body
    assert "read_file(path: string): Read a file of the workspace." in json.dumps(body)
    assert counted.tokens > bare.tokens


async def test_what_is_counted_is_what_is_evaluated_also_with_written_tools() -> None:
    async with ScriptedServer(flavour="llama.cpp", has_tools=False) as server:
        backend = open_backend(BackendSettings(kind="llama.cpp", url=server.url))
        counted = await backend.count(CALL)
        answer = await backend.answer(CALL)
        await backend.close()
    assert counted.is_exact
    assert answer.usage.prompt_tokens == counted.tokens


async def test_a_call_that_is_not_the_named_one_is_an_ignored_form_also_with_written_tools() -> None:
    reply = Reply(text='{"name": "read_file", "arguments": {"path": "a"}}')
    async with ScriptedServer([reply], flavour="ollama", has_tools=False) as server:
        backend = open_backend(BackendSettings(kind="openai", url=server.url))
        with pytest.raises(BackendError) as caught:
            await backend.answer(replace(CALL, form=OneCall("add_labels")))
        await backend.close()
    assert caught.value.failure.kind is FailureKind.FORM_IGNORED


@pytest.mark.parametrize("flavour", ["openai", "vllm", "ollama", "lmstudio"])
async def test_an_address_of_another_server_is_spoken_to_as_openai_compatible(flavour: Flavour) -> None:
    async with ScriptedServer(flavour=flavour) as server:
        backend = open_backend(BackendSettings(kind="auto", url=server.url, window_tokens=4096))
        info = await backend.describe()
        assert (await backend.answer(CALL)).calls
        await backend.close()
        assert info.name != "llama.cpp"
        assert not server.bodies("/completion")


async def test_an_address_of_a_llama_cpp_server_is_used_by_its_own_interface() -> None:
    async with ScriptedServer(flavour="llama.cpp") as server:
        backend = open_backend(BackendSettings(kind="auto", url=server.url))
        assert (await backend.describe()).constrains_calls
        assert (await backend.answer(CALL)).calls
        await backend.close()
        assert server.bodies("/completion")
        assert not server.bodies("/v1/chat/completions")


async def test_an_address_where_nothing_answers_yet_is_tried_again_at_the_next_use(
    unused_tcp_port: int,
) -> None:
    backend = open_backend(BackendSettings(kind="auto", url=f"http://127.0.0.1:{unused_tcp_port}"))
    with pytest.raises(BackendError) as caught:
        await backend.describe()
    assert caught.value.failure.kind is FailureKind.TRANSIENT
    server = ScriptedServer(flavour="llama.cpp")
    await server.start(unused_tcp_port)
    assert (await backend.describe()).name == "llama.cpp"
    await backend.close()
    await server.close()


@pytest.mark.e2e
@real
async def test_a_real_llama_cpp_server_is_found_behind_its_address() -> None:
    async with llama_server() as url:
        backend = open_backend(BackendSettings(kind="auto", url=url))
        info = await backend.describe()
        assert (info.name, info.constrains_calls) == ("llama.cpp", True)
        await backend.close()


BARE = "{% for m in messages %}[{{ m['role'] }}] {{ m['content'] }}\n{% endfor %}[assistant] "


@pytest.mark.e2e
@real
async def test_an_embedded_model_is_given_another_chat_template(tmp_path: Path) -> None:
    file = tmp_path / "bare.jinja"
    file.write_text(BARE)
    for setting in (BARE, str(file)):
        settings = BackendSettings(kind="embedded", path=str(backend_cases.NANO), chat_template=setting)
        backend = EmbeddedLlamaCpp(settings)
        assert not (await backend.describe()).template_calls
        (call,) = (await backend.answer(CALL)).calls
        assert call.name in {tool.name for tool in TOOLS}
        await backend.close()


async def test_a_chat_template_that_cannot_be_read_is_named() -> None:
    settings = BackendSettings(kind="embedded", path=str(backend_cases.NANO), chat_template="none.jinja")
    with pytest.raises(ConfigError, match=r"chat_template='none\.jinja'"):
        await EmbeddedLlamaCpp(settings).describe()


@pytest.fixture
async def smollm2() -> AsyncIterator[EmbeddedLlamaCpp]:
    backend = EmbeddedLlamaCpp(BackendSettings(kind="embedded", path=str(SMOLLM2)))
    yield backend
    await backend.close()


@pytest.mark.e2e
@pytest.mark.slow
@real
@pytest.mark.skipif(not SMOLLM2.exists(), reason=f"no model at {SMOLLM2}: set NEBULUS_MODELS")
async def test_smollm2_whose_template_takes_no_tools_calls_the_right_one(smollm2: EmbeddedLlamaCpp) -> None:
    info = await smollm2.describe()
    assert (info.template_calls, info.constrains_calls) == (False, True)
    counted, answer = await smollm2.count(CALL), await smollm2.answer(CALL)
    assert answer.usage.prompt_tokens == counted.tokens
    assert answer.calls == (RawCall("read_file", '{"path": "notes.txt"}'),)
