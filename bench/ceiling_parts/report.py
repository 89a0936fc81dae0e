"""The table and the plot of the depth curve."""

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any


def count(words: Iterable[str]) -> dict[str, int]:
    """Return how often each word occurs."""
    result: dict[str, int] = {}
    for word in words:
        result[word] = result.get(word, 0) + 1
    return result


def wilson(successes: int, trials: int, z: float = 1.959964) -> tuple[float, float]:
    """Return the 95 % interval of a rate. Source: Wilson 1927, doi:10.1080/01621459.1927.10502953."""
    if not trials:
        return 0.0, 1.0
    share, z2 = successes / trials, z * z
    middle = share + z2 / (2 * trials)
    half = z * math.sqrt(share * (1 - share) / trials + z2 / (4 * trials * trials))
    return max(0.0, (middle - half) / (1 + z2 / trials)), min(1.0, (middle + half) / (1 + z2 / trials))


SAID = {"held_out": "unseen", "train": "seen"}
HEADER = (
    "| wordings | arm | depth | episodes right | 95 % interval | done but wrong | answers | valid "
    "| prompt, answer tokens | ms/answer |\n|---|---|--:|--:|---|--:|--:|--:|--:|--:|"
)


def line(row: Mapping[str, Any]) -> str:
    """Return one row of the table."""
    return (
        f"| {SAID[row['wordings']]} | {row['arm']} | {row['depth']} | {row['ok']}/{row['episodes']} "
        f"| {row['low']:.2f}-{row['high']:.2f} | {row['silent_wrong']} | {row['answers']} | {row['valid']:.2f} "
        f"| {row['prompt_tokens']:.0f}, {row['completion_tokens']:.0f} | {row['ms']:.0f} |"
    )


def plot(panels: Mapping[str, list[dict[str, Any]]], path: Path) -> None:
    """Draw the share of right episodes against depth, with intervals: a panel for each title and its rows."""
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    figure, places = pyplot.subplots(1, len(panels), figsize=(4.6 * len(panels), 3.4), squeeze=False)
    for axes, (title, rows) in zip(places[0], panels.items(), strict=True):
        draw(axes, rows)
        axes.set_title(title, fontsize=9)
    places[0][0].set_ylabel("jobs without a fault")
    places[0][0].legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})


def draw(axes: Any, rows: list[dict[str, Any]]) -> None:
    """Draw one panel: a line with its interval for each arm."""
    for arm in dict.fromkeys(row["arm"] for row in rows):
        cells = [row for row in rows if row["arm"] == arm]
        depths = [row["depth"] for row in cells]
        axes.fill_between(depths, [row["low"] for row in cells], [row["high"] for row in cells], alpha=0.12)
        axes.plot(depths, [row["ok"] / row["episodes"] for row in cells], marker="o", label=arm)
    axes.set_xscale("log", base=2)
    ticks = sorted({row["depth"] for row in rows})
    axes.set_xticks(ticks, [str(tick) for tick in ticks])
    axes.set_ylim(-0.02, 1.02)
    axes.set_xlabel("steps in the job")
    axes.grid(alpha=0.3)
