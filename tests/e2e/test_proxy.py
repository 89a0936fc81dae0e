"""A model server that fails by a plan is, to an adapter, what the fake of it says that it is."""

import pytest

from nebulus.adapters.backends.factory import open_backend
from nebulus.adapters.backends.settings import BackendKind, BackendSettings
from nebulus.core.answers import Message, ModelRequest
from nebulus.core.errors import BackendError
from nebulus.core.failure import Failure
from nebulus.testing.backends import ScriptedBackend
from nebulus.testing.faults import OF_SERVERS, Fault, FaultPlan, FaultyBackend
from nebulus.testing.proxy import RETRY_AFTER_S, FaultyProxy
from nebulus.testing.server import ScriptedServer

ASK = ModelRequest(messages=(Message("user", "Please say that it is done."),), max_tokens=50)
SPEAKERS: dict[str, BackendKind] = {"openai": "openai", "llama.cpp": "llama.cpp"}


async def failures(url: str, kind: BackendKind, times: int) -> list[Failure | None]:
    """What each of some requests came to."""
    backend = open_backend(BackendSettings(kind=kind, url=url, window_tokens=4096, timeout_s=0.5))
    seen: list[Failure | None] = []
    try:
        for _ in range(times):
            try:
                await backend.answer(ASK)
                seen.append(None)
            except BackendError as error:
                seen.append(error.failure)
    finally:
        await backend.close()
    return seen


@pytest.mark.parametrize("speaker", SPEAKERS)
@pytest.mark.parametrize("fault", OF_SERVERS)
async def test_an_adapter_sees_each_fault_as_the_fake_says(fault: Fault, speaker: str) -> None:
    fake = FaultyBackend(ScriptedBackend(), FaultPlan([fault], rate=1.0, seed=1))
    with pytest.raises(BackendError) as expected:
        await fake.answer(ASK)
    async with (
        ScriptedServer(flavour=speaker) as server,  # type: ignore[arg-type]
        FaultyProxy(server.url, silence_s=1.0) as proxy,
    ):
        (seen,) = await failures(proxy.at(fault, rate=1.0, seed=1), SPEAKERS[speaker], times=1)
    assert seen is not None
    assert seen.kind is expected.value.failure.kind
    assert seen.retry_after_s == (RETRY_AFTER_S if fault is Fault.THROTTLED_TOLD else 0.0)


async def test_the_same_address_fails_alike_until_its_plan_is_forgotten() -> None:
    async with ScriptedServer() as server, FaultyProxy(server.url) as proxy:
        url = proxy.at(Fault.UNAVAILABLE, rate=0.5, seed=7)
        first = [seen is None for seen in await failures(url, "openai", times=8)]
        told = server.bodies("/v1/chat/completions")
        assert proxy.forget(url) == 8
        again = [seen is None for seen in await failures(url, "openai", times=8)]
    assert {*first} == {True, False}
    assert again == first
    assert len(told) == sum(first), "what is refused does not reach the server"
