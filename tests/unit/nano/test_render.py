"""The two renderings of a job, and the samples made of them."""

import json
import random
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from nano import corpus, render
from nano.environment import Environment
from nano.language import Reference, make_job
from nebulus.memory import distil

SEEDS = st.integers(min_value=0, max_value=2**32)


@given(seed=SEEDS)
def test_what_is_to_be_said_in_a_transcript_is_a_call_of_an_offered_tool_or_done(seed: int) -> None:
    job = make_job(random.Random(seed), 4)
    said = [
        text.removesuffix(render.END)
        for text, is_said in render.transcript(random.Random(seed), job)
        if is_said
    ]
    assert said[-1] == render.DONE
    names = {tool["function"]["name"] for tool in job.tools}
    for text in said[:-1]:
        call = json.loads(text.removeprefix("<tool_call>\n").removesuffix("\n</tool_call>"))
        assert call["name"] in names


@given(seed=SEEDS)
def test_a_step_is_shown_with_its_references_resolved_and_unresolved_only_on_request(seed: int) -> None:
    job = make_job(random.Random(seed), 5)
    world = Environment(job, random.Random(seed), 0.0)
    state = distil.with_active(render.fresh_state(job), 1)
    while world.done < 4:
        tool, arguments = world.expected()
        state = render.advance(state, tool, world.execute(tool, arguments))
    needed = {a for _, a in job.steps[4].arguments if isinstance(a, Reference)}
    resolved, raw = render.step_text(state), render.unresolved_step_text(state, world.results)
    assert raw.endswith(f"Now: step 5. {job.steps[4].text}")
    for reference in needed:
        value = str(world.results[reference.step][reference.field])
        assert value in resolved.rsplit("Now: ", 1)[1]
        assert len(needed) > 3 or value in raw.rsplit("Now: ", 1)[0]
    assert bool(needed) == (resolved != raw)


@given(seed=SEEDS)
def test_every_sample_has_something_to_learn_and_alternates(seed: int) -> None:
    parts = corpus.segments(random.Random(seed), random.Random(seed).random())
    assert any(is_said for _, is_said in parts)
    assert not any(a and b for (_, a), (_, b) in pairwise(parts))
