"""Runs for MCP clients, in both eras: the client's user is asked, and its model can't answer for them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from mcp import Client
from mcp_types import ElicitResult

from nebulus.app.settings import EngineSettings, Settings, TierSettings
from nebulus.mcp_server.runs import open_runs
from nebulus.mcp_server.server import make_server
from nebulus.testing.backends import ScriptedBackend
from tests.unit.cli.runs import literal

pytestmark = pytest.mark.usefixtures("new_user")
GOAL = "Tidy.\n\n1. Use delete_file with path = a.md"
ERAS = ("auto", "legacy")


class User:
    """The user of a client: gives the answers of a list, and remembers what they were asked."""

    def __init__(self, *answers: ElicitResult) -> None:
        self.asked: list[str] = []
        self._answers = list(answers)

    async def __call__(self, context: Any, parameters: Any) -> ElicitResult:
        self.asked.append(parameters.message)
        return self._answers.pop(0)


def says(**content: Any) -> ElicitResult:
    return ElicitResult(action="accept", content=content)


@asynccontextmanager
async def client(folder: Path, era: str, user: User | None = None) -> AsyncIterator[Client]:
    """A client of the server of `folder`; without a user, it can't ask anybody."""
    (folder / "a.md").write_text("hello")
    settings = Settings(
        tiers={"small": TierSettings(model="http://127.0.0.1:1#none")},
        engine=EngineSettings(url=".nebulus/runs.sqlite"),
        commands="off",
    )
    async with (
        open_runs(settings, folder, backends={"small": ScriptedBackend(literal)}) as runs,
        Client(make_server(runs), mode=era, elicitation_callback=user) as connected,
    ):
        yield connected


async def said(connected: Client, tool: str, **arguments: Any) -> str:
    result = await connected.call_tool(tool, arguments)
    return "\n".join(getattr(block, "text", "") for block in result.content)


@pytest.mark.parametrize("era", ERAS)
async def test_the_user_of_the_client_is_asked_and_the_run_goes_on(tmp_path: Path, era: str) -> None:
    user = User(says(allow=True))
    async with client(tmp_path, era, user) as connected:
        text = await said(connected, "run", goal=GOAL, answer="none")
    assert not (tmp_path / "a.md").exists()
    assert "Done" in text or "Proven" in text or "Claimed" in text, text
    (asked,) = user.asked
    assert "delete_file" in asked
    assert '  | {"path":"a.md"}' in asked


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("answer", [says(allow=False, words="keep it"), ElicitResult(action="decline")])
async def test_a_no_of_the_user_is_a_no(tmp_path: Path, era: str, answer: ElicitResult) -> None:
    async with client(tmp_path, era, User(*[answer] * 5)) as connected:
        await said(connected, "run", goal=GOAL, answer="none")
    assert (tmp_path / "a.md").exists()


@pytest.mark.parametrize("era", ERAS)
async def test_a_user_who_will_not_say_leaves_the_question_open(tmp_path: Path, era: str) -> None:
    async with client(tmp_path, era, User(ElicitResult(action="cancel"))) as connected:
        text = await said(connected, "run", goal=GOAL, answer="none")
    assert (tmp_path / "a.md").exists()
    assert "`nebulus approve" in text


@pytest.mark.parametrize("era", ERAS)
async def test_without_a_user_the_answer_says_how_to_approve_and_no_call_can(
    tmp_path: Path, era: str
) -> None:
    async with client(tmp_path, era) as connected:
        text = await said(connected, "run", goal=GOAL, answer="none")
        assert "The user must decide: `nebulus approve" in text
        assert "--yes" not in text
        run_id = text.split()[1]
        again = await said(connected, "approve", run_id=run_id)
        assert "The user must decide" in again
        assert run_id in await said(connected, "show")
        assert "delete_file" in await said(connected, "show", run_id=run_id)
    assert (tmp_path / "a.md").exists()


@pytest.mark.parametrize("era", ERAS)
async def test_a_question_that_was_left_open_is_asked_again_by_approve(tmp_path: Path, era: str) -> None:
    user = User(ElicitResult(action="cancel"), says(allow=True))
    async with client(tmp_path, era, user) as connected:
        run_id = (await said(connected, "run", goal=GOAL, answer="none")).split()[1]
        await said(connected, "approve", run_id=run_id)
    assert not (tmp_path / "a.md").exists()
    assert len(user.asked) == 2


@pytest.mark.parametrize("era", ERAS)
async def test_a_question_needs_no_tool_and_leaves_no_run(tmp_path: Path, era: str) -> None:
    async with client(tmp_path, era) as connected:
        assert await said(connected, "ask", question="What is a fjord?") == "I am not sure."
        assert await said(connected, "show") == "no run was made here yet"


async def test_a_run_that_is_not_there_is_an_error_with_words(tmp_path: Path) -> None:
    async with client(tmp_path, "auto") as connected:
        result = await connected.call_tool("show", {"run_id": "none"})
    assert result.is_error
    assert "none" in getattr(result.content[0], "text", "")


async def test_a_client_is_told_how_far_a_run_is(tmp_path: Path) -> None:
    told: list[str] = []

    async def on_progress(progress: float, total: float | None, message: str | None) -> None:
        told.append(message or "")

    async with client(tmp_path, "auto", User(says(allow=True))) as connected:
        await connected.call_tool("run", {"goal": GOAL, "answer": "none"}, progress_callback=on_progress)
    assert any("delete_file" in line for line in told)
    assert len(told) == len(set(told)) or told.count(told[0]) == 1, "nothing is told twice after the question"
