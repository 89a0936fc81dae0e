"""What each rule about words is worth: the recorded answers that it fixes or breaks, by model, and what it prevents.

A rule is one pattern, or one alternative of it, in `nebulus.calls.wording`. It is switched off, and every answer whose
doubt changes is parsed again, for tools that read. Answers that are composed to mean no call, or one, count as models
of their own. A rule that changes nothing alone may still be needed where another one covers for it.

Cross-validation by model: patterns that pay neither on four of the models nor on the composed answers are switched off
together; what is left is measured on the other models, in every rotation.
"""

import itertools
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from types import ModuleType
from typing import Any, TypeAlias

from msgspec import Struct

from bench.calls_parts import foreign_frames, not_meant, odd_frames
from bench.calls_parts.recorded import Record, line_of
from nebulus.calls import evidence, read, tool_specs, wording
from nebulus.calls.lines import answer_of
from nebulus.core.answers import ModelAnswer
from nebulus.core.findings import CallEvidence, Reading
from nebulus.core.tools import ToolSpec

NEVER = r"(?!)"
BUILT_ON = 4
"""So many models are seen in each rotation."""


class Rule(Struct, frozen=True):
    """A pattern of `nebulus.calls.wording`, or one of its alternatives, that can be switched off."""

    name: str
    attribute: str
    option: int | None = None


class Case(Struct, frozen=True, kw_only=True):
    """An answer, and how to judge what is read in it."""

    model: str
    answer: ModelAnswer
    tools: Sequence[ToolSpec]
    is_right: Callable[[Reading], bool]
    was_right: bool = False
    """The official scorer has it right; an answer that means no call counts as such."""


_Question: TypeAlias = tuple[str, str, frozenset[str]]
_QUESTIONS = ("doubt_before", "doubt_behind")


def rules() -> Iterator[Rule]:
    """Yield every rule: each pattern as a whole, and each of its alternatives."""
    for name, pattern in vars(wording).items():
        if isinstance(pattern, re.Pattern):
            options = alternatives(pattern.pattern) if not pattern.groupindex else []
            yield Rule(name, name)
            if len(options) > 1:
                yield from (Rule(f"{name}: {each}", name, number) for number, each in enumerate(options))


def alternatives(pattern: str) -> list[str]:
    """Return the alternatives of a pattern at its top level, or those of the one group that is all of it."""
    whole = re.fullmatch(r"(\\b|)\(\?:(.*)\)(\\b|)", pattern, re.DOTALL)
    if whole and _is_balanced(whole[2]):
        return [f"{whole[1]}(?:{each}){whole[3]}" for each in _split(whole[2])]
    return _split(pattern)


def _is_balanced(pattern: str) -> bool:
    depth = 0
    for sign, _ in _signs(pattern):
        depth += {"(": 1, ")": -1}.get(sign, 0)
        if depth < 0:
            return False
    return depth == 0


def _signs(pattern: str) -> Iterator[tuple[str, int]]:
    """Yield the signs of a pattern that are neither escaped nor in a class."""
    place, is_class = 0, False
    while place < len(pattern):
        sign = pattern[place]
        if sign == "\\":
            place += 2
            continue
        if is_class:
            is_class = sign != "]"
        elif sign == "[":
            is_class = True
            place += pattern.startswith("]", place + 1)
        else:
            yield sign, place
        place += 1


def _split(pattern: str) -> list[str]:
    depth, cuts = 0, [-1]
    for sign, place in _signs(pattern):
        depth += {"(": 1, ")": -1}.get(sign, 0)
        if sign == "|" and depth == 0:
            cuts.append(place)
    return [pattern[start + 1 : end] for start, end in itertools.pairwise([*cuts, len(pattern)])]


def cases(scoring: ModuleType, records: dict[str, list[Record]]) -> list[Case]:
    """Return every recorded answer, and every answer that is composed to mean no call or one."""
    found = []
    for record in (each for data in records.values() for each in data):

        def is_right(reading: Reading, record: Record = record) -> bool:
            made = [{"name": call.tool, "arguments": call.arguments} for call in reading.calls]
            return bool(scoring.item_ok(record, made))

        found.append(
            Case(
                model=record["model"] + (" relevance" if record["category"] == "relevance" else ""),
                answer=answer_of(line_of(record)),
                tools=tool_specs(record["tools"]),
                is_right=is_right,
                was_right=bool(record["official_ok"]),
            )
        )
    for name, texts, is_meant in (
        ("not meant", [each.text for each in not_meant.composed()], False),
        ("odd, not meant", list(odd_frames.not_meant()), False),
        ("foreign, not meant", list(foreign_frames.not_meant()), False),
        ("odd, meant", list(odd_frames.meant()), True),
        ("foreign, meant", list(foreign_frames.meant()), True),
    ):
        found += [
            Case(
                model=name,
                answer=ModelAnswer(text=text),
                tools=odd_frames.TOOLS,
                is_right=(lambda reading: bool(reading.calls))
                if is_meant
                else (lambda reading: not reading.calls),
                was_right=True,
            )
            for text in texts
        ]
    return found


class Ablation:
    """All answers with what was asked about their words, ready to be parsed again without a rule."""

    def __init__(self, found: Sequence[Case]) -> None:
        self.cases = found
        self.right: list[bool] = []
        self.asked: dict[_Question, list[int]] = {}
        """What was asked about words, and by which answers."""
        self.was_doubted: dict[_Question, bool] = {}
        for number, case in enumerate(found):
            with replaced(evidence, {name: self._noting(number, name) for name in _QUESTIONS}):
                self.right.append(case.is_right(_read(case)))

    def _noting(self, number: int, name: str) -> Callable[[str, frozenset[str]], str]:
        ask = getattr(evidence, name)

        def noting(said: str, own: frozenset[str]) -> str:
            why: str = ask(said, own)
            self.asked.setdefault((name, said, own), []).append(number)
            self.was_doubted[name, said, own] = bool(why)
            return why

        return noting

    def changed(self, off: Iterable[Rule]) -> dict[int, bool]:
        """Return the answers that end differently without the rules `off`, and whether they are right then."""
        with switched_off(off):
            affected = {
                number
                for (name, said, own), numbers in self.asked.items()
                if bool(getattr(wording, name)(said, own)) != self.was_doubted[name, said, own]
                for number in numbers
            }
            now = {number: self.cases[number].is_right(_read(self.cases[number])) for number in affected}
        return {number: is_right for number, is_right in now.items() if is_right != self.right[number]}

    def worth(self, off: Iterable[Rule]) -> dict[str, Counter[str]]:
        """Return, by model, how many answers the rules `off` fix, and how many they break."""
        table: dict[str, Counter[str]] = {}
        for number, is_right in self.changed(off).items():
            row = table.setdefault(self.cases[number].model, Counter())
            row["broken" if is_right else "fixed"] += 1
        return table


def _read(case: Case) -> Reading:
    return read(case.answer, case.tools, needed=CallEvidence.OPENS)


def rotations(
    ablation: Ablation, worth: Mapping[str, Mapping[str, Counter[str]]]
) -> Iterator[dict[str, Any]]:
    """Yield one row a rotation: what the patterns that pay on four models are worth on these, and on the others."""
    models = [name for name in dict.fromkeys(each.model for each in ablation.cases) if is_wanting(name)]
    patterns = [rule for rule in rules() if rule.option is None]
    for first in range(len(models)):
        seen = {models[(first + step) % len(models)] for step in range(BUILT_ON)}
        off = [rule for rule in patterns if not _pays(worth[rule.name], seen)]
        changed = ablation.changed(off)
        row: dict[str, Any] = {
            "built on": ", ".join(sorted(seen)),
            "patterns left out": [rule.name for rule in off],
        }
        for side, some in {"seen": seen, "unseen": set(models) - seen}.items():
            chosen = [number for number, case in enumerate(ablation.cases) if case.model in some]
            row[side] = {
                "answers": len(chosen),
                "official": sum(ablation.cases[number].was_right for number in chosen),
                "all rules": sum(ablation.right[number] for number in chosen),
                "kept rules": sum(changed.get(number, ablation.right[number]) for number in chosen),
            }
        yield row


def _pays(worth: Mapping[str, Counter[str]], seen: AbstractSet[str]) -> bool:
    """Whether a pattern fixes more than it breaks on the models `seen`, or on composed answers."""
    counted = [row for model, row in worth.items() if model in seen or not _is_model(model)]
    return sum(row["fixed"] - row["broken"] for row in counted) > 0


def is_wanting(model: str) -> bool:
    """Whether these are recorded answers to questions that want a call."""
    return _is_model(model) and "relevance" not in model


def _is_model(model: str) -> bool:
    return not model.endswith("meant")


def measure(scoring: ModuleType, records: dict[str, list[Record]]) -> dict[str, Any]:
    """Return what each rule fixes and breaks, and the rotations."""
    ablation = Ablation(cases(scoring, records))
    worth: dict[str, dict[str, Counter[str]]] = {}
    for rule in rules():
        is_idle = rule.option is not None and not worth[rule.attribute]
        worth[rule.name] = {} if is_idle else ablation.worth([rule])
    return {"rules": worth, "rotations": list(rotations(ablation, worth))}


def show(figures: dict[str, Any]) -> None:
    """Print the rules that change anything, those that don't, and the rotations."""
    models = list(dict.fromkeys(model for row in figures["rules"].values() for model in row))
    print("Answers fixed by a rule alone, and broken by it:\n")
    print("| rule |", " | ".join(models), "|")
    print("|---|" + "--:|" * len(models))
    for name, row in figures["rules"].items():
        cells = [f"{row[model]['fixed']}, {row[model]['broken']}" if model in row else "" for model in models]
        if row:
            print(f"| `{name[:60]}` |", " | ".join(cells), "|")
    idle = [name for name, row in figures["rules"].items() if not row]
    print(f"\n{len(idle)} of {len(figures['rules'])} rules change no answer alone: others cover for them.\n")
    print("| built on | patterns left out | seen: official, all, kept | unseen: official, all, kept |")
    print("|---|---|--:|--:|")
    for row in figures["rotations"]:
        left_out = ", ".join(row["patterns left out"])
        print(f"| {row['built on']} | {left_out} | {_shares(row['seen'])} | {_shares(row['unseen'])} |")
    for side in ("seen", "unseen"):
        print(f"{side}, all rotations together: {_shares(_together(figures['rotations'], side))}")


def _together(rows: Iterable[dict[str, Any]], side: str) -> Counter[str]:
    total: Counter[str] = Counter()
    for row in rows:
        total.update(row[side])
    return total


def _shares(row: Mapping[str, int]) -> str:
    return ", ".join(f"{row[name] / row['answers']:.1%}" for name in ("official", "all rules", "kept rules"))


@contextmanager
def switched_off(off: Iterable[Rule]) -> Iterator[None]:
    """Run without some rules; several alternatives of one pattern may be among them."""
    dropped: dict[str, set[int | None]] = {}
    for rule in off:
        dropped.setdefault(rule.attribute, set()).add(rule.option)
    patterns = {name: _left(getattr(wording, name), options) for name, options in dropped.items()}
    with replaced(wording, patterns):
        yield


def _left(pattern: re.Pattern[str], dropped: set[int | None]) -> re.Pattern[str]:
    options = [each for number, each in enumerate(alternatives(pattern.pattern)) if number not in dropped]
    return re.compile(NEVER if None in dropped or not options else "|".join(options), pattern.flags)


@contextmanager
def replaced(module: ModuleType, values: Mapping[str, Any]) -> Iterator[None]:
    """Run with other values of some names of a module."""
    before = {name: getattr(module, name) for name in values}
    vars(module).update(values)
    try:
        yield
    finally:
        vars(module).update(before)
