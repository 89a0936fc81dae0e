"""A session that outgrows the window goes on, where the user wants it to, and each answer says what was shortened."""

import pytest

from nebulus.core.answers import ModelAnswer, ModelRequest
from nebulus.testing.backends import ScriptedBackend, calls, says
from tests.e2e.proxy.faces import FACES, Face, Turn
from tests.e2e.proxy.serving import proxied

pytestmark = pytest.mark.e2e


@pytest.fixture(params=FACES)
def face(request: pytest.FixtureRequest) -> Face:
    return FACES[request.param]


def session(turns: int) -> list[Turn]:
    told: list[Turn] = [("system", "You are an agent."), ("user", "Visit every city. The code is 8417.")]
    for n in range(turns):
        told += [
            ("assistant", "", [(f"a{n}", "weather", {"city": f"city {n}"})]),
            ("tool", f"a{n}", f"city {n}: " + "sunny and warm " * 40),
        ]
    return told


async def test_a_session_of_sixty_turns_goes_on_in_a_small_window(face: Face) -> None:
    def next_city(request: ModelRequest) -> ModelAnswer:
        said = request.messages[-1].content
        return calls("weather", city=f"city {int(said.split()[1].rstrip(':')) + 1}")

    model = ScriptedBackend(next_city)
    async with proxied(model, folds=True) as client:
        seen = await face.ask(client, session(60), tools=True)
    assert seen.calls == [("weather", {"city": "city 60"})]
    assert any("shortened" in note for note in seen.account["notes"])
    prompt = model.requests[0].messages
    assert prompt[0].content == "You are an agent."
    assert "8417" in prompt[1].content
    assert "city 59" in prompt[-1].content


async def test_without_folding_it_is_refused_with_numbers(face: Face) -> None:
    async with proxied(ScriptedBackend(lambda _: says("never"))) as client:
        seen = await face.ask(client, session(60), tools=True)
    assert seen.status == 400
    assert "8192" in seen.error


async def test_instructions_that_do_not_fit_are_refused_and_never_cut(face: Face) -> None:
    turns = [("system", "rule " * 30_000), *session(3)[1:]]
    async with proxied(ScriptedBackend(lambda _: says("never")), folds=True) as client:
        seen = await face.ask(client, turns, tools=True)
    assert seen.status == 400
    assert "8192" in seen.error


async def test_a_short_session_is_passed_on_as_it_is(face: Face) -> None:
    model = ScriptedBackend(lambda _: says("Done."))
    async with proxied(model, folds=True) as client:
        seen = await face.ask(client, session(2), tools=True)
    assert "notes" not in seen.account or not any("shortened" in note for note in seen.account["notes"])
    assert model.requests[0].messages[-1].content == session(2)[-1][2]
