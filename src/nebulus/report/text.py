"""Text for people: what a model, a tool or a file wrote can't move the cursor or leave its line."""

import msgspec
from msgspec import Struct

from nebulus.core.budget import Spent
from nebulus.core.findings import Call
from nebulus.core.text import counted


class Line(Struct, frozen=True):
    """One line of text; `style` says how it looks ("bold red", "dim"), "" for plain."""

    text: str
    style: str = ""


def one_line(text: str, most_chars: int = 160) -> str:
    """Return `text` as one bounded line; characters that can't be printed are escaped."""
    flat = " ⏎ ".join(part.strip() for part in text.strip().splitlines() if part.strip())
    cut = flat if len(flat) <= most_chars else f"{flat[: most_chars - 1]}…"
    return safe(cut)


def safe(text: str) -> str:
    """Return `text` with every character escaped that could move the cursor, or colour, hide or reverse text."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape", "surrogatepass").decode()
        for character in text
    )


def safe_lines(text: str) -> list[str]:
    """Return the lines of `text`, each as `safe`."""
    return [safe(line) for line in text.splitlines()]


def format_call(call: Call) -> str:
    """Return a call as a person would write it: `move_file(source="a.md", target="b.md")`."""
    arguments = ", ".join(f"{name}={format_value(value)}" for name, value in call.arguments.items())
    return one_line(f"{call.tool}({arguments})")


def format_value(value: object) -> str:
    """Return a value as compact JSON."""
    return msgspec.json.encode(value).decode()


def format_cost(spent: Spent) -> str:
    """Return what was spent, in words."""
    parts = [
        counted(spent.model_calls, "answer"),
        counted(spent.tool_calls, "tool call"),
        f"{spent.prompt_tokens:,} + {spent.completion_tokens:,} tokens",
        format_seconds(spent.seconds),
    ]
    if spent.usd:
        parts.append(f"{spent.usd:.4f} USD")
    return " · ".join(parts)


def format_seconds(value_s: float) -> str:
    """Return a duration, as precise as a person needs it."""
    if value_s < 60:
        return f"{value_s:.1f} s"
    minutes, rest = divmod(round(value_s), 60)
    return f"{minutes} min {rest} s"
