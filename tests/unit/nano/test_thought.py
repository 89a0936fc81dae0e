"""A thought before a call: all of it stands in the prompt, and it stands in no prompt itself."""

import json
import random
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from nano import corpus, render, thought
from nano.environment import Environment
from nano.language import make_job

SEEDS = st.integers(min_value=0, max_value=2**32)


def said_after_a_thought(parts: list[thought.Segment]) -> list[tuple[str, str, str]]:
    """Prompt, thought and answer of each answer that a thought precedes."""
    found, prompt = [], ""
    for text, is_said in parts:
        if is_said and prompt.endswith(thought.OPENER):
            before, _, answer = text.partition(thought.CLOSER)
            found.append((prompt, before, answer))
        prompt += text
    return found


@given(seed=SEEDS)
def test_everything_in_a_thought_can_be_read_off_the_prompt_and_the_call_off_the_thought(seed: int) -> None:
    job = make_job(random.Random(seed), 5)
    ((prompt, said, answer),) = said_after_a_thought(
        render.transcript(random.Random(seed), job, busy_rate=0.0, thoughts=1.0)
    )
    first, *values = said.splitlines()
    if said == thought.NO_STEP_LEFT:
        assert answer.startswith(render.DONE)
        return
    number, words = first.removeprefix("step ").split(": ", 1)
    assert f"{number}. {words}" in prompt
    call = json.loads(answer.removeprefix("<tool_call>\n").removesuffix(f"\n</tool_call>{render.END}"))
    assert values[0] == call["name"]
    for line, (name, value) in zip(values[1:], call["arguments"].items(), strict=True):
        spoken = value if isinstance(value, str) else json.dumps(value)
        assert line.startswith(f"{name} {spoken} ")
        origin = line.removeprefix(f"{name} {spoken} ")
        assert spoken in (words if origin == "said" else prompt)


@given(seed=SEEDS)
def test_no_thought_stands_in_the_prompt_of_a_later_answer_of_a_conversation(seed: int) -> None:
    rng = random.Random(seed)
    parts = render.transcript(rng, make_job(rng, 6), thoughts=1.0)
    assert [thought.CLOSER in text for text, is_said in parts if is_said][-1]
    assert sum(thought.CLOSER in text for text, _ in parts) == 1


@given(seed=SEEDS)
def test_the_opening_tag_is_given_and_never_said(seed: int) -> None:
    parts = corpus.segments(random.Random(seed), 1.0, thoughts=1.0)
    assert not any(thought.OPENER in text for text, is_said in parts if is_said)
    assert not any(a and b for (_, a), (_, b) in pairwise(parts))


@given(seed=SEEDS)
def test_without_thoughts_the_samples_are_those_that_they_were(seed: int) -> None:
    parts = corpus.segments(random.Random(seed), 1.0)
    assert parts == corpus.segments(random.Random(seed), 1.0, thoughts=0.0)
    assert not any(thought.OPENER in text for text, _ in parts)


def test_a_value_that_the_step_only_refers_to_comes_from_the_step_that_made_it() -> None:
    origins = set()
    for seed in range(60):
        job = make_job(random.Random(seed), 4)
        world = Environment(job, random.Random(seed), 0.0)
        while not world.is_complete:
            lines = thought.of_call(world, job.steps[world.done].text).splitlines()[2:]
            origins |= {line.rsplit(" ", 2)[1] for line in lines if not line.endswith(" said")}
            world.execute(*world.expected())
    assert origins == {"step"}
