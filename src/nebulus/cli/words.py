"""Text for a terminal: what a model, a tool or a file wrote can't move the cursor, and stays on its line."""

import msgspec
from msgspec import Struct

from nebulus.core.budget import Spent
from nebulus.core.findings import Call


class Line(Struct, frozen=True):
    """One line of a screen; `style` is a style of rich's, "" for none."""

    text: str
    style: str = ""


def one_line(text: str, most_chars: int = 160) -> str:
    """Return `text` as one bounded line; what is not printable is spelled out."""
    flat = " ⏎ ".join(part.strip() for part in text.strip().splitlines() if part.strip())
    cut = flat if len(flat) <= most_chars else f"{flat[: most_chars - 1]}…"
    return safe(cut)


def safe(text: str) -> str:
    """Return `text` with what would move the cursor, colour, hide or turn text round spelled out."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape", "surrogatepass").decode()
        for character in text
    )


def spelled(call: Call) -> str:
    """Return a call as a person would write it: `move_file(source="a.md", target="b.md")`."""
    arguments = ", ".join(
        f"{name}={msgspec.json.encode(value).decode()}" for name, value in call.arguments.items()
    )
    return one_line(f"{call.tool}({arguments})")


def cost(spent: Spent) -> str:
    """Return what was spent, in words."""
    parts = [
        counted(spent.model_calls, "answer"),
        counted(spent.tool_calls, "tool call"),
        f"{spent.prompt_tokens:,} + {spent.completion_tokens:,} tokens",
        seconds(spent.seconds),
    ]
    if spent.usd:
        parts.append(f"{spent.usd:.4f} USD")
    return " · ".join(parts)


def seconds(value_s: float) -> str:
    """Return a time that was taken, to a precision that a person cares for."""
    if value_s < 60:
        return f"{value_s:.1f} s"
    minutes, rest = divmod(round(value_s), 60)
    return f"{minutes} min {rest} s"


def counted(count: int, noun: str) -> str:
    """Return a number with its noun: "1 step", "2 steps"."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
