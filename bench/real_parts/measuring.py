"""One run of one arm on one workspace, measured and judged."""

import subprocess
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, Literal, TypeAlias

import msgspec
from msgspec import Struct

from bench.real_parts.arms import Mode, Task, Track, run_nebulus
from bench.real_parts.goal import Ended, Files, Verdict, shown
from bench.real_parts.loop import run_loop
from bench.real_parts.records import Row
from bench.real_parts.serving import MeteredBackend
from bench.real_parts.workspace import changes, files_of, workspace_of
from nebulus.adapters.backends.sampled import SampledBackend
from nebulus.adapters.backends.settings import ToolForm
from nebulus.app.settings import tier_name
from nebulus.ports.backend import ModelBackend

Arm: TypeAlias = Literal["nebulus", "loop", "loop-constrained"]
ARMS: tuple[Arm, ...] = ("nebulus", "loop", "loop-constrained")


class Plan(Struct, frozen=True, kw_only=True):
    """How every run of a measurement is made."""

    model: str
    arm: Arm
    mode: Mode = "default"
    seconds: float = 300.0
    tokens: int = 100_000
    turns: int = 40
    journals: Path | None = None
    tool_form: ToolForm = "auto"
    sample: int = 0
    """Which of several tries this is, as `votes` would make them."""
    votes: int = 1

    @property
    def arm_name(self) -> str:
        """The arm with its mode, as tables show it."""
        mode = self.mode if self.mode != "default" and self.arm == "nebulus" else ""
        form = self.tool_form if self.tool_form != "auto" else ""
        sample = f"sample {self.sample}" if self.sample else ""
        votes = f"votes {self.votes}" if self.votes > 1 else ""
        return " ".join(filter(None, (self.arm, mode, form, sample, votes)))


class Work(Struct, frozen=True, kw_only=True):
    """One thing to do: its text and files, and who judges the end."""

    item: str
    kind: str
    text: str
    files: Files
    judge: Callable[[Files, Ended], Verdict]
    result: Any = None
    is_complete: Callable[[Files], bool] | None = None
    """Ends a plain loop as soon as this is true of the files; None lets the model end it."""


async def measure(work: Work, plan: Plan, inner: ModelBackend) -> Row:
    """Do one thing by one arm in a fresh workspace, and return what came of it."""
    sampled = SampledBackend(inner, tier="", sample=plan.sample, heard=[])
    backend, track = MeteredBackend(sampled), Track(began=time.perf_counter())
    with workspace_of(work.files) as root:
        name = f"{tier_name(plan.model)}-{plan.arm_name}-{work.item}.jsonl".replace("/", "-").replace(
            " ", "-"
        )
        task = Task(
            text=work.text,
            root=root,
            model=plan.model,
            result=work.result,
            seconds=plan.seconds,
            tokens=plan.tokens,
            turns=plan.turns,
            mode=plan.mode,
            votes=plan.votes,
            journal=plan.journals / name if plan.journals else None,
        )
        try:
            ended = await _run(work, task, plan, backend=backend, track=track)
        except Exception as error:  # noqa: BLE001 - a run that breaks is a result, and the measurement goes on
            ended = Ended(how="crashed", failure=type(error).__name__, text=shown(error))
        seconds = time.perf_counter() - track.began
        after = files_of(root)
        verdict = work.judge(after, ended)
    return Row(
        model=tier_name(plan.model),
        arm=plan.arm_name,
        item=work.item,
        kind=work.kind,
        verdict=verdict.name,
        why=verdict.why[:400],
        is_work_right=verdict.is_work_right,
        damage=verdict.damage,
        how=ended.how,
        failure=ended.failure,
        proof=ended.proof,
        said=str(ended.answer if ended.answer is not None else ended.text)[:400],
        answers=backend.cost.answers,
        prompt_tokens=backend.cost.prompt_tokens,
        evaluated_tokens=backend.cost.evaluated_tokens,
        answer_tokens=backend.cost.answer_tokens,
        seconds=round(seconds, 2),
        first_success_s=None if track.first_success_s is None else round(track.first_success_s, 2),
        approvals=track.approvals,
        failed_calls=track.failed_calls,
        calls=track.calls,
        answer=msgspec.to_builtins(ended.answer, enc_hook=str),
        changed=changes(work.files, after),
        version=commit(),
    )


async def _run(work: Work, task: Task, plan: Plan, *, backend: MeteredBackend, track: Track) -> Ended:
    if plan.arm == "nebulus":
        return await run_nebulus(task, backend, track)
    complete = work.is_complete
    return await run_loop(
        task,
        backend,
        track,
        is_constrained=plan.arm == "loop-constrained",
        is_complete=(lambda: complete(files_of(task.root))) if complete else lambda: False,
    )


@cache
def commit() -> str:
    """Return the commit of this checkout, with + where files have changed since; "" outside of one."""
    try:
        said = subprocess.run(
            ["git", "describe", "--always", "--dirty=+"],
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return ""
    return said.stdout.strip()


def progress(row: Row, *, number: int, of: int) -> str:
    """Return one line about a run that has ended."""
    mark = {"right": "✓", "stopped": "■", "wrong": "✗"}[row.verdict]
    why = "" if row.verdict == "right" else f" - {shown(row.why)}"
    return (
        f"{mark} {number}/{of} {row.model} {row.arm} {row.item}: {row.verdict}, {row.answers} answers, "
        f"{row.prompt_tokens} prompt tokens ({row.evaluated_tokens} evaluated), {row.seconds:.0f} s{why}"
    )
