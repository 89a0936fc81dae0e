"""A typed function becomes a tool that says all about itself, and stays a function."""

import asyncio
import inspect
import threading
from collections.abc import Awaitable, Iterator
from typing import Any

import pytest

from nebulus.adapters.tools.function import tool
from nebulus.adapters.tools.parameters import IdempotencyKey
from nebulus.core.errors import ToolDefinitionError
from nebulus.core.failure import Failure, FailureKind, Fault
from nebulus.core.tools import Effect, SandboxLevel, ToolSpec
from nebulus.ports.tool import Tool, ToolOutput


@tool
def add(a: int, b: int = 1) -> int:
    """Add two numbers."""
    return a + b


@pytest.mark.parametrize("effect", list(Effect))
def test_an_effect_may_be_given_as_its_word(effect: Effect) -> None:
    @tool(effect=effect.value)  # type: ignore[call-overload, untyped-decorator]
    def act() -> str:
        """Act."""
        return ""

    assert act.spec.effect is effect


def test_an_effect_that_is_none_is_refused_with_the_words_that_are() -> None:
    with pytest.raises(
        ToolDefinitionError, match="effect='raed'; give one of read, write, irreversible, egress"
    ):

        @tool(effect="raed")  # type: ignore[call-overload, untyped-decorator]
        def act() -> str:
            """Act."""
            return ""


def test_a_bare_tool_counts_as_irreversible() -> None:
    assert add.spec.effect is Effect.IRREVERSIBLE
    assert not add.spec.is_repeatable


def test_it_stays_the_function() -> None:
    assert add(2, 3) == 5
    assert add(2) == 3
    assert add.__doc__ == "Add two numbers."
    assert list(inspect.signature(add).parameters) == ["a", "b"]


def test_all_options_reach_the_spec() -> None:
    @tool(
        name="copy-file",
        effect=Effect.EGRESS,
        timeout_s=5,
        idempotent=True,
        untrusted=True,
        paths=("source",),
        grounded=("target",),
        facts=("size",),
        reads={"owner": "whose it is"},
        least_sandbox=SandboxLevel.NAMESPACES,
        check=lambda: True,
    )
    def copy(source: str, target: str) -> dict[str, int]:
        """Copy a file away."""
        return {"size": 1}

    assert copy.spec == ToolSpec(
        name="copy-file",
        description="Copy a file away.",
        parameters={
            "type": "object",
            "properties": {"source": {"type": "string"}, "target": {"type": "string"}},
            "required": ["source", "target"],
            "additionalProperties": False,
        },
        effect=Effect.EGRESS,
        is_idempotent=True,
        has_check=True,
        is_untrusted=True,
        timeout_s=5,
        paths=("source",),
        grounded=("target",),
        facts=("size",),
        reads={"owner": "whose it is"},
        least_sandbox=SandboxLevel.NAMESPACES,
    )


@pytest.mark.parametrize(
    ("reads", "message"),
    [
        ({"the owner": "whose"}, "'the owner' can't be a name"),
        (("owner",), "say what each value is, as {name: meaning}"),
    ],
)
def test_what_must_be_read_has_a_name_and_a_meaning(reads: Any, message: str) -> None:
    with pytest.raises(ToolDefinitionError, match=message):

        @tool(effect="read", reads=reads)
        def page() -> str:
            """Fetch a page."""
            return ""


async def test_it_fits_the_socket() -> None:
    fitting: Tool = add
    assert await fitting.run({"a": 2}, "k") == ToolOutput(text="3")
    assert await fitting.has_happened({"a": 2}, "k") is None


async def test_async_functions_and_functions_that_return_awaitables_are_awaited() -> None:
    @tool(effect=Effect.READ)
    async def slow(a: int) -> int:
        """Wait."""
        await asyncio.sleep(0)
        return a

    @tool(effect=Effect.READ)
    def later(a: int) -> Awaitable[int]:
        """Wait, later."""
        return slow(a)

    assert await slow.run({"a": 1}, "k") == ToolOutput(text="1")
    assert await later.run({"a": 2}, "k") == ToolOutput(text="2")


async def test_a_plain_function_runs_beside_the_event_loop() -> None:
    @tool(effect=Effect.READ)
    def where() -> bool:
        """Tell."""
        return threading.current_thread() is threading.main_thread()

    assert await where.run({}, "k") == ToolOutput(text="false")


async def test_wrong_arguments_never_start_it() -> None:
    refused = await add.run({"a": "two"}, "k")
    assert isinstance(refused, Failure)
    assert (refused.kind, refused.fault) == (FailureKind.INVALID_ARGUMENTS, Fault.TOOL)


async def test_an_unexpected_error_is_a_failure_where_nothing_can_have_changed() -> None:
    def broken() -> None:
        """Break."""
        raise ZeroDivisionError("by zero")

    failed = await tool(effect=Effect.READ)(broken).run({}, "k")
    assert failed == Failure(
        kind=FailureKind.PERMANENT,
        fault=Fault.TOOL,
        what="tool 'broken' raised ZeroDivisionError",
        value="by zero",
        fix="use another tool, or other arguments",
    )
    for effect in (Effect.WRITE, Effect.IRREVERSIBLE, Effect.EGRESS):
        with pytest.raises(ZeroDivisionError):
            await tool(effect=effect)(broken).run({}, "k")


async def test_a_result_that_can_not_be_written_is_lost_and_the_work_is_not() -> None:
    circle: list[Any] = []
    circle.append(circle)

    @tool(effect=Effect.WRITE)
    def turn() -> list[Any]:
        """Turn."""
        return circle

    output = await turn.run({}, "k")
    assert isinstance(output, ToolOutput)
    assert output.is_lost
    assert output.text.startswith("what it returned (list) can't be written")


async def test_a_tool_that_is_cancelled_says_so() -> None:
    @tool(effect=Effect.READ)
    async def forever() -> None:
        """Wait."""
        await asyncio.Event().wait()

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await forever.run({}, "k")


async def test_a_check_is_given_what_it_names_and_answers_yes_no_or_nothing() -> None:
    given: list[dict[str, Any]] = []

    async def look(b: int, key: IdempotencyKey) -> Any:
        given.append({"b": b, "key": key})
        return {1: True, 2: False}.get(b)

    sums = tool(check=look)(add._function)
    assert [await sums.has_happened({"a": 0, "b": b}, "k") for b in (1, 2, 3)] == [True, False, None]
    assert given[0] == {"b": 1, "key": "k"}


async def test_a_check_that_breaks_can_not_tell_and_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    def look(a: int) -> bool:
        raise ZeroDivisionError("by zero")

    assert await tool(check=look)(add._function).has_happened({"a": 1}, "k") is None
    assert "check of tool 'add' raised ZeroDivisionError" in caplog.text


def plain(path: str, count: int) -> None:
    """Do it."""


def silent() -> None: ...


def yielding() -> Iterator[int]:
    """Yield."""
    yield 1


@pytest.mark.parametrize(
    ("options", "function", "words"),
    [
        ({}, silent, "no docstring"),
        ({}, yielding, "yields"),
        ({"name": "two words"}, plain, "can't be the name of a tool"),
        ({"name": "x" * 65}, plain, "can't be the name of a tool"),
        ({}, lambda: None, "'<lambda>' can't be the name"),
        ({"timeout_s": 0}, plain, "timeout_s=0"),
        ({"paths": ("file",)}, plain, "paths names 'file'"),
        ({"paths": "path"}, plain, r"write \('path',\)"),
        ({"paths": ("count",)}, plain, "'count' is integer; a path is a str"),
        ({"grounded": ("who",)}, plain, "grounded names 'who'"),
    ],
)
def test_a_bad_definition_is_refused_at_once(options: Any, function: Any, words: str) -> None:
    with pytest.raises(ToolDefinitionError, match=words):
        tool(**options)(function)


def test_a_check_that_asks_for_more_than_the_tool_is_given_is_refused() -> None:
    def look(who: str) -> bool:
        return True

    with pytest.raises(ToolDefinitionError, match="'look' takes 'who'"):
        tool(check=look)(plain)


def test_what_the_guard_and_recovery_need_can_be_said() -> None:
    promised = {"type": "object", "required": ["id"]}

    @tool(effect="egress", hosts=("url",), consequential=("url",), returns=promised)
    def send(url: str, body: str) -> dict[str, str]:
        """Send a text."""
        return {"id": "1"}

    assert (send.spec.hosts, send.spec.consequential, send.spec.returns) == (("url",), ("url",), promised)
    with pytest.raises(ToolDefinitionError, match="hosts"):
        tool(effect="egress", hosts=("addres",))(send)
