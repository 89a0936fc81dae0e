"""Whether code that reads text takes longer than linear time, patterns aside.

    python bench/text_growth.py [--only NAME …] [--most CHARS]

Each reader gets texts that repeat one piece, of sizes that grow fourfold. Shown are the slowest text at the largest size
that was reached, in CPU seconds, and the pieces for which four times the size took more than eight times as long.
"""

import argparse
import time
from collections.abc import Callable
from contextlib import suppress

from nebulus.adapters.tools import edits
from nebulus.calls.assignments import assignments
from nebulus.core.answers import Message, RawCall
from nebulus.core.errors import NebulusError
from nebulus.core.provenance import Provenance
from nebulus.core.references import reference_of
from nebulus.core.text import nearest, stands_in
from nebulus.core.tools import ToolSpec
from nebulus.loop.runbook import read_runbook
from nebulus.memory.look import LookError, value_at
from nebulus.memory.mentions import mentions_of
from nebulus.memory.references import resolved, unresolved
from nebulus.proxy.gate import TextGate
from nebulus.proxy.history import arranged
from nebulus.transcript.fold import fold_history

PIECES = (
    "a", "a ", "\n", " ", "{{step 1", "the result of step 1 ", "step 1's ", "`a` ", '"a" = ', "content = ",
    'path = "x" ', "- [ ] x\n", "1. use write_file on x\n", "Use write_file on a\n", "a.b/", "../", "a,b;", "'", '"',
    "(", "[", "{", "\\", "a_b ", "http://a.b/c ", "0", "12.5 ", "é", "<a>", "||", "**a**", "a@b.c ", " \t", "```a\n",
    "# a\n", "<|", ">",
)  # fmt: skip
TOOL = ToolSpec(
    name="write_file",
    parameters={"type": "object", "properties": {"path": {"type": "string"}, "content": {"type": "string"}}},
)
LONG_S = 3.0
"""A text that takes longer is not made larger."""


def streamed(text: str, opening: str = "") -> None:
    """Put an answer through what decides how much of it may be sent, in pieces of four characters."""
    gate = TextGate(["write_file"])
    gate.feed(opening)
    for at in range(0, len(text), 4):
        gate.feed(text[at : at + 4])


def ordered(text: str) -> None:
    """Order a history with a call for every eight characters, all of one id."""
    call = RawCall("f", "{}", text[:8])
    arranged([Message("user", text[:8]), Message("assistant", "", (call,) * (len(text) // 8))])


READERS: dict[str, Callable[[str], object]] = {
    "mentions in a step": lambda text: (resolved(text, (), label=Provenance()), unresolved(text, ())),
    "assignments of a step": lambda text: assignments(text, TOOL),
    "mentions in a goal": mentions_of,
    "runbook": read_runbook,
    "reference": lambda text: reference_of({"from": text, "path": text}),
    "path into a result": lambda text: value_at(text, text),
    "nearest name": lambda text: nearest(text, ["abc", "def"]),
    "value in a text": lambda text: stands_in(text[: len(text) // 2], text),
    "edit of a text": lambda text: edits.nearest(text, "abc def\nxyz"),
    "piece to replace": lambda text: edits.nearest("abc def\nxyz " * 10, text),
    "folded history": lambda text: fold_history(
        (Message("user", "x"), Message("assistant", text), Message("user", text)), room_bytes=3000
    ),
    "streamed answer": streamed,
    "streamed thought": lambda text: streamed(text, "<think>"),
    "streamed fence": lambda text: streamed(text, "```python\n"),
    "history of a client": ordered,
}


def growth(read: Callable[[str], object], piece: str, most: int) -> list[float]:
    """Return the CPU seconds of `read` for texts of growing size."""
    taken: list[float] = []
    size = max(64, most // 64)
    while size <= most and (not taken or taken[-1] < LONG_S):
        text = piece * (size // len(piece))
        began = time.process_time()
        with suppress(NebulusError, LookError):  # Refused: it was read all the same.
            read(text)
        taken.append(time.process_time() - began)
        size *= 4
    return taken


def is_superlinear(taken: list[float]) -> bool:
    """Whether the last size took far more than four times as long as the one before."""
    return len(taken) > 1 and taken[-1] > 0.1 and taken[-1] > 8 * taken[-2]


def main() -> None:
    """Print a row for each reader."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="*", default=list(READERS))
    parser.add_argument("--most", type=int, default=1 << 18)
    args = parser.parse_args()
    print("| what reads | slowest, s | on | superlinear on |\n|---|--:|---|---|")
    for name in args.only:
        rows = {piece: growth(READERS[name], piece, args.most) for piece in PIECES}
        slowest = max(rows, key=lambda piece: rows[piece][-1])
        worse = [piece for piece, taken in rows.items() if is_superlinear(taken)]
        print(f"| {name} | {rows[slowest][-1]:.2f} | {slowest!r} | {worse or ''} |", flush=True)


if __name__ == "__main__":
    main()
