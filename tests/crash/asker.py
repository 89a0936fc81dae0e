"""Does one thing with a run of one payment, and may die when a person's answer was taken and not recorded.

    python -m tests.crash.asker ENGINE FOLDER RUN blocked|approve|dies|lives|rewinds

ENGINE is a SQLite path or a PostgreSQL URL. `blocked` begins the run, with nobody there; `approve` answers its
question, as another process would; `dies` resumes it and is killed at the answer; `lives` resumes it to its
end; `rewinds` begins its step again. What lives prints a JSON line: outcome, effects, what waits, how often the
person who is there was asked.
"""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

from nebulus.adapters.approvals.person import StoredPerson
from nebulus.adapters.approvals.store import ApprovalStore
from nebulus.adapters.engines.dbos import DbosEngine
from nebulus.core.config import RunConfig
from nebulus.core.outcome import Outcome, Question
from nebulus.core.plan import Goal, Plan, Step, ToolSucceeded
from nebulus.core.tiers import Tier
from nebulus.guard.defaults import DefaultPolicy
from nebulus.ports.guard import Person, PersonReply
from nebulus.runtime.supervise import Opened, RunRequest, Supervisor
from nebulus.runtime.world import World
from nebulus.testing.people import ScriptedPerson
from tests.crash.victim import SPECS, Ledger, LedgerTool, Literal, Nothing

PAY = next(spec for spec in SPECS if spec.name == "pay")
CONFIG = RunConfig(tools=(PAY,), tiers=(Tier(name="small", window_tokens=4096),))
REQUEST = RunRequest(
    goal=Goal(text="Pay it."),
    plan=Plan((Step(number=1, text="pay v1", checks=(ToolSucceeded("pay"),)),)),
    config=CONFIG,
)


class Dying:
    """Takes the answer, and is killed before anybody hears of it."""

    def __init__(self, person: Person) -> None:
        self._person = person

    async def ask(self, question: Question) -> PersonReply | None:
        """Ask, and die of an answer."""
        reply = await self._person.ask(question)
        if reply is not None:
            os.kill(os.getpid(), signal.SIGKILL)
        return reply


async def act(what: str, run_id: str, address: str, folder: Path) -> dict[str, object]:
    """Do `what`, and return what became of it."""
    with closing(ApprovalStore(address)) as store:
        if what == "approve":
            [waiting] = [item for item in store.waiting() if item.run_id == run_id]
            store.answer(waiting.question.digest, PersonReply(is_yes=True, by="ann"))
            return {}
        here, ledger = ScriptedPerson(), Ledger(folder / "ledger")
        person: Person = StoredPerson(store, here)
        world = World(
            backends={"small": Literal()},
            tools={"pay": LedgerTool(PAY, ledger)},
            policy=DefaultPolicy(),
            person=Dying(person) if what == "dies" else person,
            checker=Nothing(),
            artifacts=Nothing(),
        )

        @asynccontextmanager
        async def open_world(_: str, __: RunRequest) -> AsyncIterator[Opened]:
            yield Opened(CONFIG, world)

        async def withdraw(name: str) -> None:
            store.withdraw(name)

        async with Supervisor(DbosEngine(address), open_world, before_rewind=withdraw) as supervisor:
            outcome = await carried_out(what, run_id, supervisor)
        waiting = [item for item in store.waiting() if item.run_id == run_id]
    return {
        "outcome": type(outcome).__name__,
        "effects": ledger.lines(),
        "waiting": len(waiting),
        "asked": len(here.asked),
    }


async def carried_out(what: str, run_id: str, supervisor: Supervisor) -> Outcome:
    """Begin, resume or rewind the run."""
    if what == "blocked":
        handle = await supervisor.start(run_id, REQUEST)
    elif what == "rewinds":
        handle = await supervisor.rewind(run_id, step=1)
    else:
        handle = await supervisor.resume(run_id)
    return await handle.result()


if __name__ == "__main__":
    address, folder, run_id, what = sys.argv[1:]
    print(json.dumps(asyncio.run(act(what, run_id, address, Path(folder)))))
