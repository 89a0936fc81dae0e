"""A short thought before a call, made by code from the job: what a model that reasons first would say.

It names the step that is due, repeats its words, names the tool, and says of every value where it comes
from. Invariants: all of it can be read off the prompt; a thought is never in the prompt of a later answer;
its opening tag is given, never said, so that one network knows both ways of answering.
"""

import random
from collections.abc import Sequence
from typing import Final, TypeAlias

from nano.environment import Environment
from nano.language import Reference
from nano.wording import as_json

Segment: TypeAlias = tuple[str, bool]
"""A piece of a conversation, and whether the model is to learn to say it."""

OPENER: Final = "<think>\n"
CLOSER: Final = "\n</think>\n\n"
"""Source: the chat template of Qwen3."""

NO_STEP_LEFT: Final = "no step is left"
NO_CALL: Final = "words, no call"


def of_call(world: Environment, words: str) -> str:
    """Return the thought before the call that is due; `words` are the step's as they are shown.

    A value that the words only refer to comes from the step whose result it is.
    """
    step, (tool, due) = world.job.steps[world.done], world.expected()
    lines = [f"step {world.done + 1}: {words}", tool]
    for name, argument in step.arguments:
        value = due[name]
        spoken = value if isinstance(value, str) else as_json(value)
        is_referred = isinstance(argument, Reference) and spoken not in words
        origin = f"step {argument.step}" if isinstance(argument, Reference) and is_referred else "said"
        lines.append(f"{name} {spoken} {origin}")
    return "\n".join(lines)


def of_words(number: int, words: str) -> str:
    """Return the thought before an answer in words that a step asks for."""
    return f"step {number}: {words}\n{NO_CALL}"


def is_drawn(rng: random.Random, share: float) -> bool:
    """Whether a thought comes first; draws nothing where none ever does."""
    return share > 0 and rng.random() < share


def answered(before: str, answer: str, thought: str) -> list[Segment]:
    """Return the end of a prompt and what is said to it, after `thought` unless that is empty."""
    if not thought:
        return [(before, False), (answer, True)]
    return [(before + OPENER, False), (thought + CLOSER + answer, True)]


def up_to_one(rng: random.Random, segments: Sequence[Segment], thoughts: Sequence[str]) -> list[Segment]:
    """Return a conversation up to one of its answers, which its thought precedes; the others have none.

    `thoughts` are those of all answers, in order.
    """
    chosen = rng.randrange(len(thoughts))
    place = [at for at, (_, is_said) in enumerate(segments) if is_said][chosen]
    (before, _), (answer, _) = segments[place - 1], segments[place]
    return [*segments[: place - 1], *answered(before, answer, thoughts[chosen])]
