"""A goal is tried in copies of the workspace, and done in the workspace where the tries agree."""

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from nebulus import Agent, Done, Failed, Refused, tool, worker
from nebulus.core.answers import ModelAnswer, ModelRequest
from nebulus.core.commands import RunTool
from nebulus.core.context import Context
from nebulus.core.errors import ConfigError
from nebulus.core.failure import FailureKind
from nebulus.core.findings import Call
from nebulus.core.outcome import Proof, Question
from nebulus.core.tools import ToolSpec
from nebulus.core.verdict import Ask, Verdict
from nebulus.guard.defaults import NOTHING_KNOWN, DefaultPolicy
from nebulus.ports.guard import PersonReply
from nebulus.testing.backends import ScriptedBackend, calls

GOAL = "Write the total to total.txt."


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "amounts.txt").write_text("1\n2\n")
    return tmp_path


def sample_of(request: ModelRequest) -> int:
    """The number of the try, from 0."""
    return request.seed // 1000


def made(request: ModelRequest) -> list[str]:
    """The tools that were called so far."""
    return [call.name for message in request.messages for call in message.calls]


def writing(totals: Mapping[int, str]) -> Callable[[ModelRequest], ModelAnswer]:
    """A model that writes a total of its own in each try."""

    def answer(request: ModelRequest) -> ModelAnswer:
        if not made(request):
            return calls("write_file", path="total.txt", content=totals[sample_of(request)])
        return calls("finish", summary="The total is written.")

    return answer


def test_what_two_tries_agree_on_is_done(folder: Path) -> None:
    backend = ScriptedBackend(writing({0: "3\n", 1: "3"}))
    outcome = Agent(model=backend, workspace=folder, votes=2).run(GOAL)
    assert isinstance(outcome, Done), outcome
    assert (folder / "total.txt").read_text() == "3\n"
    assert outcome.proof is Proof.CLAIMED, "that tries agree proves nothing"
    assert any("2 of 2 tries" in evidence.what for evidence in outcome.evidence)
    assert [sample_of(request) for request in backend.requests] == [0, 0, 1, 1], "no model is asked again"


def test_the_majority_of_three_outvotes_the_first(folder: Path) -> None:
    backend = ScriptedBackend(writing({0: "12", 1: "3", 2: "3"}))
    outcome = Agent(model=backend, workspace=folder, votes=3).run(GOAL)
    assert isinstance(outcome, Done), outcome
    assert (folder / "total.txt").read_text() == "3"
    assert any("2 of 3 tries" in evidence.what for evidence in outcome.evidence)


def test_a_third_try_is_not_made_where_two_agree(folder: Path) -> None:
    backend = ScriptedBackend(writing({0: "3", 1: "3"}))
    Agent(model=backend, workspace=folder, votes=3).run(GOAL)
    assert max(map(sample_of, backend.requests)) == 1


def test_tries_that_disagree_change_nothing_and_say_what_differs(folder: Path) -> None:
    backend = ScriptedBackend(writing({0: "12", 1: "3", 2: "4"}))
    outcome = Agent(model=backend, workspace=folder, votes=3).run(GOAL)
    assert isinstance(outcome, Failed), outcome
    assert outcome.failure.kind is FailureKind.DISAGREEMENT
    assert "try 1 changed total.txt" in outcome.failure.value
    assert sorted(path.name for path in folder.iterdir()) == ["amounts.txt"]


def test_no_further_try_is_made_where_agreement_is_out_of_reach(folder: Path) -> None:
    def giving_up(request: ModelRequest) -> ModelAnswer:
        return calls("give_up", reason="There is no total.")

    backend = ScriptedBackend(giving_up)
    outcome = Agent(model=backend, workspace=folder, votes=2).run(GOAL)
    assert isinstance(outcome, Failed)
    assert "There is no total" in outcome.failure.value
    assert set(map(sample_of, backend.requests)) == {0}


def test_answers_are_compared_as_values(folder: Path) -> None:
    def answering(request: ModelRequest) -> ModelAnswer:
        if not made(request):
            return calls("read_file", path="amounts.txt")
        if "answer" not in str(request.form):
            return calls("finish", summary="Added.")
        return ModelAnswer(text='{"answer": 3}')

    outcome = Agent(model=ScriptedBackend(answering), workspace=folder, votes=2).run(
        "What is the sum of the amounts in amounts.txt?", result=int
    )
    assert isinstance(outcome, Done), outcome
    assert outcome.answer == 3


def test_an_approval_is_asked_once_and_for_the_workspace_itself(folder: Path) -> None:
    asked: list[Question] = []

    class Asked:
        async def ask(self, question: Question) -> PersonReply:
            asked.append(question)
            return PersonReply(is_yes=True)

    def deleting(request: ModelRequest) -> ModelAnswer:
        if not made(request):
            return calls("delete_file", path="amounts.txt")
        return calls("finish", summary="It is gone.")

    outcome = Agent(model=ScriptedBackend(deleting), workspace=folder, votes=2, person=Asked()).run(
        "Delete amounts.txt."
    )
    assert isinstance(outcome, Done), outcome
    assert len(asked) == 1
    assert ".try" not in asked[0].run_id
    assert not (folder / "amounts.txt").exists()


def test_what_may_not_be_read_unasked_is_not_read_unasked_in_a_copy(folder: Path) -> None:
    class Denying:
        async def ask(self, question: Question) -> PersonReply:
            return PersonReply(is_yes=False, text="That is private.")

    class AskingToRead(DefaultPolicy):
        def judge(self, call: Call, spec: ToolSpec, context: Context = NOTHING_KNOWN) -> Verdict:
            if call.tool == "read_file":
                return Ask("private", "it is private")
            return super().judge(call, spec, context)

    def reading(request: ModelRequest) -> ModelAnswer:
        return calls("read_file", path="amounts.txt")

    backend = ScriptedBackend(reading)
    agent = Agent(model=backend, workspace=folder, votes=2, person=Denying(), policy=AskingToRead())
    outcome = agent.run("What is in amounts.txt?")
    assert isinstance(outcome, Failed), outcome
    assert not any("1\n2" in message.content for request in backend.requests for message in request.messages)


def test_a_denied_approval_ends_the_run_without_another_question_to_the_model(folder: Path) -> None:
    class Denying:
        async def ask(self, question: Question) -> PersonReply:
            return PersonReply(is_yes=False, text="Keep it.")

    def deleting(request: ModelRequest) -> ModelAnswer:
        if not made(request):
            return calls("delete_file", path="amounts.txt")
        return calls("finish", summary="It is gone.")

    outcome = Agent(model=ScriptedBackend(deleting), workspace=folder, votes=2, person=Denying()).run(
        "Delete amounts.txt."
    )
    assert isinstance(outcome, Failed | Refused), outcome
    assert (folder / "amounts.txt").exists()


def test_what_changes_the_world_outside_of_the_workspace_is_not_tried(folder: Path) -> None:
    sent = []

    @tool(effect="egress")
    def send_mail(to: str) -> str:
        """Send a mail."""
        sent.append(to)
        return "sent"

    def sending(request: ModelRequest) -> ModelAnswer:
        return calls("send_mail", to="ada@lorenz.example")

    agent = Agent(model=ScriptedBackend(sending), workspace=folder, tools=[send_mail], votes=2)
    with pytest.raises(ConfigError, match="send_mail"):
        agent.run("Send a mail to ada@lorenz.example.")
    assert sent == []


def test_a_workspace_that_changes_meanwhile_is_not_written_to(folder: Path) -> None:
    def meddling(request: ModelRequest) -> ModelAnswer:
        (folder / "amounts.txt").write_text("100\n")
        return writing({0: "3", 1: "3"})(request)

    agent = Agent(model=ScriptedBackend(meddling), workspace=folder, votes=2)
    with pytest.raises(ConfigError, match="changed while"):
        agent.run(GOAL)
    assert not (folder / "total.txt").exists()


def test_a_blocked_run_is_resumed_with_the_answers_of_the_tries(folder: Path, tmp_path: Path) -> None:
    state = tmp_path.parent / f"{tmp_path.name}-state"
    state.mkdir()

    def deleting(request: ModelRequest) -> ModelAnswer:
        if not made(request):
            return calls("delete_file", path="amounts.txt")
        return calls("finish", summary="It is gone.")

    backend = ScriptedBackend(deleting)

    async def scene() -> None:
        async with Agent(
            model=backend, workspace=folder, votes=2, engine=str(state / "runs.sqlite")
        ) as agent:
            handle = await agent.start("Delete amounts.txt.")
            await handle.result()
            (question,) = await agent.questions()
            count = len(backend.requests)
            await agent.approve(question)
            resumed = await agent.resume(handle.run_id)
            outcome = await resumed.result()
            assert isinstance(outcome, Done), outcome
            assert len(backend.requests) == count, "the model is not asked again"

    asyncio.run(scene())
    assert not (folder / "amounts.txt").exists()


def test_a_number_of_tries_that_is_out_of_range_stops_the_start() -> None:
    with pytest.raises(ConfigError, match="votes=0"):
        Agent(model=ScriptedBackend(), votes=0)


def test_a_goal_that_needs_a_worker_is_not_tried(folder: Path) -> None:
    lookup = worker("lookup", "Look it up.", tools=["read_file"])

    def handing_over(request: ModelRequest) -> ModelAnswer:
        return calls("lookup")

    agent = Agent(model=ScriptedBackend(handing_over), workspace=folder, workers=[lookup], votes=2)
    with pytest.raises(ConfigError, match="lookup"):
        agent.run("What is the sum?")


def test_a_question_is_answered_with_one_call_whatever_the_votes(folder: Path) -> None:
    backend = ScriptedBackend([ModelAnswer(text="7")])
    Agent(model=backend, workspace=folder, votes=3).ask("How many?")
    assert len(backend.requests) == 1


def test_a_goal_whose_commands_the_caller_performs_is_not_voted_on(folder: Path) -> None:
    async def scene() -> None:
        async with Agent(model=ScriptedBackend(), workspace=folder, votes=2) as agent:
            with pytest.raises(ConfigError, match="performs"):
                await agent.start(GOAL, handed_out=[RunTool])

    asyncio.run(scene())
