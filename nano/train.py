"""Trains the nano model on one core, and leaves a usable GGUF file at every checkpoint.

    python -m nano.train --out src/nebulus/data/nano.gguf --minutes 50

Invariants: the time given rules everything (learning rate, curriculum), so a short rehearsal goes through every
phase; only what the model says is learned; a checkpoint is a whole GGUF file, put in place at once.
"""

import argparse
import math
import random
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from nano import corpus, export, tokens
from nano.network import Network
from nano.shape import Shape

COPY_RATE: Final = 3e-3
TASK_RATE: Final = 1.5e-3
"""Twice as much is noise: from the same weights, plain jobs stayed at a loss of 0.13 at 3e-3 and fell to 0.03 at 1e-3."""
LAST_RATE_SHARE: Final = 0.03
WARM_UP_STEPS: Final = 100
COPY_PHASE: Final = 0.08
"""Share of the training that is copying of random tokens alone; without it no copying is learned."""
COPY_UNTIL: Final = 0.6
COPY_EVERY: Final = 10
CHECKPOINT_S: Final = 180.0
REPORT_STEPS: Final = 100


@dataclass(slots=True)
class Log:
    """Means of the losses since the last report."""

    copy: list[float] = field(default_factory=list)
    task: list[float] = field(default_factory=list)
    seen_tokens: int = 0

    def line(self, *, elapsed_s: float, step: int, rate: float) -> str:
        """Return one line of the report, and reset the means."""
        means = [f"{sum(v) / len(v):.4f}" if v else "-" for v in (self.task, self.copy)]
        self.copy, self.task = [], []
        speed = self.seen_tokens / elapsed_s
        seen = self.seen_tokens / 1e6
        return f"{elapsed_s:6.0f}s step {step} {seen:.2f}M task {means[0]} copy {means[1]} lr {rate:.5f} {speed:.0f} tok/s"


def copy_batch(rng: random.Random, n_plain: int, *, longest: int, is_hard: bool) -> tuple[Tensor, Tensor]:
    """Return random tokens said twice; the second time is to be learned.

    The hard kind draws from few tokens, so that the last token alone does not tell where one is.
    """
    length = rng.randint(10, longest)
    first = torch.randint(0, n_plain, (2048 // (2 * length), length))
    if is_hard:
        alphabet = torch.randint(0, n_plain, (rng.randint(10, 60),))
        first = alphabet[first % len(alphabet)]
    ids = torch.cat([first, first], 1)
    wanted = torch.zeros_like(ids, dtype=torch.bool)
    wanted[:, length + 1 :] = True
    return ids, wanted


def task_batch(samples: list[corpus.Sample]) -> tuple[Tensor, Tensor]:
    """Return padded token ids and which of them are to be learned."""
    width = max(len(ids) for ids, _ in samples)
    ids = torch.zeros(len(samples), width, dtype=torch.long)
    wanted = torch.zeros(len(samples), width, dtype=torch.bool)
    for row, (known, said) in enumerate(samples):
        ids[row, : len(known)] = torch.tensor(known)
        wanted[row, : len(known)] = torch.tensor(said)
    return ids, wanted


def rate_at(progress: float, step: int, copy_phase: float = COPY_PHASE) -> float:
    """Return the learning rate: linear warm-up by steps, even while copying, then a cosine over the time left."""
    warm_up = min(1.0, (step + 1) / WARM_UP_STEPS)
    if progress < copy_phase:
        return COPY_RATE * warm_up
    cosine = 0.5 * (1 + math.cos(math.pi * (progress - copy_phase) / (1 - copy_phase)))
    return TASK_RATE * warm_up * (LAST_RATE_SHARE + (1 - LAST_RATE_SHARE) * cosine)


@dataclass(slots=True)
class Trainer:
    """One training: the network, its optimizer, its samples and its clock."""

    network: Network
    optimizer: torch.optim.Optimizer
    stream: corpus.Stream
    out: Path
    seconds: float
    rng: random.Random
    n_plain: int
    weights_out: Path | None = None
    copy_phase: float = COPY_PHASE
    begins_at: float = 0.0
    ends_at: float = 1.0
    log: Log = field(default_factory=Log)

    def batch(self, progress: float, step: int) -> tuple[Tensor, Tensor, bool]:
        """Return token ids, what to learn of them, and whether it is a copy batch."""
        if progress < self.copy_phase:
            return *copy_batch(self.rng, self.n_plain, longest=48, is_hard=False), True
        if progress < COPY_UNTIL and step % COPY_EVERY == 0:
            return *copy_batch(self.rng, self.n_plain, longest=128, is_hard=self.rng.random() < 0.5), True
        return *task_batch(self.stream.take((progress - self.copy_phase) / (1 - self.copy_phase))), False

    def learn(self, ids: Tensor, wanted: Tensor) -> float:
        """Take one step; return the loss in nats a token."""
        with torch.autocast("cpu", torch.bfloat16):
            logits = self.network(ids[:, :-1], wanted[:, 1:])
        loss = functional.cross_entropy(logits.float(), ids[:, 1:][wanted[:, 1:]])
        loss.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return loss.item()

    def run(self) -> None:
        """Train until the time is up, with a checkpoint every few minutes and at the end."""
        start = time.monotonic()
        step, saved = 0, start
        while (elapsed := time.monotonic() - start) < self.seconds:
            progress = self.begins_at + (self.ends_at - self.begins_at) * elapsed / self.seconds
            rate = rate_at(progress, step, self.copy_phase)
            for group in self.optimizer.param_groups:
                group["lr"] = rate
            ids, wanted, is_copy = self.batch(progress, step)
            (self.log.copy if is_copy else self.log.task).append(self.learn(ids, wanted))
            self.log.seen_tokens += ids.numel()
            step += 1
            if step % REPORT_STEPS == 0:
                print(self.log.line(elapsed_s=time.monotonic() - start, step=step, rate=rate), flush=True)
            if time.monotonic() - saved > CHECKPOINT_S:
                self.save()
                saved = time.monotonic()
        self.save()
        print(
            f"done: {step} steps, {self.log.seen_tokens} tokens, {self.out.stat().st_size} bytes", flush=True
        )

    def save(self) -> None:
        """Write the GGUF file, and the weights for torch where that was asked for."""
        network = self.network
        export.write(
            self.out, network.shape, network.weights(), name="nebulus-nano", vocabulary=tokens.STORED
        )
        if self.weights_out:
            torch.save(network.state_dict(), self.weights_out)


def stored_weights(path: Path) -> dict[str, Tensor]:
    """Return the weights of a GGUF file, rounded as they were stored, or those that `--weights` kept."""
    if path.suffix != ".gguf":
        kept: dict[str, Tensor] = torch.load(path, weights_only=True)
        return kept
    import gguf

    return {
        tensor.name: torch.tensor(tensor.data, dtype=torch.float32)
        for tensor in gguf.GGUFReader(path).tensors
    }


def main() -> None:
    """Train the nano model."""
    parser = argparse.ArgumentParser(prog="python -m nano.train", description=main.__doc__)
    parser.add_argument("--out", type=Path, required=True, help="the GGUF file to write")
    parser.add_argument("--weights", type=Path, help="also keep the weights for torch in this file")
    parser.add_argument("--start", type=Path, help="begin with these weights, or with this GGUF file's")
    parser.add_argument(
        "--at", type=float, default=0.0, help="with --start: the progress, from 0 to 1, at which to go on"
    )
    parser.add_argument(
        "--until", type=float, default=1.0, help="stop at this progress; `--start` and `--at` go on from it"
    )
    parser.add_argument(
        "--thoughts",
        type=float,
        default=0.0,
        help="the share of samples, from 0 to 1, in which a thought comes before the call (the card's file: 0)",
    )
    parser.add_argument("--minutes", type=float, default=50.0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--layers", type=int, default=Shape(n_vocab=0).n_layer)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    shape = Shape(n_vocab=export.stored_vocabulary_size(), n_layer=options.layers)
    network = Network(shape, corpus.LONGEST_TOKENS + 1)
    print(f"{shape.parameter_count()} parameters, {shape.n_vocab} tokens", flush=True)
    stream = corpus.Stream.start(options.seed, thoughts=options.thoughts)
    optimizer = torch.optim.AdamW(network.parameters(), lr=TASK_RATE, betas=(0.9, 0.98), weight_decay=0.05)
    n_plain = shape.n_vocab - len(tokens.SPECIALS)
    rng = random.Random(options.seed)
    trainer = Trainer(
        network, optimizer, stream, options.out, options.minutes * 60, rng, n_plain, options.weights
    )
    if options.start:
        network.load_state_dict(stored_weights(options.start))
        trainer.copy_phase, trainer.begins_at = 0.0, options.at
    trainer.ends_at = options.until
    trainer.run()
    stream.stop()


if __name__ == "__main__":
    main()
