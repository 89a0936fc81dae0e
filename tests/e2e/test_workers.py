"""An agent hands work over to workers: the contract binds them, and what comes back is one value or one failure."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from nebulus import Agent, Budget, Done, Failed, Outcome, tool, worker
from nebulus.app.results import result_spec
from nebulus.app.settings_file import load_settings
from nebulus.core.answers import ModelAnswer, ModelRequest
from nebulus.core.errors import ConfigError
from nebulus.core.events import RunStarted, ToolFailed, ToolReturned
from nebulus.core.journal import Record
from nebulus.core.outcome import Proof, Question
from nebulus.core.result import Result
from nebulus.core.tools import ToolSpec
from nebulus.delegation.envelope import handed_back
from nebulus.ports.guard import PersonReply
from nebulus.testing.backends import ScriptedBackend, calls

LOOKUP = worker(
    "lookup",
    "Find the price of the product in the price list.",
    inputs={"product": str},
    tools=["read_file"],
    paths=["prices"],
    result=float,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "prices").mkdir()
    (tmp_path / "prices/list.txt").write_text("chair: 40.5\ntable: 120\n")
    (tmp_path / "secret.txt").write_text("the code is 4711\n")
    return tmp_path


def is_worker(request: ModelRequest) -> bool:
    return "Find the price" in request.messages[0].content + request.messages[1].content


def made(request: ModelRequest) -> list[str]:
    return [call.name for message in request.messages for call in message.calls]


def shown(request: ModelRequest) -> str:
    return "\n".join(message.content for message in request.messages)


def coordinating(work: Callable[[ModelRequest], ModelAnswer]) -> Callable[[ModelRequest], ModelAnswer]:
    """A model that hands over once and then ends; `work` is what the worker does."""

    def answer(request: ModelRequest) -> ModelAnswer:
        if is_worker(request):
            return work(request)
        if not made(request):
            return calls("lookup", product="chair")
        return calls("finish", summary="Done.")

    return answer


def competent(request: ModelRequest) -> ModelAnswer:
    if not made(request):
        return calls("read_file", path="prices/list.txt")
    if "answer" in str(request.form):
        return ModelAnswer(text='{"answer": 40.5}')
    return calls("finish", summary="It costs 40.5.")


async def ran(agent: Agent, goal: str = "What does the chair cost?") -> tuple[Outcome, list[Record]]:
    async with agent:
        handle = await agent.start(goal)
        records = [record async for record in handle.events()]
        return await handle.result(), records


def run(agent: Agent) -> tuple[Outcome, list[Record]]:
    return asyncio.run(ran(agent))


def returned(records: list[Record]) -> ToolReturned:
    (event,) = [record.event for record in records if isinstance(record.event, ToolReturned)]
    return event


def failed(records: list[Record]) -> ToolFailed:
    return next(record.event for record in records if isinstance(record.event, ToolFailed))


def test_a_worker_returns_the_agreed_value_with_its_run_and_its_cost(folder: Path) -> None:
    backend = ScriptedBackend(coordinating(competent))
    outcome, records = run(Agent(model=backend, workspace=folder, workers=[LOOKUP]))
    assert isinstance(outcome, Done), outcome
    event = returned(records)
    assert json.loads(event.result.text) == {"answer": 40.5}
    assert not event.result.is_trusted, "what a worker says is text from outside"
    assert event.handed is not None
    assert event.handed.spent.model_calls == 3
    assert event.handed.spent.tool_calls == 1


def test_a_worker_is_given_its_task_by_the_program_and_its_inputs_as_data(folder: Path) -> None:
    backend = ScriptedBackend(coordinating(competent))
    run(Agent(model=backend, workspace=folder, workers=[LOOKUP]))
    first = next(request for request in backend.requests if is_worker(request))
    assert "Goal: Find the price of the product in the price list." in shown(first)
    assert "- product" in shown(first)
    assert "chair" in shown(first)
    assert "What does the chair cost?" not in shown(first), (
        "the goal of the one who hands over is not its own"
    )
    assert {spec.name for spec in first.tools} <= {"read_file", "look_inside", "finish", "give_up"}
    assert "secret.txt" not in shown(first), "it is not shown what it may not reach"


def test_a_worker_stays_in_its_paths(folder: Path) -> None:
    def prying(request: ModelRequest) -> ModelAnswer:
        return calls("read_file", path="secret.txt" if not made(request) else "prices/../secret.txt")

    backend = ScriptedBackend(coordinating(prying))
    outcome, records = run(Agent(model=backend, workspace=folder, workers=[LOOKUP]))
    assert "4711" not in "".join(map(shown, backend.requests))
    assert failed(records).failure.kind.value == "policy_refusal"
    assert not isinstance(outcome, Done) or "4711" not in str(outcome)


def test_a_worker_has_no_other_tools(folder: Path) -> None:
    def grabbing(request: ModelRequest) -> ModelAnswer:
        return calls("delete_file", path="prices/list.txt")

    _, records = run(Agent(model=ScriptedBackend(coordinating(grabbing)), workspace=folder, workers=[LOOKUP]))
    assert (folder / "prices/list.txt").exists()
    assert failed(records).failure.what.startswith("the worker lookup failed")


def test_a_failure_of_a_worker_reaches_the_one_who_handed_over(folder: Path) -> None:
    def giving_up(request: ModelRequest) -> ModelAnswer:
        return calls("give_up", reason="There is no chair.")

    backend = ScriptedBackend(coordinating(giving_up))
    _, records = run(Agent(model=backend, workspace=folder, workers=[LOOKUP]))
    event = failed(records)
    assert "There is no chair" in event.failure.sentence()
    assert event.handed is not None
    assert any(
        "There is no chair" in shown(request) for request in backend.requests if not is_worker(request)
    )


def test_what_a_worker_spends_comes_off_the_budget_of_the_one_who_hands_over(folder: Path) -> None:
    backend = ScriptedBackend(coordinating(competent))
    agent = Agent(model=backend, workspace=folder, workers=[LOOKUP], budget=Budget(model_calls=3))
    outcome, records = run(agent)
    assert "used up its model_calls" in failed(records).failure.what
    assert not isinstance(outcome, Done)
    assert len(backend.requests) <= 3


def test_a_worker_can_be_one_that_hands_over_and_chains_end(folder: Path) -> None:
    again = worker("again", "Find the price of everything.", tools=["read_file", "lookup"], paths=["prices"])

    def looping(request: ModelRequest) -> ModelAnswer:
        names = [spec.name for spec in request.tools]
        wanted = "again" if "again" in names else "lookup"
        return calls(wanted, product="chair") if wanted == "lookup" else calls(wanted)

    agent = Agent(model=ScriptedBackend(looping), workspace=folder, workers=[LOOKUP, again])
    outcome, _ = run(agent)
    assert isinstance(outcome, Failed), outcome


def test_a_question_of_a_worker_names_the_chain(folder: Path) -> None:
    remover = worker("lookup", "Find the price of the product, and delete the list.", tools=["delete_file"])
    asked: list[Question] = []

    class Asked:
        async def ask(self, question: Question) -> PersonReply:
            asked.append(question)
            return PersonReply(is_yes=True)

    def deleting(request: ModelRequest) -> ModelAnswer:
        if not made(request):
            return calls("delete_file", path="prices/list.txt")
        return calls("finish", summary="Gone.")

    def work(request: ModelRequest) -> ModelAnswer:
        if is_worker(request):
            return deleting(request)
        return calls("lookup") if not made(request) else calls("finish", summary="Done.")

    agent = Agent(model=ScriptedBackend(work), workspace=folder, workers=[remover], person=Asked())
    outcome, _ = run(agent)
    assert isinstance(outcome, Done), outcome
    assert [question.tool for question in asked] == ["delete_file"]
    assert "asked by the worker lookup" in asked[0].reason
    assert not (folder / "prices/list.txt").exists()


def test_a_run_that_is_resumed_takes_up_its_worker(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """On SQLite: the worker waits for a person, both runs are resumed, and nothing is done twice."""
    state = tmp_path_factory.mktemp("state")
    remover = worker("lookup", "Find the price of the product, and delete the list.", tools=["delete_file"])

    def work(request: ModelRequest) -> ModelAnswer:
        if is_worker(request):
            if not made(request):
                return calls("delete_file", path="prices/list.txt")
            return calls("finish", summary="Gone.")
        return calls("lookup") if not made(request) else calls("finish", summary="Done.")

    backend = ScriptedBackend(work)

    async def scene() -> None:
        async with Agent(
            model=backend, workspace=folder, workers=[remover], engine=str(state / "runs.sqlite")
        ) as agent:
            handle = await agent.start("What does the chair cost?")
            outcome = await handle.result()
            for _ in range(4):
                for question in await agent.questions():
                    await agent.approve(question)
                outcome = await (await agent.resume(handle.run_id)).result()
                if isinstance(outcome, Done):
                    break
            assert isinstance(outcome, Done), outcome
            runs = await agent.runs()
            assert len(runs) == 2, "one run, and one of its worker"

    asyncio.run(scene())
    assert not (folder / "prices/list.txt").exists()


def test_the_contract_is_kept_with_the_run_of_the_worker(folder: Path) -> None:
    backend = ScriptedBackend(coordinating(competent))

    async def scene() -> RunStarted:
        async with Agent(model=backend, workspace=folder, workers=[LOOKUP]) as agent:
            handle = await agent.start("What does the chair cost?")
            await handle.result()
            (child,) = [info for info in await agent.runs() if info.run_id != handle.run_id]
            journal = await agent._open.supervisor.journal(child.run_id)
            first = journal[0].event
            assert isinstance(first, RunStarted)
            assert first.config.authority is not None
            assert first.config.authority.chain == (handle.run_id, child.run_id)
            return first

    started = asyncio.run(scene())
    assert started.config.agent == "lookup"
    assert started.config.authority is not None
    assert started.config.authority.paths == ("prices",)


def test_a_worker_that_may_use_a_tool_that_is_not_there_stops_the_start(folder: Path) -> None:
    wrong = worker("wrong", "Do it.", tools=["read_flie"])
    with pytest.raises(ConfigError, match="read_flie"):
        Agent(model=ScriptedBackend(), workspace=folder, workers=[wrong]).run("Do it.")


def test_a_worker_called_like_a_tool_stops_the_start() -> None:
    @tool(effect="read")
    def lookup() -> str:
        """Look up."""
        return ""

    with pytest.raises(ConfigError, match="'lookup'"):
        Agent(model=ScriptedBackend(), tools=[lookup], workers=[worker("lookup", "Do it.")]).run("Do it.")


@pytest.mark.parametrize(("name", "goal"), [("a b", "Do it."), ("", "Do it."), ("a", " ")])
def test_a_worker_that_can_not_be_meant_is_refused(name: str, goal: str) -> None:
    with pytest.raises(ConfigError):
        worker(name, goal)


@pytest.mark.parametrize("path", ["/etc", "../other", "prices/../../other"])
def test_a_path_of_a_worker_that_leads_outside_is_refused(path: str) -> None:
    with pytest.raises(ConfigError, match="outside of the workspace"):
        worker("lookup", "Do it.", paths=[path])


def test_paths_of_a_worker_are_compared_in_one_form() -> None:
    assert worker("lookup", "Do it.", paths=["./prices/", "a/../b", ""]).paths == ("prices", "b", ".")


def test_settings_with_workers_do_not_keep_a_question_from_being_asked(folder: Path) -> None:
    (folder / "nebulus.toml").write_text(
        '[tiers.nano]\nmodel = "nano"\n\n[workers.clerk]\ngoal = "Read it."\ntools = ["read_file"]\n'
    )
    settings = load_settings(folder / "nebulus.toml", folder).without_helpers()
    assert (settings.workers, settings.mcp, settings.votes) == ({}, {}, 1)


def test_an_answer_of_either_of_two_types_is_handed_back_in_a_field_of_its_own() -> None:
    spec = result_spec({"anyOf": [{"type": "object"}, {"type": "number"}]})
    done = Done(proof=Proof.CLAIMED, result=Result(value={"a": 1}))
    assert handed_back("lookup", done, spec=spec) == {"answer": {"a": 1}}


def test_a_number_is_returned_as_the_contract_says_and_nothing_else_is() -> None:
    spec = LOOKUP.tool({"read_file": ToolSpec(name="read_file")})
    assert spec.returns["properties"] == {"answer": {"type": "number"}}
    assert spec.returns["required"] == ["answer"]
