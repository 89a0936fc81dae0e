"""The jobs of the depth curve: their right end is reachable, and nothing else passes for it."""

import argparse
from pathlib import Path

import pytest

from bench.real_depth import CURVE, cells, line, measure_jobs, write
from bench.real_parts.goal import Ended
from bench.real_parts.jobs import WORDINGS, Job, make_job
from bench.real_parts.measuring import Arm
from bench.real_parts.records import Records
from bench.real_parts.solutions import perform
from bench.real_parts.workspace import files_of, workspace_of
from nebulus.loop.runbook import read_runbook
from nebulus.testing.backends import ScriptedBackend, calls

JOBS = [make_job(depth, seed) for depth in (1, 2, 4, 8, 16) for seed in range(3)]
ALL = pytest.mark.parametrize(
    "job", JOBS, ids=[f"{job.depth}/{number % 3}" for number, job in enumerate(JOBS)]
)
DONE = Ended(how="done", proof="claimed")


@ALL
async def test_the_right_calls_lead_to_the_right_files_and_never_count_as_damage(job: Job) -> None:
    with workspace_of(job.files) as root:
        damage: list[str] = []
        await perform(job.calls, root, after_each=lambda: damage.append(job.damage(files_of(root))))
        assert set(damage) == {""}
        assert job.judge(files_of(root), DONE).name == "right"


@ALL
def test_untouched_files_and_any_other_change_are_wrong(job: Job) -> None:
    assert job.judge(job.files, DONE).name == "wrong"
    assert job.judge({**job.expected, "extra.txt": "mine"}, DONE).damage
    for path in job.expected:
        damaged = {**job.expected, path: f"{job.expected[path]}!"}
        assert job.judge(damaged, DONE).name == "wrong"
        assert job.damage(damaged)


@ALL
def test_a_job_is_a_runbook_of_its_depth(job: Job) -> None:
    _, plan = read_runbook(job.text)
    assert len(plan.steps) == job.depth


def test_a_job_is_the_same_each_time_and_jobs_differ() -> None:
    assert make_job(4, 1) == make_job(4, 1)
    assert len({make_job(1, seed).text for seed in range(30)}) == 30


def test_every_kind_of_line_and_most_wordings_occur() -> None:
    text = "\n".join(make_job(16, seed).text for seed in range(12))
    beginnings = [wording.split("{")[0] for some in WORDINGS.values() for wording in some]
    assert all(beginning in text for beginning in beginnings)
    assert all(len(set(some)) >= 3 for some in WORDINGS.values())


async def test_a_plain_loop_with_a_model_that_makes_the_right_calls_is_right(tmp_path: Path) -> None:
    loops: tuple[Arm, ...] = ("loop", "loop-constrained")
    given = argparse.Namespace(jobs=1, depths=[1, 2], arms=loops, seconds=20.0, tokens=20_000, journals=None)
    due = [each for depth in given.depths for _ in loops for each in make_job(depth, 0).calls]
    model = ScriptedBackend([calls(each.tool, **each.arguments) for each in due])
    records = Records(tmp_path / "depth.jsonl")
    await measure_jobs("scripted.gguf", model, given, records=records)
    assert [(row.arm, row.item, row.verdict, row.why) for row in records.rows] == [
        (arm, f"{depth}/0", "right", "") for depth in (1, 2) for arm in loops
    ]
    found = cells(records.rows)
    assert [(cell["arm"], cell["depth"]) for cell in found] == [
        (arm, depth) for arm in loops for depth in (1, 2)
    ]
    assert line(found[0]).startswith("| scripted | loop | 1 | 1/1 | 0.21-1.00 |")


def test_the_documents_are_written(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    file = tmp_path / "depth.jsonl"
    row = '{"model": "m", "arm": "%s", "item": "%d/0", "kind": "%d", "verdict": "right"}\n'
    file.write_text("".join(row % (arm, depth, depth) for arm in CURVE for depth in (1, 2)))
    write(Records(file, resumes=True).rows, tmp_path)
    assert (tmp_path / "real_depth.svg").read_text().startswith("<?xml")
    assert len((tmp_path / "real_depth.md").read_text().splitlines()) == 8
