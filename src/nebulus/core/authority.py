"""What a run may do, and may therefore hand over to a worker."""

from msgspec import Struct
from msgspec.structs import replace

from nebulus.core.budget import Budget, Spent
from nebulus.core.context import Label

MOST_LINKS = 4
"""The longest chain of runs, from the first one to the last worker."""


class Authority(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a run may do: call these tools, reach these paths, and spend this.

    `tools` are in the order of their names, since a set has none in a record. `paths` are folders and files of the
    workspace, empty for all of it. `chain` names the runs that led here, the first one first, the run itself last.
    """

    tools: tuple[str, ...]
    paths: tuple[str, ...] = ()
    budget: Budget = Budget()
    chain: tuple[str, ...] = ()

    def covers(self, path: str) -> bool:
        """Whether `path`, canonical and relative to the workspace, may be reached."""
        return not self.paths or any(is_below(path, root) for root in self.paths)


class HandOver(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a call hands over besides its arguments: the authority that is left, and where the arguments came from."""

    authority: Authority
    labels: tuple[Label, ...] = ()


class HandedBack(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a worker's run cost the one who handed over: the run, and what it has spent for this call."""

    run_id: str
    spent: Spent = Spent()


def is_below(path: str, root: str) -> bool:
    """Whether `path` is `root` or something in it; both are canonical."""
    return root == "." or path == root or path.startswith(f"{root}/")


def left_of(budget: Budget, spent: Spent) -> Budget:
    """Return what is left of `budget`. What is used up is negative; what is not limited stays 0.

    The limits of steps, of single tools and of bytes are handed on as they are: each run counts them for itself.
    """

    def left(limit: float, used: float) -> float:
        return (limit - used or -1) if limit else 0

    return replace(
        budget,
        model_calls=int(left(budget.model_calls, spent.model_calls)),
        tool_calls=int(left(budget.tool_calls, spent.tool_calls)),
        tokens=int(left(budget.tokens, spent.tokens)),
        seconds=left(budget.seconds, spent.seconds),
        usd=left(budget.usd, spent.usd),
    )
