"""Training samples: encoded conversations, packed by length into batches, made during the training.

Invariants: only the train split is drawn; a sample is never cut (one that is too long is dropped); the same seed
gives the same stream of samples for the same course of progress.
"""

import queue
import random
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import Process, Queue, Value
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from nano import primer, render, tokens
from nano.language import Job, make_job
from nano.thought import Segment

if TYPE_CHECKING:
    from tokenizers import Tokenizer

Sample: TypeAlias = tuple[list[int], list[bool]]
"""Token ids, and for each whether the model is to learn to say it."""

LONGEST_TOKENS: Final = 1280
BATCH_TOKENS: Final = 4096
TRANSCRIPT_SHARE: Final = 0.35
NARROW_SHARE: Final = 0.2
"""The share of steps that are asked again after a call that did not match their text."""
DEEPEST_TRANSCRIPT: Final = 8
DEEPEST_PLAN: Final = 24
"""Steps of a plan whose single steps are trained on; the step form does not grow with it."""
POOL: Final = 192


def segments(rng: random.Random, progress: float, thoughts: float = 0.0) -> list[Segment]:
    """Return one sample; plain jobs, few tools and short plans first, all of the language from half on.

    `thoughts` is the share of the samples in which a thought comes before the call.
    """
    is_plain = rng.random() < primer.share(progress)
    most_tools = max(2, min(5, int(2 + progress * 12)))

    def job(depth: int) -> Job:
        return primer.primer_job(rng, depth) if is_plain else make_job(rng, depth, most_tools=most_tools)

    if rng.random() < TRANSCRIPT_SHARE:
        deepest = max(1, min(DEEPEST_TRANSCRIPT, int(1 + progress * 2 * DEEPEST_TRANSCRIPT)))
        return render.transcript(rng, job(rng.randint(1, deepest)), thoughts=thoughts)
    depth = rng.choice((1, rng.randint(1, 8), rng.randint(1, DEEPEST_PLAN)))
    if rng.random() < NARROW_SHARE:
        return render.narrow_step(rng, job(depth), thoughts=thoughts)
    turns = 1 if rng.random() < 0.4 else rng.randint(2, 3)
    return render.steps(rng, job(depth), turns=turns, thoughts=thoughts)


def encode(tokenizer: "Tokenizer", parts: list[Segment]) -> Sample:
    """Return a sample as tokens."""
    ids: list[int] = []
    mask: list[bool] = []
    for text, is_said in parts:
        piece = tokenizer.encode(text, add_special_tokens=False).ids
        ids += piece
        mask += [is_said] * len(piece)
    return ids, mask


def batches(
    rng: random.Random, tokenizer: "Tokenizer", progress: float, *, thoughts: float = 0.0
) -> list[list[Sample]]:
    """Return a shuffled pool of samples as batches of like length, each at most `BATCH_TOKENS` when padded."""
    pool = [encode(tokenizer, segments(rng, progress, thoughts)) for _ in range(POOL)]
    pool = sorted((s for s in pool if len(s[0]) <= LONGEST_TOKENS), key=lambda s: len(s[0]))
    packed: list[list[Sample]] = []
    start = 0
    while start < len(pool):
        end = start + 1
        while end < len(pool) and len(pool[end][0]) * (end - start + 1) <= BATCH_TOKENS:
            end += 1
        packed.append(pool[start:end])
        start = end
    rng.shuffle(packed)
    return packed


@dataclass(slots=True)
class Stream:
    """A process that makes batches ahead of the training, so that the training never waits."""

    seed: int
    progress: Any
    ready: Any
    worker: Any

    @classmethod
    def start(cls, seed: int, *, thoughts: float = 0.0) -> "Stream":
        """Start the worker; `thoughts` is the share of samples in which a thought comes before the call."""
        progress: Any = Value("d", 0.0)
        ready: Any = Queue(maxsize=24)
        worker = Process(
            target=_produce, args=(seed, progress, ready), kwargs={"thoughts": thoughts}, daemon=True
        )
        worker.start()
        return cls(seed, progress, ready, worker)

    def take(self, progress: float) -> list[Sample]:
        """Return the next batch, and tell the worker how far the training is. Raises: RuntimeError if it died."""
        self.progress.value = progress
        while True:
            with suppress(queue.Empty):  # nothing yet: look whether the worker lives, and wait on
                batch: list[Sample] = self.ready.get(timeout=30)
                return batch
            if not self.worker.is_alive():
                raise RuntimeError("the process that makes the samples has died; its error is above")

    def stop(self) -> None:
        """End the worker."""
        self.worker.terminate()


def _produce(seed: int, progress: Any, ready: Any, *, thoughts: float) -> None:
    rng, tokenizer = random.Random(seed), tokens.encoder()
    while True:
        for batch in batches(rng, tokenizer, progress.value, thoughts=thoughts):
            ready.put(batch)


def texts(seed: int, count: int) -> Iterator[str]:
    """Return raw text of `count` samples, without control tokens, for learning a vocabulary."""
    rng = random.Random(seed)
    for number in range(count):
        text = "".join(part for part, _ in segments(rng, number / count))
        for special in tokens.SPECIALS:
            text = text.replace(special, "\n")
        yield text
