"""Whether the time of any regular expression of the package grows faster than its text, up to 1 MB.

    python bench/regex_growth.py [--only MODULE] [--besides MODULE] [--json]

Each pattern is analysed (see `regex_parts/ambiguity.py`), and is run on hostile texts that the analysis
gives: words that can be read in several ways, and each loop of the pattern gone round and round, with and
without what leads to it, ending in a near miss. Sizes are doubled up to 1 MB. Shown are the patterns of the
analysis, and of the others the slowest: CPU seconds at the largest size, and how often the time doubled when
the size did (1.0 is linear, 2.0 quadratic).
"""

import argparse
import json
import math
import multiprocessing
import re
import resource
import sys
import time
from typing import Any

from bench.regex_parts.ambiguity import loop_words, waste_of
from bench.regex_parts.collection import Pattern, patterns

LARGEST_CHARS = 1 << 20
LONGEST_S = 60
"""A pattern that takes more CPU than this, for all its texts and its analysis, is stopped."""
ENOUGH_S = 0.3
"""A size that takes longer than this is not doubled again."""
ENDINGS = ("", "\0")


def timed(pattern: Pattern, text: str) -> float:
    """Return the CPU seconds of one use on `text`."""
    compiled = re.compile(pattern.text, pattern.flags)
    began = time.process_time()
    if pattern.is_search:
        for _ in compiled.finditer(text):
            pass
    else:
        compiled.match(text)
    return time.process_time() - began


def growth(pattern: Pattern, words: tuple[str, str], ending: str) -> dict[str, Any]:
    """Return the time at the largest size that was reached, and how it grew."""
    prefix, pump = words
    sizes: list[int] = []
    times: list[float] = []
    size = 1024
    while size <= LARGEST_CHARS and (not times or times[-1] < ENOUGH_S):
        text = prefix + pump * (size // len(pump)) + ending
        sizes.append(size)
        times.append(timed(pattern, text))
        size *= 2
    counted = [place for place, seconds in enumerate(times) if seconds > 0.004]
    power = 0.0
    if len(counted) > 2:
        first, last = counted[0], counted[-1]
        power = math.log2(times[last] / times[first]) / (last - first)
    return {"chars": sizes[-1], "s": round(times[-1], 3), "power": round(power, 2), "pump": pump[:40]}


def _measure(pattern: Pattern, sender: Any) -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (LONGEST_S, LONGEST_S))
    waste = waste_of(pattern.text, pattern.flags, is_search=pattern.is_search)
    words = [(waste.prefix, waste.pump)] if waste else []
    words = words or loop_words(pattern.text, pattern.flags, is_search=pattern.is_search)
    found = [growth(pattern, word, ending) for word in words[:3] or [("", "a ")] for ending in ENDINGS]
    worst = max(found, key=lambda row: (row["s"] / row["chars"], row["power"]))
    sender.send(worst | {"analysis": waste.degree if waste else "linear"})


def measured(pattern: Pattern) -> dict[str, Any]:
    """Return the worst that hostile texts do to a pattern; it runs in a process of its own, and is stopped."""
    receiver, sender = multiprocessing.Pipe(duplex=False)
    process = multiprocessing.Process(target=_measure, args=(pattern, sender))
    process.start()
    process.join()
    if receiver.poll():
        return dict(receiver.recv())
    return {"chars": 0, "s": float(LONGEST_S), "power": math.inf, "pump": "", "analysis": "stopped"}


def measure(*, only: str = "nebulus.", besides: str = "") -> dict[str, Any]:
    """Return what was found: patterns that can waste time, and the slowest of all."""
    chosen = [each for each in patterns(besides=besides) if each.module.startswith(only)]
    rows = {}
    for pattern in chosen:
        name = f"{pattern.module.removeprefix('nebulus.')}:{pattern.line} {pattern.text[:40]!r}"
        rows[name] = measured(pattern)
    slowest = sorted(rows.items(), key=lambda row: -row[1]["s"])[:5]
    return {
        "patterns": len(chosen),
        "superlinear by analysis": {n: row for n, row in rows.items() if row["analysis"] != "linear"}
        or "none",
        "superlinear by time": {n: row for n, row in rows.items() if row["power"] > 1.5} or "none",
        "slowest": dict(slowest),
    }


def main() -> int:
    """Print what was measured; the exit status tells whether a pattern can waste time."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default="nebulus.", metavar="MODULE")
    parser.add_argument("--besides", default="", metavar="MODULE")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    found = measure(only=args.only, besides=args.besides)
    if args.json:
        print(json.dumps(found, indent=2))
    else:
        for part, rows in found.items():
            print(f"{part}: {rows}" if not isinstance(rows, dict) else part)
            for name, row in rows.items() if isinstance(rows, dict) else ():
                print(f"  {name}: {', '.join(f'{key} {value!r}' for key, value in row.items())}")
    return int(found["superlinear by analysis"] != "none" or found["superlinear by time"] != "none")


if __name__ == "__main__":
    sys.exit(main())
