"""What parsing costs: a clean call compared with orjson and jsonschema-rs, an 11 KB answer, hostile input.

CPU time of this process, least of several rounds.
"""

import json
import random
import time
from collections.abc import Callable

import jsonschema_rs
import orjson

from nebulus.calls import read
from nebulus.calls.scan import MARKERS
from nebulus.core.answers import ModelAnswer, RawCall
from nebulus.core.tools import ToolSpec

SCHEMA = {
    "type": "object",
    "properties": {
        "path": {"type": "string"},
        "line": {"type": "integer"},
        "mode": {"type": "string", "enum": ["r", "w"]},
        "content": {"type": "string"},
    },
    "required": ["path"],
    "additionalProperties": False,
}
TOOLS = tuple(ToolSpec(name=name, parameters=SCHEMA) for name in ("read", "list", "edit", "move", "stop"))
ARGUMENTS = '{"path": "src/app/main.py", "line": 42, "mode": "w", "content": "print(1)"}'
BIG = json.dumps({"path": "x.py", "content": 'def f(x):\n    return {"a": x < 2}  # <b> and [c]\n' * 220})
SYNTAX = (
    '{', "}", "[", "]", "(", ")", '"', "'", "\\", ",", ":", "=", "/*", "//", "#", " ", "\n", "1", "-1e5", "null",
    '{"a":', "[[", "[f(", "f(a=", '["edit",', '{"name":"edit","arguments":', '{"name":"edit","arguments":{}}',
    '"""', "'''", "```", "```json\n", "\n```\n", "Action: edit\nAction Input: ", "\nObservation:",
    "<parameter=path>", "</parameter>", "<arg_key>path</arg_key><arg_value>", "</arg_value>", "<function=edit>",
    '<invoke name="edit">', '<parameter name="path">', "<|message|>", '<|"|>', "<escape>", "call:edit{path:",
    "to=functions.edit ", "[ARGS]", "[TOOL_CALLS]edit", "functions.edit:0", "<|start_header_id|>", "assistant",
    "\\n", "\\ud83d", "\u201c", "example: ", "never mind ", 'f(a="x"),', '"a": "b", ', '"name":"edit",',
)  # fmt: skip


def least_us(work: Callable[[], object], *, times: int, rounds: int = 7) -> float:
    """Return the CPU time of `work`, in microseconds: the least average of several rounds."""
    best = float("inf")
    for _ in range(rounds):
        start = time.process_time()
        for _ in range(times):
            work()
        best = min(best, (time.process_time() - start) / times)
    return best * 1e6


def clean() -> dict[str, float]:
    """Return microseconds a clean call: of the floor, and of the reader in each form."""
    call = f'{{"name": "edit", "arguments": {ARGUMENTS}}}'
    validator = jsonschema_rs.validator_for(SCHEMA)
    answers = {
        "server's call": ModelAnswer(calls=(RawCall("edit", ARGUMENTS),)),
        "bare JSON": ModelAnswer(text=call),
        "Hermes": ModelAnswer(text=f"<tool_call>\n{call}\n</tool_call>"),
    }
    figures = {
        "orjson + jsonschema-rs": least_us(
            lambda: validator.is_valid(orjson.loads(call)["arguments"]), times=3000
        )
    }
    for name, answer in answers.items():
        figures[name] = least_us(lambda answer=answer: read(answer, TOOLS), times=2000)  # type: ignore[misc]
    return figures


def big() -> dict[str, float]:
    """Return microseconds an answer of 11 KB, by kind."""
    call = f'{{"name": "edit", "arguments": {BIG}}}'
    content = json.loads(BIG)["content"]
    texts = {
        "bare JSON": call,
        "Hermes": f"<tool_call>\n{call}\n</tool_call>",
        "Hermes after words": f"I will write the file.\n\n<tool_call>\n{call}\n</tool_call>",
        "Qwen XML": f"<tool_call>\n<function=edit>\n<parameter=path>\nx.py\n</parameter>\n<parameter=content>\n"
        f"{content}\n</parameter>\n</function>\n</tool_call>",
        "Python call": f"[edit(path='x.py', content={content!r})]",
        "single quotes": repr({"name": "edit", "arguments": json.loads(BIG)}),
        "words": "The quick brown fox jumps over the lazy dog, and so on. " * 205,
    }
    return {
        name: least_us(lambda text=text: read(ModelAnswer(text=text), TOOLS), times=20)  # type: ignore[misc]
        for name, text in texts.items()
    }


def hostile(*, seconds: float, size: int = 50_000, seed: int = 1) -> list[tuple[str, float, float, float]]:
    """Look for the input that costs most; return the worst, each with µs a KB at 1, 4 and 20 times `size`."""
    rng, end = random.Random(seed), time.process_time() + seconds
    pieces = sorted({*MARKERS, *SYNTAX})
    found: dict[str, float] = {piece: _us_per_kb(piece, size) for piece in pieces}
    while time.process_time() < end:
        piece = "".join(rng.choice(pieces) for _ in range(rng.randrange(2, 5)))
        found[piece] = _us_per_kb(piece, size)
    worst = sorted(found, key=lambda piece: -found[piece])[:5]
    return [(piece, *(_us_per_kb(piece, size * times) for times in (1, 4, 20))) for piece in worst]  # type: ignore[misc]


def _us_per_kb(piece: str, size: int) -> float:
    answer = ModelAnswer(text=(piece * (size // len(piece) + 1))[:size])
    start = time.process_time()
    read(answer, TOOLS)
    return (time.process_time() - start) * 1e6 / (size / 1024)


def mutated(*, megabytes: float, seed: int = 2) -> dict[str, int]:
    """Read answers made of pieces of syntax at random, with letters changed; return how they ended.

    Whatever is raised goes through: a reader that raises is a defect.
    """
    rng = random.Random(seed)
    pieces = sorted({*MARKERS, *SYNTAX})
    counts = {"answers": 0, "bytes": 0, "calls": 0, "findings": 0, "words": 0}
    while counts["bytes"] < megabytes * 1e6:
        text = "".join(rng.choice(pieces) for _ in range(rng.randrange(1, 40)))
        for _ in range(rng.randrange(4)):
            place = rng.randrange(len(text) + 1)
            text = text[:place] + chr(rng.choice((0, 34, 92, 0x2028, 0xD83D, 0x1F600))) + text[place + 1 :]
        reading = read(ModelAnswer(text=text, calls=_calls(text, rng)), TOOLS)
        counts["answers"] += 1
        counts["bytes"] += len(text.encode(errors="replace"))
        counts["calls" if reading.calls else "findings" if reading.finding else "words"] += 1
    return counts


def _calls(text: str, rng: random.Random) -> tuple[RawCall, ...]:
    return (RawCall("edit", text[: rng.randrange(200)]),) if rng.random() < 0.2 else ()
