"""What somebody wants a run for, and the names of runs."""

import datetime
import re
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path

from msgspec import Struct, field
from msgspec.structs import replace

from nebulus.app.voting import VOTES
from nebulus.app.workers import WORKER, Hired
from nebulus.core.errors import ConfigError
from nebulus.core.plan import Goal, Input, Plan
from nebulus.core.result import ResultSpec
from nebulus.delegation.contract import Contract
from nebulus.loop.runbook import read_runbook

_RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class Asked(Struct, frozen=True, kw_only=True):
    """What somebody wants a run for; the fields are the arguments of `Application.start`."""

    goal: str | Goal
    plan: Plan | None = None
    result: ResultSpec | None = None
    inputs: tuple[Input, ...] = ()
    workspace: Path | None = None
    place: dict[str, str] = field(default_factory=dict)

    @classmethod
    def under(cls, agreed: Contract, place: Mapping[str, str]) -> "Asked":
        """Return what a contract asks for, in the place of the run that handed over."""
        bound = Hired(agent=agreed.agent, authority=agreed.authority).encoded()
        where = {name: value for name, value in place.items() if name not in (VOTES, "workspace")}
        return cls(
            goal=agreed.goal,
            workspace=Path(place["workspace"]) if "workspace" in place else None,
            place={**where, WORKER: bound},
        )

    def understood(self, hide: Callable[[str], str]) -> tuple[Goal, Plan]:
        """Return the goal and the plan; `hide` takes secrets out of texts.

        Raises:
            ConfigError: the text is a runbook that can't be read.
        """
        if isinstance(self.goal, Goal):
            wanted, steps = self.goal, self.plan or Plan(())
        elif self.plan is None:
            wanted, steps = read_runbook(hide(self.goal))
        else:
            wanted, steps = Goal(text=hide(self.goal)), self.plan
        if self.result is not None:
            wanted = replace(wanted, result=self.result)
        given = tuple(replace(one, value=hide(one.value)) for one in self.inputs)
        return replace(wanted, inputs=(*wanted.inputs, *given)), steps


def new_run_id() -> str:
    """Return a name for a run: sortable by time, unlikely to be taken."""
    now = datetime.datetime.now(tz=datetime.UTC)
    return f"{now:%Y%m%d-%H%M%S}-{secrets.token_hex(4)}"


def checked_run_id(run_id: str) -> str:
    """Return `run_id`: it is typed in commands and is part of names, so it must be short and plain.

    Raises:
        ConfigError: it is too long, or has other characters.
    """
    if not _RUN_ID.fullmatch(run_id):
        raise ConfigError(
            f"{run_id[:80]!r} can't be the id of a run",
            fix="take up to 64 letters, digits, -, _ and ., a letter or digit first",
        )
    return run_id
