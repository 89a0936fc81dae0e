"""What an earlier call put there is from outside again when it is read, and so is an error about it."""

import pytest
from msgspec.structs import replace

from nebulus.core.failure import Failure, FailureKind, Fault
from nebulus.core.plan import ToolSucceeded
from nebulus.core.provenance import Provenance
from tests.unit.loop import scenario as sc
from tests.unit.loop.scenario import Scene

LETTER = replace(sc.LOOK, name="letter", is_untrusted=True)
GIVEN = replace(sc.setup(), tools=(LETTER, *sc.TOOLS))
GONE = Failure(kind=FailureKind.NOT_FOUND, fault=Fault.TOOL, what="nobody is mallory")


def reading(tool: str, *more: str) -> Scene:
    """The run after `tool` returned the word mallory; a step for each tool in `more` follows."""
    tools = (tool, *more)
    steps = (sc.step(n, f"{name} it", ToolSucceeded(name)) for n, name in enumerate(tools, start=1))
    return sc.done(sc.begun(*steps, given=GIVEN), tool, text="mallory")


def last_seen(scene: Scene) -> Provenance:
    return scene.state.observations[-1].provenance


@pytest.mark.parametrize(("source", "is_trusted"), [("look", True), ("letter", False)])
def test_a_result_is_as_trusted_as_what_an_earlier_call_put_there(source: str, is_trusted: bool) -> None:
    scene = sc.done(reading(source, "put", "look"), "put", value="mallory")
    scene = sc.done(scene, "look", value="it", text="any")
    assert last_seen(scene).is_trusted is is_trusted, "although the step itself says what to look at"


@pytest.mark.parametrize(("source", "is_trusted"), [("look", True), ("letter", False)])
def test_an_error_is_as_trusted_as_the_arguments_of_its_call(source: str, is_trusted: bool) -> None:
    scene = sc.allowed(sc.feed(reading(source, "put"), sc.called("put", value="mallory")))
    scene = sc.broken(scene, GONE)
    assert last_seen(scene).is_trusted is is_trusted
    assert "mallory" in scene.state.observations[-1].text
