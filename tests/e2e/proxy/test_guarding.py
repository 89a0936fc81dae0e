"""What must not go out to a client does not, in any protocol: refused calls, and calls that go round in circles."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from nebulus.app.settings_file import read_settings
from nebulus.core.answers import ModelRequest
from nebulus.core.errors import ConfigError
from nebulus.proxy.opening import open_upstream
from nebulus.testing.backends import ScriptedBackend, calls, says
from tests.e2e.proxy.faces import FACES, Face, Turn
from tests.e2e.proxy.serving import Client, proxied, scripted, serving_of

pytestmark = pytest.mark.e2e

POLICY = """
[[policy]]
effect = "read"
then = "allow"

[[policy]]
tool = "weather"
argument = "city"
equals = "Atlantis"
then = "deny"
reason = "there is no such place"
"""
SETTINGS: dict[str, Any] = {
    "policy": "policy.toml",
    "tiers": {"small": {"model": "http://127.0.0.1:9"}},
    "serve": {"tools": {"weather": {"effect": "read"}}},
}


@pytest.fixture(params=FACES)
def face(request: pytest.FixtureRequest) -> Face:
    return FACES[request.param]


@pytest.fixture(params=[False, True], ids=["whole", "streamed"])
def stream(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@asynccontextmanager
async def guarded(folder: Path, model: ScriptedBackend) -> AsyncIterator[Client]:
    settings = read_settings(SETTINGS, source="test")
    backends = {"small": model}
    async with open_upstream(settings, folder, backends=backends) as upstream, serving_of(upstream) as client:
        yield client


def repeated(times: int, result: str = "no such city") -> list[Turn]:
    turns: list[Turn] = [("user", "How warm is it?")]
    for n in range(times):
        turns += [("assistant", "", [(f"a{n}", "weather", {"city": "Paris"})]), ("tool", f"a{n}", result)]
    return turns


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "policy.toml").write_text(POLICY)
    return tmp_path


async def test_a_refused_call_is_told_to_the_model_once_and_then_to_the_client(
    face: Face, stream: bool, folder: Path
) -> None:
    model = ScriptedBackend(lambda _: calls("weather", city="Atlantis"))
    async with guarded(folder, model) as client:
        seen = await face.ask(client, tools=True, stream=stream)
    assert "there is no such place" in seen.error
    assert len(model.requests) == 2
    assert "there is no such place" in model.requests[1].messages[-1].content
    assert seen.calls == []


async def test_a_call_that_the_policy_allows_goes_out(face: Face, stream: bool, folder: Path) -> None:
    model = ScriptedBackend([calls("weather", city="Atlantis"), calls("weather", city="Paris")])
    async with guarded(folder, model) as client:
        seen = await face.ask(client, tools=True, stream=stream)
    assert seen.calls == [("weather", {"city": "Paris"})]
    assert seen.attempts == ["refused", "accepted"]


async def test_a_policy_about_a_tool_that_is_not_declared_stops_the_start(folder: Path) -> None:
    settings = read_settings({**SETTINGS, "serve": {}}, source="test")
    with pytest.raises(ConfigError, match=r"serve\.tools\.weather"):
        async with open_upstream(settings, folder, backends={"small": ScriptedBackend()}):
            pass


async def test_a_client_that_lacks_a_tool_of_the_policy_is_served_all_the_same(folder: Path) -> None:
    other = {
        "type": "function",
        "function": {"name": "other", "parameters": {"type": "object", "properties": {}}},
    }
    model = ScriptedBackend(lambda _: calls("other"))
    async with guarded(folder, model) as client:
        told = await client.chat(tools=[other])
    assert told.status == 422
    assert "other" in told.body["error"]["message"], "no rule allows it: deny is the default"


async def test_a_call_that_was_made_again_and_again_is_a_loop(face: Face, stream: bool) -> None:
    async with scripted(lambda _: calls("weather", city="Paris")) as (client, model):
        seen = await face.ask(client, repeated(6), tools=True, stream=stream)
    assert "nothing has changed" in seen.error
    assert seen.attempts == ["no_progress", "no_progress"]
    assert len(model.requests) == 2


async def test_a_model_that_is_told_of_its_loop_may_leave_it(face: Face, stream: bool) -> None:
    def answer(request: ModelRequest) -> Any:
        return (
            says("I give up.")
            if "not used" in request.messages[-1].content
            else calls("weather", city="Paris")
        )

    async with scripted(answer) as (client, _):
        seen = await face.ask(client, repeated(6), tools=True, stream=stream)
    assert seen.text == "I give up."


@pytest.mark.parametrize("turns", [repeated(2), repeated(6, "still running")])
async def test_a_second_try_and_a_poll_are_no_loop(face: Face, turns: list[Turn]) -> None:
    async with scripted([calls("weather", city="Paris")]) as (client, _):
        seen = await face.ask(client, turns, tools=True)
    assert len(seen.calls) == 1


async def test_the_same_check_after_different_changes_is_no_loop(face: Face) -> None:
    turns: list[Turn] = [("user", "Make the tests pass.")]
    for n in range(6):
        turns += [
            ("assistant", "", [(f"a{n}", "weather", {"city": f"edit {n}"})]),
            ("tool", f"a{n}", "ok"),
            ("assistant", "", [(f"b{n}", "weather", {"city": "test"})]),
            ("tool", f"b{n}", "1 failed"),
        ]
    async with scripted([calls("weather", city="test")]) as (client, _):
        seen = await face.ask(client, turns, tools=True)
    assert len(seen.calls) == 1


async def test_two_calls_that_alternate_with_the_same_results_are_a_loop(face: Face) -> None:
    turns: list[Turn] = [("user", "Go.")]
    for n in range(4):
        turns += [
            ("assistant", "", [(f"a{n}", "weather", {"city": "a" if n % 2 else "b"})]),
            ("tool", f"a{n}", "x"),
        ]
    async with proxied(ScriptedBackend(lambda _: calls("weather", city="b"))) as client:
        seen = await face.ask(client, turns, tools=True)
    assert "same order" in seen.error
