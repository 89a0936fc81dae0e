"""The language of the nano model: what its jobs promise, and what training never sees."""

import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nano import lexicon, wording
from nano.environment import BUSY, Environment
from nano.language import REFERENCES, Job, Reference, file_job, make_job, resolve, spoken
from nano.lexicon import Split
from nebulus.loop.runbook import read_runbook
from nebulus.memory.references import mentioned_steps

SEEDS = st.integers(min_value=0, max_value=2**32)
SPLITS: list[Split] = ["train", "held_out"]


def finished(job: Job, seed: int, busy_rate: float = 0.0) -> Environment:
    world = Environment(job, random.Random(seed), busy_rate)
    while not world.is_complete:
        world.execute(*world.expected())
    return world


@given(seed=SEEDS, depth=st.integers(1, 12), split=st.sampled_from(SPLITS))
def test_the_same_random_state_makes_the_same_job(seed: int, depth: int, split: Split) -> None:
    assert make_job(random.Random(seed), depth, split) == make_job(random.Random(seed), depth, split)


@given(seed=SEEDS, split=st.sampled_from(SPLITS))
def test_every_value_stands_in_its_step_or_is_a_reference_that_the_text_names(
    seed: int, split: Split
) -> None:
    job = make_job(random.Random(seed), 6, split)
    for step in job.steps:
        for _, argument in step.arguments:
            if isinstance(argument, Reference):
                assert argument.step in mentioned_steps(step.text)
            else:
                assert spoken(argument) in step.text


@given(seed=SEEDS, split=st.sampled_from(SPLITS))
def test_after_references_are_resolved_every_due_value_stands_in_the_text(seed: int, split: Split) -> None:
    job = make_job(random.Random(seed), 6, split)
    world = Environment(job, random.Random(seed), 0.0)
    while not world.is_complete:
        text = resolve(job.steps[world.done].text, world.results)
        tool, arguments = world.expected()
        assert all(spoken(value) in text for value in arguments.values())
        world.execute(tool, arguments)


@given(seed=SEEDS, split=st.sampled_from(SPLITS))
def test_the_due_calls_are_valid_complete_and_clean(seed: int, split: Split) -> None:
    world = finished(make_job(random.Random(seed), 8, split), seed)
    assert (world.is_complete, world.is_clean, world.rejected, world.calls) == (True, True, 0, 8)


@given(seed=SEEDS)
def test_a_runbook_reader_finds_the_steps_and_the_constraints_in_the_goal(seed: int) -> None:
    job = make_job(random.Random(seed), 5)
    goal, plan = read_runbook(job.goal)
    assert tuple(step.text for step in plan.steps) == tuple(step.text for step in job.steps)
    assert goal.constraints == job.constraints


@given(seed=SEEDS)
def test_training_never_draws_a_built_in_name_or_a_held_out_part(seed: int) -> None:
    job = make_job(random.Random(seed), 3, "train")
    names = [tool["function"]["name"] for tool in job.tools]
    assert not set(names) & lexicon.BUILT_IN_TOOLS
    words = " ".join(names).replace("_", " ").replace("-", " ").split()
    singular = {word.removesuffix("s") for word in words}
    held_out = {w for w in (*lexicon.VERBS, *lexicon.NOUNS) if lexicon.is_held_out(w)}
    assert not (set(words) | singular) & held_out


@given(seed=SEEDS)
def test_every_held_out_name_has_a_part_that_training_never_sees(seed: int) -> None:
    held_out = {w for w in (*lexicon.VERBS, *lexicon.NOUNS, *lexicon.ADJECTIVES) if lexicon.is_held_out(w)}
    parts = (*held_out, *lexicon.HELD_OUT_SYLLABLES)
    for tool in make_job(random.Random(seed), 1, "held_out").tools:
        assert any(part in tool["function"]["name"].lower() for part in parts)


def test_no_held_out_frame_syntax_verb_or_connector_is_trained_on() -> None:
    for table in (wording.FRAMES, wording.SYNTAXES, wording.VERBS, wording.CONNECTORS, wording.OPENERS):
        assert not set(table["train"]) & set(table["held_out"])
    assert wording.template_count() >= 150


@given(seed=SEEDS, split=st.sampled_from(SPLITS))
def test_the_names_of_the_tool_and_of_every_argument_stand_in_the_step(seed: int, split: Split) -> None:
    for step in make_job(random.Random(seed), 5, split).steps:
        assert step.tool.lower() in step.text.lower()
        assert all(name in step.text for name, _ in step.arguments)


def test_the_runtime_and_the_language_agree_on_what_a_reference_is() -> None:
    for form in (*REFERENCES["result"], *REFERENCES["other"]):
        text = f"use kumi with path {form.format(n=3, f='key')}"
        assert mentioned_steps(text) == {3}
        assert resolve(text, {3: {"result": "bako7", "key": "bako7"}}).endswith("path bako7")


def test_a_file_job_offers_the_built_in_names() -> None:
    names = {tool["function"]["name"] for tool in file_job(random.Random(1), 2, wordings="train").tools}
    assert names <= lexicon.BUILT_IN_TOOLS


def test_a_wrong_but_valid_call_has_an_effect_and_cannot_be_made_good() -> None:
    job = next(
        job
        for job in (make_job(random.Random(n), 2) for n in range(200))
        if _has_free_text(job.steps[0].arguments)
    )
    world = Environment(job, random.Random(0), 0.0)
    tool, arguments = world.expected()
    name = next(key for key, value in job.steps[0].arguments if _is_free_text(job, tool, key, value))
    assert "error" not in json.loads(world.execute(tool, arguments | {name: "something else"}))
    finished_after = world.expected()
    world.execute(*finished_after)
    assert (world.wrong, world.is_clean, world.done) == (1, False, 1)


def _has_free_text(arguments: tuple[tuple[str, object], ...]) -> bool:
    return any(isinstance(value, str) for _, value in arguments)


def _is_free_text(job: Job, tool: str, key: str, value: object) -> bool:
    shape = next(t["function"]["parameters"] for t in job.tools if t["function"]["name"] == tool)
    return isinstance(value, str) and "enum" not in shape["properties"][key]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda tool, args: ("no_such_tool", args), "unknown_tool"),
        (lambda tool, args: (tool, args | {"extra": 1}), "no argument extra"),
        (lambda tool, args: (tool, {key: [value] for key, value in args.items()}), "must be of type"),
    ],
)
def test_a_call_that_does_not_validate_is_an_error_without_effect(change, said) -> None:  # type: ignore[no-untyped-def]
    job = next(job for job in (make_job(random.Random(n), 1) for n in range(99)) if job.steps[0].arguments)
    world = Environment(job, random.Random(0), 0.0)
    assert said in json.loads(world.execute(*change(*world.expected())))["error"]
    assert (world.rejected, world.wrong, world.done) == (1, 0, 0)


def test_a_busy_world_changes_nothing_and_the_same_call_is_due_again() -> None:
    world = Environment(make_job(random.Random(3), 1), random.Random(0), 1.0)
    due = world.expected()
    assert world.execute(*due) == BUSY
    assert (world.expected(), world.done, world.is_clean) == (due, 0, True)


def test_a_truth_value_is_no_number() -> None:
    jobs = (make_job(random.Random(n), 1) for n in range(500))
    job = next(job for job in jobs if any(value is True for _, value in job.steps[0].arguments))
    world = Environment(job, random.Random(0), 0.0)
    tool, arguments = world.expected()
    as_numbers = {key: 1 if value is True else value for key, value in arguments.items()}
    assert not world.is_expected(tool, as_numbers)
