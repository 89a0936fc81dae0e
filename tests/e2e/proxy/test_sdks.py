"""The SDKs of OpenAI and Anthropic, unmodified: each way of asking, and one request for each failure.

They are not among the development dependencies: `pip install openai anthropic` makes these tests run.
"""

from typing import Any

import pytest

from nebulus.core.answers import ModelAnswer, ModelRequest
from nebulus.testing.backends import ScriptedBackend, calls, says
from tests.e2e.proxy.serving import TOOLS, WEATHER, proxied

openai = pytest.importorskip("openai")
anthropic = pytest.importorskip("anthropic")

pytestmark = [pytest.mark.e2e, pytest.mark.filterwarnings("default")]

TURN: Any = [{"role": "user", "content": "How warm is it in Paris?"}]
NARRATED = ModelAnswer(text="I will look.", calls=calls("weather", city="Paris").calls)
FLAT = [{"type": "function", "name": "weather", "parameters": WEATHER, "strict": False}]
NATIVE = [{"name": "weather", "description": "Look up.", "input_schema": WEATHER}]


def answer(request: ModelRequest) -> ModelAnswer:
    return NARRATED if request.tools else says("It is warm.")


async def test_openai_chat_completions_whole_streamed_and_listed() -> None:
    async with proxied(ScriptedBackend(answer)) as client:
        sdk = openai.AsyncOpenAI(base_url=f"{client.url}/v1", api_key="any")
        whole = await sdk.chat.completions.create(model="nebulus", messages=TURN)
        async with sdk.chat.completions.stream(model="nebulus", messages=TURN, tools=TOOLS) as stream:
            async for _ in stream:
                pass
            final = await stream.get_final_completion()
        models = [model.id async for model in sdk.models.list()]
        await sdk.close()
    assert whole.choices[0].message.content == "It is warm."
    assert whole.usage.total_tokens > 0
    message = final.choices[0].message
    assert (message.content, message.tool_calls[0].function.arguments) == ("I will look.", '{"city":"Paris"}')
    assert models == ["nebulus", "small"]


async def test_openai_responses_whole_and_streamed() -> None:
    async with proxied(ScriptedBackend(answer)) as client:
        sdk = openai.AsyncOpenAI(base_url=f"{client.url}/v1", api_key="any")
        whole = await sdk.responses.create(model="nebulus", input="Is it warm?")
        async with sdk.responses.stream(model="nebulus", input="Is it?", tools=FLAT) as stream:
            async for _ in stream:
                pass
            final = await stream.get_final_response()
        await sdk.close()
    assert whole.output_text == "It is warm."
    assert [item.type for item in final.output] == ["message", "function_call"]
    assert final.usage.total_tokens > 0


async def test_anthropic_messages_whole_streamed_and_counted() -> None:
    async with proxied(ScriptedBackend(answer)) as client:
        sdk = anthropic.AsyncAnthropic(base_url=client.url, api_key="any")
        whole = await sdk.messages.create(model="nebulus", max_tokens=99, messages=TURN)
        async with sdk.messages.stream(model="nebulus", max_tokens=99, messages=TURN, tools=NATIVE) as stream:
            async for _ in stream:
                pass
            final = await stream.get_final_message()
        counted = await sdk.messages.count_tokens(model="nebulus", messages=TURN)
        await sdk.close()
    assert whole.content[0].text == "It is warm."
    assert [block.type for block in final.content] == ["text", "tool_use"]
    assert (final.stop_reason, final.content[1].input) == ("tool_use", {"city": "Paris"})
    assert final.usage.input_tokens > 0
    assert counted.input_tokens > 0


async def fail(protocol: str, url: str) -> None:
    """Ask once, as the SDK of a protocol does."""
    if protocol == "messages":
        async with anthropic.AsyncAnthropic(base_url=url, api_key="any") as sdk:
            await sdk.messages.create(model="nebulus", max_tokens=9, messages=TURN, tools=NATIVE)
        return
    async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="any") as sdk:
        if protocol == "chat":
            await sdk.chat.completions.create(model="nebulus", messages=TURN, tools=TOOLS)
        else:
            await sdk.responses.create(model="nebulus", input="Is it?", tools=FLAT)


@pytest.mark.parametrize("protocol", ["chat", "responses", "messages"])
async def test_a_failure_is_one_request_with_our_text(protocol: str) -> None:
    model = ScriptedBackend(lambda _: calls("nope"))
    async with proxied(model) as client:
        with pytest.raises((openai.APIStatusError, anthropic.APIStatusError), match="no such tool"):
            await fail(protocol, client.url)
    assert len(model.requests) == 3, "the attempts of one request"
