"""Does it pay to reason first? The same questions to the same weights, with a thought before the call and without.

The model must know both ways of answering. `nano.train --thoughts 0.5` makes such a file from the nano
model's: half of its samples have a short thought before the call, made by code from the job. A question is
the last step of a job that its training never saw, everything before it done right; shown as the whole
conversation (`raw`) or as the one step that the runtime shows (`nebulus`).

    python -m nano.train --start src/nebulus/data/nano.gguf --at 0.4 --thoughts 0.5 --minutes 22 --out both.gguf
    python bench/thinking.py both.gguf

Invariants: every mode meets the same questions, and the order of the modes turns from question to question, so
that none always finds the prompt in the server's cache; greedy decoding; a call is right when tool,
arguments and types are exactly the due ones, and valid when the reader takes it. *Gained* are questions that
are right only with the thought, *lost* those that are right only without it; *misled* are those of the lost
whose thought already lacks the due tool or a due value.
"""

import argparse
import asyncio
import json
import random
import time
from collections.abc import Iterator, Sequence
from typing import Any

from msgspec import Struct

from bench.ceiling_parts.report import SAID, wilson
from nano.evaluate import Question, step_question, transcript_question
from nano.language import make_job
from nano.lexicon import Split
from nebulus.adapters.backends.factory import open_backend
from nebulus.adapters.backends.settings import BackendSettings
from nebulus.calls import read
from nebulus.core.answers import Form, FreeForm, Message, ModelRequest, OneCall, RawCall
from nebulus.core.findings import Call
from nebulus.core.tools import ToolSpec
from nebulus.ports.backend import ModelBackend

DEPTHS = (1, 4, 8, 16)
WORDINGS: tuple[Split, ...] = ("train", "held_out")
SHOWN = {"raw": transcript_question, "nebulus": step_question}
MOST_TOKENS = 192
MODES: dict[str, tuple[Form, bool]] = {
    "free": (FreeForm(), False),
    "free after a thought": (FreeForm(), True),
    "constrained": (OneCall(), False),
    "constrained after a thought": (OneCall(), True),
}
HEADER = (
    "| wordings | shown | depth | mode | valid | right | 95 % interval | gained, lost (misled) by the thought "
    "| thought, answer tokens | thoughts cut | ms/answer |\n|---|---|--:|---|--:|--:|---|---|--:|--:|--:|"
)


class Said(Struct, frozen=True):
    """One answer: whether it was valid and right, its tokens and its time.

    `is_misled`: there was a thought, and the due tool or a due value does not stand in it.
    """

    is_valid: bool
    is_right: bool
    is_misled: bool
    thought_tokens: int
    answer_tokens: int
    is_cut: bool
    seconds: float


def request_for(question: Question, form: Form, *, reasoning_tokens: int) -> ModelRequest:
    """Return a question as the backend takes it, its tools closed against invented arguments."""
    tools = tuple(
        ToolSpec(
            name=tool["function"]["name"],
            description=tool["function"].get("description", ""),
            parameters=tool["function"]["parameters"] | {"additionalProperties": False},
        )
        for tool in question.tools
    )
    messages = tuple(
        Message(
            message["role"],
            message["content"],
            tuple(
                RawCall(call["function"]["name"], call["function"]["arguments"], call["id"])
                for call in message.get("tool_calls", ())
            ),
            message.get("tool_call_id", ""),
        )
        for message in question.messages
    )
    return ModelRequest(
        messages=messages, tools=tools, form=form, max_tokens=MOST_TOKENS, reasoning_tokens=reasoning_tokens
    )


async def ask(backend: ModelBackend, question: Question, mode: str, *, cap: int) -> Said:
    """Ask once in one mode, and judge the answer."""
    form, is_thoughtful = MODES[mode]
    request = request_for(question, form, reasoning_tokens=cap if is_thoughtful else 0)
    began = time.perf_counter()
    answer = await backend.answer(request)
    seconds = time.perf_counter() - began
    calls = read(answer, request.tools, cap_tokens=request.most_tokens).calls
    usage = answer.usage
    return Said(
        is_valid=bool(calls),
        is_right=_is_due(calls, question),
        is_misled=is_thoughtful and not all(part in answer.reasoning for part in _due_parts(question)),
        thought_tokens=usage.reasoning_tokens,
        answer_tokens=usage.completion_tokens - usage.reasoning_tokens,
        is_cut=is_thoughtful and usage.reasoning_tokens >= cap,
        seconds=seconds,
    )


def _is_due(calls: Sequence[Call], question: Question) -> bool:
    if len(calls) != 1 or calls[0].tool != question.tool:
        return False
    written = [json.dumps(given, sort_keys=True) for given in (calls[0].arguments, dict(question.arguments))]
    return written[0] == written[1]


def _due_parts(question: Question) -> list[str]:
    values = question.arguments.values()
    return [question.tool, *(value if isinstance(value, str) else json.dumps(value) for value in values)]


async def cell(
    backend: ModelBackend, shown: str, depth: int, *, wordings: Split, given: argparse.Namespace
) -> Iterator[dict[str, Any]]:
    """Ask every question of one cell in every mode; return a row a mode."""
    names = list(MODES)
    said: dict[str, list[Said]] = {name: [] for name in names}
    for number in range(given.questions):
        rng = random.Random(f"thinking {wordings} {depth} {number}")
        question = SHOWN[shown](make_job(rng, depth, "held_out", wordings=wordings), rng, depth)
        for turn in range(len(names)):
            name = names[(number + turn) % len(names)]
            said[name].append(await ask(backend, question, name, cap=given.cap))
    return (
        _row(name, answers, said[name.removesuffix(" after a thought")])
        | {"wordings": wordings, "shown": shown, "depth": depth}
        for name, answers in said.items()
    )


def _row(mode: str, answers: Sequence[Said], without: Sequence[Said]) -> dict[str, Any]:
    asked = len(answers)
    right = sum(answer.is_right for answer in answers)
    low, high = wilson(right, asked)
    pairs = [(a.is_right, b.is_right) for a, b in zip(answers, without, strict=True)]
    return {
        "mode": mode,
        "asked": asked,
        "valid": sum(answer.is_valid for answer in answers) / asked,
        "right": right,
        "low": low,
        "high": high,
        "gained": pairs.count((True, False)),
        "lost": pairs.count((False, True)),
        "misled": sum(a.is_misled and b.is_right > a.is_right for a, b in zip(answers, without, strict=True)),
        "thought_tokens": sum(answer.thought_tokens for answer in answers) / asked,
        "answer_tokens": sum(answer.answer_tokens for answer in answers) / asked,
        "cut": sum(answer.is_cut for answer in answers),
        "ms": 1e3 * sum(answer.seconds for answer in answers) / asked,
    }


def line(row: dict[str, Any]) -> str:
    """Return one row of the table."""
    changed = f"{row['gained']}, {row['lost']} ({row['misled']})"
    by_thought = changed if "thought" in row["mode"] else ""
    return (
        f"| {SAID[row['wordings']]} | {row['shown']} | {row['depth']} | {row['mode']} | {row['valid']:.2f} "
        f"| {row['right']}/{row['asked']} | {row['low']:.2f}-{row['high']:.2f} | {by_thought} "
        f"| {row['thought_tokens']:.0f}, {row['answer_tokens']:.0f} | {row['cut']} | {row['ms']:.0f} |"
    )


async def measure(given: argparse.Namespace) -> None:
    """Ask everything of one server, and print a row a mode of each cell as it comes."""
    backend = open_backend(BackendSettings(kind="embedded", path=given.model, threads=1))
    try:
        await backend.describe()
        for wordings in WORDINGS:
            for shown in SHOWN:
                for depth in given.depths:
                    rows = await cell(backend, shown, depth, wordings=wordings, given=given)
                    for row in rows:
                        print(json.dumps(row) if given.json else line(row), flush=True)
    finally:
        await backend.close()


def main() -> None:
    """Measure, and print the table or JSON lines."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", help="a GGUF file of a model that knows both ways of answering")
    parser.add_argument("--questions", type=int, default=100, help="questions a cell")
    parser.add_argument("--depths", type=lambda text: [int(part) for part in text.split(",")], default=DEPTHS)
    parser.add_argument("--cap", type=int, default=192, help="the most tokens of a thought")
    parser.add_argument("--json", action="store_true", help="print JSON lines instead of a table")
    given = parser.parse_args()
    if not given.json:
        print(HEADER, flush=True)
    asyncio.run(measure(given))


if __name__ == "__main__":
    main()
