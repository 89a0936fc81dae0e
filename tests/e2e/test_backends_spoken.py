"""What goes over the wire: each server is spoken to by its own truth, and by no request too many."""

import pytest

from nebulus.adapters.backends.discover import discover
from nebulus.adapters.backends.factory import open_backend
from nebulus.adapters.backends.probe import Flavour
from nebulus.adapters.backends.settings import BackendSettings
from nebulus.core.answers import Message, ModelRequest, OneCall, RawCall, Shape
from nebulus.core.errors import BackendError, ConfigError
from nebulus.core.failure import FailureKind
from nebulus.core.tools import ToolSpec
from nebulus.testing.server import ScriptedServer

LABELS = ToolSpec(
    name="add_labels",
    parameters={
        "type": "object",
        "properties": {"labels": {"type": "array", "items": {"type": "string"}, "uniqueItems": True}},
        "required": ["labels"],
        "not": {"required": ["force"]},
    },
)
ASK = ModelRequest(messages=(Message("user", "Label the ticket."),), tools=(LABELS,), form=OneCall())


async def test_llama_cpp_is_asked_for_two_things_a_step_and_constrained_from_the_opening_mark_on() -> None:
    async with ScriptedServer(flavour="llama.cpp") as server:
        backend = open_backend(BackendSettings(kind="llama.cpp", url=server.url))
        await backend.describe()
        probed = len(server.requests)
        await backend.answer(ASK)
        await backend.close()
        paths = [path for path, _ in server.requests[probed:]]
        assert paths == ["/apply-template", "/completion"]
        sent = server.requests[-1][1]
    assert sent["prompt"].endswith("<|im_start|>assistant\n<tool_call>\n")
    assert sent["json_schema"]["anyOf"][0]["properties"]["name"] == {"const": "add_labels"}
    assert sent["json_schema"]["x-guidance"]["whitespace_flexible"] is False
    assert "uniqueItems" not in str(sent["json_schema"])
    assert "'not'" not in str(sent["json_schema"])


async def test_ollama_gets_its_window_with_every_request_and_may_not_cut() -> None:
    async with ScriptedServer(flavour="ollama") as server:
        backend = open_backend(BackendSettings(kind="openai", url=server.url, window_tokens=6000))
        assert (await backend.describe()).window_tokens == 6000
        answer = await backend.answer(ASK)
        await backend.close()
        (sent,) = server.bodies("/api/chat")
        assert not server.bodies("/v1/chat/completions")
    assert sent["options"]["num_ctx"] == 6000
    assert sent["truncate"] is False
    assert sent["tools"]
    assert answer.calls == (RawCall("add_labels", '{"labels": []}'),)


async def test_ollama_s_window_is_ours_where_nobody_says_one() -> None:
    async with ScriptedServer(flavour="ollama", window_tokens=131072) as server:
        backend = open_backend(BackendSettings(kind="openai", url=server.url))
        assert (await backend.describe()).window_tokens == 8192
        await backend.close()


@pytest.mark.parametrize("flavour", ["vllm", "lmstudio"])
async def test_a_server_s_own_window_is_taken_and_never_exceeded(flavour: str) -> None:
    async with ScriptedServer(flavour=flavour, window_tokens=5000) as server:  # type: ignore[arg-type]
        own = open_backend(BackendSettings(kind="openai", url=server.url))
        assert (await own.describe()).window_tokens == 5000
        await own.close()
        larger = open_backend(BackendSettings(kind="openai", url=server.url, window_tokens=5001))
        with pytest.raises(ConfigError, match="5001 is more"):
            await larger.describe()
        await larger.close()


@pytest.mark.parametrize("kind", ["openai", "anthropic"])
async def test_a_window_that_nobody_tells_must_be_set(kind: str) -> None:
    async with ScriptedServer() as server:
        backend = open_backend(BackendSettings(kind=kind, url=server.url))  # type: ignore[arg-type]
        with pytest.raises(ConfigError, match="set window_tokens"):
            await backend.describe()
        await backend.close()


@pytest.mark.parametrize(
    ("kind", "flavour"), [("llama.cpp", "llama.cpp"), ("openai", "openai"), ("anthropic", "openai")]
)
async def test_a_model_that_is_not_served_is_never_replaced_in_silence(kind: str, flavour: str) -> None:
    async with ScriptedServer(flavour=flavour) as server:  # type: ignore[arg-type]
        backend = open_backend(BackendSettings(kind=kind, url=server.url, model="big-one", window_tokens=99))  # type: ignore[arg-type]
        with pytest.raises(BackendError, match="big-one") as caught:
            await backend.describe()
        await backend.close()
    assert caught.value.failure.kind is FailureKind.NOT_FOUND


async def test_another_server_is_not_taken_for_llama_cpp() -> None:
    async with ScriptedServer() as server:
        backend = open_backend(BackendSettings(kind="llama.cpp", url=server.url))
        with pytest.raises(BackendError, match='use kind "openai"'):
            await backend.describe()
        await backend.close()


async def test_the_anthropic_route_keeps_results_first_and_asks_for_shapes_by_a_forced_tool() -> None:
    async with ScriptedServer() as server:
        backend = open_backend(BackendSettings(kind="anthropic", url=server.url, window_tokens=4096))
        call = RawCall("add_labels", '{"labels":["bug"]}', "c1")
        messages = (
            Message("system", "Be brief."),
            Message("user", "Label it."),
            Message("assistant", "", (call,)),
            Message("tool", "labelled", call_id="c1"),
            Message("user", "And now?"),
        )
        shape = Shape({"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]})
        answer = await backend.answer(ModelRequest(messages=messages, form=shape))
        await backend.close()
        (sent,) = server.bodies("/v1/messages")
    assert sent["system"] == "Be brief."
    assert [turn["role"] for turn in sent["messages"]] == ["user", "assistant", "user"]
    assert [block["type"] for block in sent["messages"][2]["content"]] == ["tool_result", "text"]
    assert sent["messages"][1]["content"][0]["input"] == {"labels": ["bug"]}
    assert sent["tool_choice"]["type"] == "tool"
    assert answer.text == '{"n": 1}'


async def test_a_count_falls_back_to_an_estimate_where_there_is_no_counter() -> None:
    async with ScriptedServer(counts_tokens=False) as server:
        backend = open_backend(BackendSettings(kind="anthropic", url=server.url, window_tokens=4096))
        counted = await backend.count(ASK)
        assert counted == await backend.count(ASK)
        assert not counted.is_exact
        await backend.close()


async def test_servers_are_found_with_their_flavour_models_and_windows(unused_tcp_port: int) -> None:
    async with (
        ScriptedServer(flavour="ollama") as ollama,
        ScriptedServer(flavour="llama.cpp", window_tokens=777) as llama,
    ):
        ports = tuple(int(server.url.rsplit(":", 1)[1]) for server in (ollama, llama))
        found = await discover((*ports, unused_tcp_port))
    assert [server.flavour for server in found] == [Flavour.OLLAMA, Flavour.LLAMA_CPP]
    assert [server.models[0].window_tokens for server in found] == [8192, 777]
    assert not any(server.problem for server in found)


async def test_a_key_is_sent_in_the_server_s_own_header(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_KEY", "secret-value")
    settings = BackendSettings(kind="openai", url="127.0.0.1:9", api_key_env="SOME_KEY")
    backend = open_backend(settings)
    with pytest.raises(BackendError) as caught:
        await backend.describe()
    await backend.close()
    assert "secret-value" not in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        (BackendSettings(kind="embedded"), "needs path"),
        (BackendSettings(kind="openai"), "needs url"),
        (
            BackendSettings(kind="openai", url="x", api_key_env="NO_SUCH_VARIABLE_HERE"),
            "NO_SUCH_VARIABLE_HERE",
        ),
        (BackendSettings(kind="openai", url="x", slots=0), "slots=0"),
        (BackendSettings(kind="openai", url="x", timeout_s=0), "greater than 0"),
    ],
)
def test_a_setting_that_can_t_be_meant_is_refused_at_once(settings: BackendSettings, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        open_backend(settings)
