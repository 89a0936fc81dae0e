"""What every tool promises: a failure means that nothing happened, and what can't be told is raised."""

from collections.abc import Callable
from typing import Any, TypeAlias

import jsonschema_rs
import pytest

from nebulus.adapters.tools.function import tool
from nebulus.adapters.tools.parameters import IdempotencyKey
from nebulus.core.errors import ToolError
from nebulus.core.failure import Failure, FailureKind, Fault
from nebulus.core.tools import Effect, ToolSpec
from nebulus.ports.tool import Tool, ToolOutput
from nebulus.testing.tools import FakeTool, Reply

Setting: TypeAlias = tuple[Tool, list[str]]
"""A tool `pay(amount: int)`, idempotent and with a check, and the effects that took place."""
Make: TypeAlias = Callable[[str], Setting]

SCHEMA = {
    "type": "object",
    "properties": {"amount": {"type": "integer"}},
    "required": ["amount"],
    "additionalProperties": False,
}
NOTHING_HAPPENED = Failure(kind=FailureKind.CONFLICT, fault=Fault.TOOL, what="the account is closed")


def from_function(mode: str) -> Setting:
    paid: list[str] = []

    def has_paid(key: IdempotencyKey) -> bool:
        return key in paid

    @tool(effect=Effect.IRREVERSIBLE, idempotent=True, check=has_paid)
    def pay(amount: int, key: IdempotencyKey) -> dict[str, int]:
        """Pay."""
        if mode == "fails":
            raise ToolError("the account is closed", kind=FailureKind.CONFLICT)
        if key not in paid:
            paid.append(key)
        if mode == "breaks":
            raise RuntimeError("the line went dead")
        return {"amount": amount}

    return pay, paid


def from_fake(mode: str) -> Setting:
    spec = ToolSpec(
        name="pay",
        description="Pay.",
        parameters=SCHEMA,
        effect=Effect.IRREVERSIBLE,
        is_idempotent=True,
        has_check=True,
    )
    output = ToolOutput(text='{"amount":5}', fields={"amount": 5})
    replies: dict[str, Reply] = {
        "works": output,
        "fails": NOTHING_HAPPENED,
        "breaks": RuntimeError("the line went dead"),
    }
    fake = FakeTool(spec, [replies[mode]])
    return fake, fake.effects


@pytest.fixture(params=[from_function, from_fake])
def make(request: pytest.FixtureRequest) -> Any:
    return request.param


def test_the_spec_says_all_that_is_known_without_running_it(make: Make) -> None:
    spec = make("works")[0].spec
    assert (spec.name, spec.description, spec.parameters) == ("pay", "Pay.", SCHEMA)
    assert (spec.effect, spec.is_idempotent, spec.has_check) == (Effect.IRREVERSIBLE, True, True)
    jsonschema_rs.meta.validate(spec.parameters)


async def test_what_it_did_comes_back_as_text_and_fields(make: Make) -> None:
    pay, paid = make("works")
    assert await pay.run({"amount": 5}, "k1") == ToolOutput(text='{"amount":5}', fields={"amount": 5})
    assert paid == ["k1"]


async def test_the_same_key_takes_effect_once(make: Make) -> None:
    pay, paid = make("works")
    for key in ("k1", "k1", "k2"):
        await pay.run({"amount": 5}, key)
    assert paid == ["k1", "k2"]


async def test_a_failure_means_that_nothing_happened(make: Make) -> None:
    pay, paid = make("fails")
    assert await pay.run({"amount": 5}, "k1") == NOTHING_HAPPENED
    assert paid == []
    assert await pay.has_happened({"amount": 5}, "k1") is False


async def test_what_can_not_be_told_is_raised(make: Make) -> None:
    pay, paid = make("breaks")
    with pytest.raises(RuntimeError, match="the line went dead"):
        await pay.run({"amount": 5}, "k1")
    assert paid == ["k1"]


async def test_the_check_tells_what_happened(make: Make) -> None:
    pay, _ = make("breaks")
    with pytest.raises(RuntimeError):
        await pay.run({"amount": 5}, "k1")
    assert await pay.has_happened({"amount": 5}, "k1") is True
    assert await pay.has_happened({"amount": 5}, "k2") is False
