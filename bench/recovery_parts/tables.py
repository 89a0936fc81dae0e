"""Rows of episodes as tables."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

from bench.ceiling_parts.report import wilson

Row = dict[str, Any]

HEADER = (
    "| {title} | arm | episodes | right | 95 % interval | stopped loudly | ran out | wrong or silent "
    "| of these proven | of these in doubt | repeated effects | model calls | seconds | waited s |\n"
    "|---|---|--:|--:|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|"
)


def line(title: str, arm: str, rows: list[Row]) -> str:
    """Return one line of a table."""
    count = Counter(row["verdict"] for row in rows)
    low, high = wilson(count["right"], len(rows))
    silent = [row for row in rows if row["verdict"] == "silent"]
    proven = sum(row.get("proof") == "proven" for row in silent)
    doubted = sum(bool(row.get("in_doubt")) for row in silent)
    repeated, calls = (sum(row[name] for row in rows) for name in ("repeated", "model_calls"))
    seconds, waited = (sum(row.get(name, 0.0) for row in rows) for name in ("seconds", "waited_s"))
    return (
        f"| {title} | {arm} | {len(rows)} | {count['right']} | {low:.2f}-{high:.2f} | {count['loud']} "
        f"| {count['bound']} | {len(silent)} | {proven} | {doubted} | {repeated} | {calls} | {seconds:.0f} "
        f"| {waited:.0f} |"
    )


def table(rows: list[Row], key: str, title: str) -> str:
    """Return a table by one key of the rows, and within it by arm."""
    lines = [HEADER.format(title=title)]
    for name in dict.fromkeys(str(row[key]) for row in rows):
        for arm in dict.fromkeys(row["arm"] for row in rows):
            mine = [row for row in rows if row["arm"] == arm and str(row[key]) == name]
            if mine:
                lines.append(line(name, arm, mine))
    return "\n".join(lines)


def ends(rows: list[Row]) -> Iterable[str]:
    """Yield, for each arm, how its episodes ended, in words."""
    for arm in dict.fromkeys(row["arm"] for row in rows):
        counted = Counter((row["verdict"], row["ended"]) for row in rows if row["arm"] == arm)
        told = "; ".join(
            f"{verdict}, {ended}: {count}" for (verdict, ended), count in counted.most_common(12)
        )
        wrong = sum(row["wrong"] for row in rows if row["arm"] == arm)
        yield f"- {arm}: {wrong} wrong effects; {told}"


def tiers(rows: list[Row]) -> str:
    """Return how many answers each tier gave, by arm."""
    lines = ["| arm | answers of each tier |", "|---|---|"]
    for arm in dict.fromkeys(row["arm"] for row in rows):
        total: Counter[str] = Counter()
        for row in rows:
            if row["arm"] == arm:
                total.update(row.get("by_tier", {}))
        lines.append(f"| {arm} | {', '.join(f'{name} {count}' for name, count in total.items())} |")
    return "\n".join(lines)


def report(rows: list[Row], *, has_tiers: bool = False) -> None:
    """Print the tables: over all, by cell, by class of faults, and how the episodes ended."""
    for row in rows:
        row["fault"], row["all"] = ", ".join(row["faults"]), "all"
        row["cell"] = f"{max(row['rate'], row['server_rate']):.0%}, depth {row['depth']}"
    for key in ("all", "cell", "fault"):
        print(table(rows, key, key), end="\n\n", flush=True)
    if has_tiers:
        print(tiers(rows), end="\n\n")
    print("\n".join(ends(rows)))
