"""Clients that vanish, hang up and send garbage leave nothing behind, and the others get their own answers."""

import asyncio
import random

import aiohttp
import pytest

from nebulus.core.answers import ModelAnswer, ModelRequest
from nebulus.ports.backend import OnText
from nebulus.testing.backends import ScriptedBackend, says
from tests.e2e.proxy.faces import FACES
from tests.e2e.proxy.serving import Client, proxied

pytestmark = pytest.mark.e2e

CLIENTS = 240
PATHS = ("/v1/chat/completions", "/v1/messages", "/v1/responses")


class SlowBackend(ScriptedBackend):
    """Takes its time, and counts the answers that are under way."""

    under_way = 0

    async def answer(self, request: ModelRequest, on_text: OnText | None = None) -> ModelAnswer:
        self.under_way += 1
        try:
            await asyncio.sleep(0.02)
            return await super().answer(request, on_text)
        finally:
            self.under_way -= 1


async def vanish(client: Client, number: int) -> None:
    """Ask, and hang up before the answer."""
    turn = [{"role": "user", "content": f"number {number}"}]
    body = {"model": "small", "messages": turn, "input": turn, "stream": bool(number % 2)}
    async with aiohttp.ClientSession() as session:
        asking = asyncio.create_task(session.post(f"{client.url}{PATHS[number % 3]}", json=body))
        await asyncio.sleep(0.01)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)


async def rave(client: Client, number: int) -> None:
    """Send bytes that mean nothing."""
    told = await client.post(PATHS[number % 3], random.Random(number).randbytes(300))
    assert told.status == 400


async def converse(client: Client, number: int) -> None:
    """Ask like an honest client, in each protocol."""
    face = [*FACES.values()][number % 3]
    seen = await face.ask(client, [("user", f"number {number}")], stream=bool(number % 2))
    assert seen.text == f"You said: number {number}"


async def test_a_crowd_of_bad_clients_harms_no_good_one_and_leaves_nothing_behind() -> None:
    model = SlowBackend(lambda request: says(f"You said: {request.messages[-1].content}"))
    async with proxied(model) as client:
        before = len(asyncio.all_tasks())
        acts = [(vanish, rave, converse, converse)[number % 4](client, number) for number in range(CLIENTS)]
        await asyncio.gather(*acts)
        for _ in range(100):
            if not model.under_way and len(asyncio.all_tasks()) <= before:
                break
            await asyncio.sleep(0.02)
        assert model.under_way == 0
        await converse(client, 7)
    assert len(model.requests) >= CLIENTS / 2
