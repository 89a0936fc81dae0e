"""The harm meter sees what the runtime does to right calls, and the runtime does nothing to those of our own jobs."""

import pytest
from msgspec.structs import replace

from bench.harm_parts.driving import measure
from bench.harm_parts.jobs import STYLES, Job, Style
from bench.harm_parts.own import load_jobs

JOBS = {job.name: job for job in load_jobs()}


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("job", JOBS.values(), ids=JOBS)
def test_no_right_call_is_refused_delayed_or_changed(job: Job, style: Style) -> None:
    row = measure(job, style)
    assert (row.is_done, row.objections, row.changed, row.extra_calls) == (True, [], 0, 0), row.ended


def test_a_call_that_the_runtime_refuses_is_counted_with_its_rule() -> None:
    job = JOBS["weather"]
    wrong = replace(job.calls[0], arguments={"city": "Oslo", "days": "a week"})
    row = measure(replace(job, calls=(wrong, *job.calls[1:])), "sentence")
    assert (row.is_done, row.made) == (False, 0)
    assert {one.kind for one in row.objections} == {"invalid_arguments"}
    assert row.objections[-1].is_final
