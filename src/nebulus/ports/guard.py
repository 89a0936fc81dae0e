"""The ports between a proposal and its effect: policy, person, workspace, sandbox."""

from pathlib import Path
from typing import Protocol

from msgspec import Struct

from nebulus.core.context import Context
from nebulus.core.failure import Failure
from nebulus.core.findings import Call
from nebulus.core.outcome import Question
from nebulus.core.tools import SandboxLevel, ToolSpec
from nebulus.core.verdict import Verdict


class Policy(Protocol):
    """Decides calls. Deny is the default; an error while deciding is a refusal."""

    @property
    def digest(self) -> str:
        """The digest of the whole rule set, so that a changed one is noticed."""
        ...

    def judge(self, call: Call, spec: ToolSpec, context: Context) -> Verdict:
        """Decide one call whose paths are canonical. An error while deciding is a refusal."""
        ...


class PersonReply(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a person said."""

    is_yes: bool
    text: str = ""
    by: str = ""


class Person(Protocol):
    """A person who can decide."""

    async def ask(self, question: Question) -> PersonReply | None:
        """Ask and wait; None if nobody is available now. Silence is not consent."""
        ...


class Workspace(Protocol):
    """The folder that a run works in, the only one that it can reach."""

    @property
    def root(self) -> Path:
        """The canonical path of the folder."""
        ...

    def canonical(self, path: str) -> str | Failure:
        """Return `path` relative to the root, with links and `..` resolved; a failure if it leads outside."""
        ...

    def has(self, path: str) -> bool:
        """Whether there is a file or folder at `path`, which is canonical."""
        ...

    def listing(self, most: int) -> tuple[str, ...]:
        """Return the paths of at most `most` files, by name, without hidden ones and what belongs to the runtime."""
        ...


class CommandResult(Struct, frozen=True, kw_only=True):
    """How a sandboxed command ended. `is_timeout`: it was stopped. `is_cut`: its output was truncated."""

    exit_code: int
    output: str
    is_timeout: bool = False
    is_cut: bool = False


class Sandbox(Protocol):
    """Runs commands in isolation. The level is found by running a probe, never inferred from a version."""

    @property
    def level(self) -> SandboxLevel:
        """How well it isolates commands."""
        ...

    async def run(self, argv: tuple[str, ...], *, timeout_s: float) -> CommandResult | Failure:
        """Run a command in the workspace: no network, no host environment, nothing else writable."""
        ...
