"""A command's end comes back as text that says how it ended, and is never mistaken for nothing happening."""

import pytest

from nebulus.adapters.tools.commands import Commands
from nebulus.adapters.tools.function import tool
from nebulus.core.failure import Failure, FailureKind, Fault
from nebulus.core.tools import Effect, SandboxLevel
from nebulus.ports.guard import CommandResult
from nebulus.ports.tool import Scalar, ToolOutput
from nebulus.testing.sandbox import FakeSandbox


@pytest.mark.parametrize(
    ("ended", "text"),
    [
        (CommandResult(exit_code=0, output="hi\n"), "hi\n(exit code 0)"),
        (CommandResult(exit_code=2, output=""), "(exit code 2)"),
        (
            CommandResult(exit_code=-9, output="half", is_timeout=True, is_cut=True),
            "half\n(stopped after 7 s; what it did until then remains)\n(the output was cut in the middle)",
        ),
    ],
)
async def test_how_it_ended_is_told(ended: CommandResult, text: str) -> None:
    sandbox = FakeSandbox(lambda argv, timeout_s: ended)
    run = tool(effect=Effect.WRITE)(Commands(sandbox).run_command)
    output = await run.run({"command": "make test", "timeout_s": 7}, "key")
    fields: dict[str, Scalar] = {"exit_code": ended.exit_code, "is_timeout": ended.is_timeout}
    assert output == ToolOutput(text=text, fields=fields, is_trusted=False)
    assert sandbox.commands == [("/bin/sh", "-c", "make test")]


async def test_what_was_not_started_is_a_failure() -> None:
    run = tool(effect=Effect.WRITE)(Commands(FakeSandbox(level=SandboxLevel.NONE)).run_command)
    failure = await run.run({"command": "true"}, "key")
    assert isinstance(failure, Failure)
    assert (failure.kind, failure.fault) == (FailureKind.PERMISSION, Fault.POLICY)


@pytest.mark.parametrize("timeout_s", [0, 601, "9"])
async def test_patience_is_bounded(timeout_s: object) -> None:
    sandbox = FakeSandbox()
    run = tool(effect=Effect.WRITE)(Commands(sandbox).run_command)
    assert isinstance(await run.run({"command": "true", "timeout_s": timeout_s}, "key"), Failure)
    assert sandbox.commands == []
