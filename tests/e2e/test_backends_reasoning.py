"""How each server is told to reason first, or not to; what can't be carried out is refused at the start."""

from typing import Any

import pytest
from msgspec.structs import replace

from nebulus.adapters.backends.factory import open_backend
from nebulus.adapters.backends.settings import BackendKind, BackendSettings
from nebulus.calls import ReaderProfile, read
from nebulus.core.answers import FreeForm, Message, ModelAnswer, ModelRequest, OneCall, RawCall, Shape
from nebulus.core.errors import ConfigError
from nebulus.core.findings import FindingKind
from nebulus.core.tools import ToolSpec
from nebulus.testing.backends import THOUGHT
from nebulus.testing.server import Flavour, ScriptedServer, Thinking, competent
from nebulus.testing.server_faces import Reply

LABELS = ToolSpec(
    name="add_labels",
    parameters={
        "type": "object",
        "properties": {"labels": {"type": "array", "items": {"type": "string"}, "uniqueItems": True}},
        "required": ["labels"],
    },
)
READ = ToolSpec(name="read_file", parameters={"type": "object", "properties": {"path": {"type": "string"}}})
ASK = ModelRequest(messages=(Message("user", "Label the ticket."),), tools=(LABELS,), form=OneCall())
THINK = replace(ASK, reasoning_tokens=40)
OFF = {"enable_thinking": False, "thinking": False}
ON = {"enable_thinking": True, "thinking": True}


async def sent(
    server: ScriptedServer, request: ModelRequest, *, kind: BackendKind, tokens: int = 0
) -> tuple[list[dict[str, Any]], ModelAnswer]:
    """The bodies that one answer took after the start, and the answer."""
    settings = BackendSettings(kind=kind, url=server.url, window_tokens=4096, reasoning_tokens=tokens)
    backend = open_backend(settings)
    await backend.describe()
    begun = len(server.requests)
    answer = await backend.answer(request)
    await backend.close()
    return [body for _, body in server.requests[begun:]], answer


async def refusal(
    kind: BackendKind, flavour: Flavour, *, tokens: int, thinking: Thinking = "none", **more: Any
) -> str:
    """What the start says."""
    async with ScriptedServer(flavour=flavour, thinking=thinking, **more) as server:
        backend = open_backend(
            BackendSettings(kind=kind, url=server.url, window_tokens=4096, reasoning_tokens=tokens)
        )
        with pytest.raises(ConfigError) as caught:
            await backend.describe()
        await backend.close()
    return str(caught.value)


@pytest.mark.parametrize(
    ("thinking", "opened"), [("none", "<think>\n"), ("switch", "<think>\n"), ("always", "")]
)
async def test_llama_cpp_thinks_in_a_completion_of_its_own_and_the_call_goes_on_behind_it(
    thinking: Thinking, opened: str
) -> None:
    async with ScriptedServer(flavour="llama.cpp", thinking=thinking) as server:
        (template, thought, call), answer = await sent(server, THINK, kind="llama.cpp", tokens=40)
    assert template["chat_template_kwargs"] == ON
    assert thought["prompt"].endswith("<|im_start|>assistant\n<think>\n")
    assert thought["prompt"].count("<think>") == 1
    assert (thought["n_predict"], thought["stop"]) == (40, ["</think>"])
    assert "json_schema" not in thought
    assert "</think>" in thought["preserved_tokens"]
    assert call["prompt"] == f"{thought['prompt']}{THOUGHT}\n</think>\n\n<tool_call>\n"
    assert call["json_schema"]
    assert call["n_predict"] == ASK.max_tokens
    assert answer.reasoning == THOUGHT
    assert answer.usage.reasoning_tokens == 8
    assert answer.calls == (RawCall("add_labels", '{"labels": []}'),)


@pytest.mark.parametrize("form", [OneCall(), Shape({"const": 1}), FreeForm()])
@pytest.mark.parametrize("thinking", ["switch", "always"])
async def test_no_form_begins_inside_a_thought_that_the_template_opened(
    thinking: Thinking, form: Any
) -> None:
    async with ScriptedServer(flavour="llama.cpp", thinking=thinking) as server:
        (template, answered), _ = await sent(server, replace(ASK, form=form), kind="llama.cpp")
    assert template["chat_template_kwargs"] == OFF
    marked = "<tool_call>\n" if isinstance(form, OneCall) else ""
    assert answered["prompt"].endswith(f"assistant\n<think>\n\n</think>\n\n{marked}")


@pytest.mark.parametrize(
    ("template", "opener", "closer"),
    [
        ("{{ '[THINK]' }} {{ '[/THINK]' }}", "[THINK]", "[/THINK]<tool_call>\n"),
        ("<|channel>thought\n <channel|>", "<|channel>thought\n", "\n<channel|><tool_call>\n"),
        (
            "<|channel|>analysis<|message|> <|end|>",
            "<|channel|>analysis<|message|>",
            "<|start|>assistant<tool_call>\n",
        ),
    ],
)
async def test_a_model_thinks_between_the_marks_that_its_own_template_speaks_of(
    template: str, opener: str, closer: str
) -> None:
    async with ScriptedServer(flavour="llama.cpp", template=template) as server:
        (_, thought, call), _ = await sent(server, THINK, kind="llama.cpp", tokens=40)
    assert thought["prompt"].endswith(opener)
    assert call["prompt"].startswith(f"{thought['prompt']}{THOUGHT}")
    assert call["prompt"].endswith(closer)


async def test_each_chat_server_is_told_in_its_own_words() -> None:
    async with ScriptedServer(flavour="vllm", thinking="switch") as server:
        (vllm,), _ = await sent(server, THINK, kind="openai", tokens=40)
    assert vllm["chat_template_kwargs"] == ON
    assert vllm["thinking_token_budget"] == 40
    assert vllm["max_tokens"] == 40 + ASK.max_tokens
    async with ScriptedServer(flavour="ollama", thinking="switch") as server:
        (ollama,), _ = await sent(server, THINK, kind="openai", tokens=40)
    assert ollama["think"] is True
    assert ollama["options"]["num_predict"] == 40 + ASK.max_tokens
    async with ScriptedServer() as server:
        (other,), _ = await sent(server, THINK, kind="openai", tokens=40)
    assert other["reasoning_effort"] == "low"
    assert other["max_completion_tokens"] == 40 + ASK.max_tokens
    assert not {"temperature", "max_tokens"} & set(other)
    async with ScriptedServer() as server:
        tools = replace(THINK, tools=(READ, LABELS), form=OneCall("add_labels"), reasoning_tokens=1024)
        (anthropic,), answer = await sent(server, tools, kind="anthropic", tokens=1024)
    assert anthropic["thinking"] == {"type": "enabled", "budget_tokens": 1024}
    assert anthropic["tool_choice"]["type"] == "auto"
    assert [tool["name"] for tool in anthropic["tools"]] == ["add_labels"]
    assert "temperature" not in anthropic
    assert answer.reasoning == THOUGHT


@pytest.mark.parametrize("flavour", ["llama.cpp", "vllm"])
@pytest.mark.parametrize("thinking", ["none", "switch"])
async def test_a_template_s_switch_is_turned_off_where_there_is_one(
    flavour: Flavour, thinking: Thinking
) -> None:
    async with ScriptedServer(flavour=flavour, thinking=thinking) as server:
        (body,), _ = await sent(server, ASK, kind="openai")
    assert body.get("chat_template_kwargs") == (OFF if thinking == "switch" else None)


async def test_ollama_s_form_is_not_believed_where_the_model_drops_it_without_its_thought() -> None:
    def drops(body: dict[str, Any]) -> Reply:
        return Reply(text="Of course!") if body.get("think") is False else competent(body)

    async with ScriptedServer(drops, flavour="ollama", thinking="switch") as server:
        for tokens, is_constrained in ((0, False), (40, True)):
            backend = open_backend(
                BackendSettings(kind="openai", url=server.url, window_tokens=4096, reasoning_tokens=tokens)
            )
            info = await backend.describe()
            await backend.close()
            assert (info.constrains_calls, info.constrains_json) == (is_constrained, is_constrained)


async def test_a_model_that_can_not_reason_is_not_told_anything_by_ollama() -> None:
    async with ScriptedServer(flavour="ollama") as server:
        (body,), _ = await sent(server, ASK, kind="openai")
    assert "think" not in body


@pytest.mark.parametrize(
    ("kind", "flavour", "tokens", "says"),
    [
        ("openai", "llama.cpp", 40, "use llama.cpp+http://"),
        ("anthropic", "llama.cpp", 2000, "use llama.cpp+http://"),
        ("anthropic", "lmstudio", 2000, "use http://"),
        ("anthropic", "openai", 40, "less than the 1024"),
    ],
)
async def test_a_server_that_bounds_no_thought_is_refused_with_the_one_that_does(
    kind: BackendKind, flavour: Flavour, tokens: int, says: str
) -> None:
    assert says in await refusal(kind, flavour, tokens=tokens)


@pytest.mark.parametrize("flavour", ["openai", "vllm", "ollama", "lmstudio"])
async def test_a_server_that_shows_no_thought_of_its_own_is_refused(flavour: Flavour) -> None:
    said = await refusal("openai", flavour, tokens=40, script=lambda body: Reply(text='{"word": "nebulus"}'))
    assert "showed no thought apart from its answer" in said
    assert "set reasoning_tokens to 0" in said


async def test_a_server_that_refuses_to_reason_is_quoted() -> None:
    body = '{"error": {"message": "reasoning_config is not configured"}}'
    said = await refusal("openai", "vllm", tokens=40, script=lambda _: Reply(status=400, raw=body))
    assert "reasoning_config is not configured" in said


@pytest.mark.parametrize("flavour", ["llama.cpp", "vllm"])
async def test_a_template_that_always_thinks_must_be_given_a_bound(flavour: Flavour) -> None:
    said = await refusal("openai", flavour, tokens=0, thinking="always")
    assert "opens a thought whatever it is told" in said
    assert ("use llama.cpp+http://" if flavour == "llama.cpp" else "set reasoning_tokens") in said


async def test_where_all_texts_ended_a_thought_one_that_ends_none_is_a_thought_to_its_end() -> None:
    call = '<tool_call>{"name": "read_file", "arguments": {"path": "a"}}</tool_call>'
    said = [Reply(text=f"hm</think>{call}"), Reply(text=call), Reply(text=call)]
    async with ScriptedServer(said) as server:
        backend = open_backend(BackendSettings(kind="openai", url=server.url, window_tokens=4096))
        request = replace(ASK, tools=(READ,), form=FreeForm())
        answers = [await backend.answer(request) for _ in said]
        await backend.close()
    readings = [
        read(each, (READ,), profile=ReaderProfile(starts_in_reasoning=each.starts_in_reasoning))
        for each in answers
    ]
    assert [call.tool for call in readings[0].calls] == ["read_file"]
    assert readings[1].finding is not None
    assert readings[1].finding.kind is FindingKind.EMPTY
    assert [call.tool for call in readings[2].calls] == ["read_file"]


async def test_what_no_grammar_can_hold_stands_on_the_answer() -> None:
    named = ("add_labels/properties/labels/uniqueItems",)
    shape = replace(ASK, form=Shape({"type": "array", "uniqueItems": True}))
    async with ScriptedServer(flavour="llama.cpp") as server:
        _, answer = await sent(server, ASK, kind="llama.cpp")
        _, in_shape = await sent(server, shape, kind="llama.cpp")
    async with ScriptedServer(flavour="ollama") as server:
        _, from_ollama = await sent(server, ASK, kind="openai")
    assert (answer.unenforced, from_ollama.unenforced) == (named, named)
    assert in_shape.unenforced == ("/uniqueItems",)
