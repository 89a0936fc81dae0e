"""What came of an attack on whole runs, counted."""

from collections import Counter
from typing import Any

import msgspec
from msgspec import Struct


class Tally(Struct, kw_only=True):
    """What was tried, how far it came, and what happened that the policy forbids (nothing may)."""

    runs: int = 0
    resumed: int = 0
    proposals: int = 0
    would_break: int = 0
    """Proposals that the oracle says the policy forbids, or leaves to a person."""
    stopped: Counter[str] = msgspec.field(default_factory=Counter)
    """Of these, those that came before the guard, by its word; an allowed one would be a hole."""
    verdicts: Counter[str] = msgspec.field(default_factory=Counter)
    rules: Counter[str] = msgspec.field(default_factory=Counter)
    ways: Counter[str] = msgspec.field(default_factory=Counter)
    outcomes: Counter[str] = msgspec.field(default_factory=Counter)
    depths: list[int] = msgspec.field(default_factory=list)
    questions: int = 0
    yeses: int = 0
    effects: int = 0
    reads: int = 0
    forbidden: list[str] = msgspec.field(default_factory=list)
    unjudged: list[str] = msgspec.field(default_factory=list)
    broken: list[str] = msgspec.field(default_factory=list)

    def report(self) -> dict[str, Any]:
        """Return it as plain values, the lists of what went wrong cut to the first ten."""
        depths = sorted(self.depths) or [0]
        shown = {
            name: dict(value.most_common()) if isinstance(value, Counter) else value
            for name, value in msgspec.structs.asdict(self).items()
            if name != "depths"
        }
        middle, most = depths[len(depths) // 2], depths[-1]
        failed = {name: shown.pop(name) for name in ("forbidden", "unjudged", "broken")}
        return {
            **shown,
            "depth": f"median {middle}, most {most}",
            **{name: len(found) for name, found in failed.items()},
            "examples": _examples([line for found in failed.values() for line in found]),
        }


def _examples(lines: list[str]) -> dict[str, list[str]]:
    kinds: dict[str, list[str]] = {}
    for line in lines:
        kinds.setdefault(line.split(":")[0][:60], []).append(line[:300])
    return {f"{kind} ({len(found)})": found[:3] for kind, found in kinds.items()}
