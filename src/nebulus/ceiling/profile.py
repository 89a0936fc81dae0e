"""A profile: what a model was measured to do, as counts by demand, in a file that people can share and compare.

Invariants: counts are kept, never only rates, so every interval can be computed again; a profile says which model it is
about, and in which form it was asked; one of another version is refused, never half understood.
"""

import datetime
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from nebulus.ceiling.probe_plan import Group, Tally
from nebulus.core.demand import Demand, Trial
from nebulus.core.errors import ConfigError
from nebulus.core.unreadable import UNREADABLE

VERSION = 1
"""Raised when a profile that was written before would be understood differently."""
TOKENS_STEP = 250
"""Prompts are counted in steps of so many tokens, so that a profile has groups and not single questions."""
LENGTH_STEPS = (0, 16, 32, 64, 128, 256, 512, 1024, 4096)
"""Lengths of values to copy are raised to the next of these numbers of characters."""
MOST_RUN_ROWS = 2000
MOST_RUNS = 1000
MOST = 1e12
"""No count, size or time in a profile is larger."""
PROBED = "probe"
RUNS = "runs"


class ModelIdentity(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Which model a profile is about, and how it was asked: if one of these changes, the profile is stale."""

    name: str
    """What the model is called: its short name here."""
    digest: str = ""
    """The digest of its file; "" where a server has it."""
    quantisation: str = ""
    """How its weights are stored, as far as that is known."""
    template: str = ""
    """The digest of its chat template; "" where the server does not tell it."""
    backend: str = ""
    """What serves it."""
    tool_form: str = "auto"
    """How tools reach it."""
    reasoning_tokens: int = 0
    """How long it may reason before it answers."""

    def changes(self, now: "ModelIdentity") -> tuple[str, ...]:
        """Return what of this is different `now`, in words; what is unknown on either side is not compared."""
        said = {
            "digest": "the model file",
            "quantisation": "the quantisation",
            "template": "the chat template",
            "backend": "the backend",
            "tool_form": "how tools reach the model",
            "reasoning_tokens": "how long it may reason",
        }
        return tuple(
            words
            for field, words in said.items()
            if getattr(self, field) != getattr(now, field)
            and "" not in (getattr(self, field), getattr(now, field))
        )


class Cost(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What pieces of work took, added up."""

    answers: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    seconds: float = 0.0

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(
            answers=self.answers + other.answers,
            prompt_tokens=self.prompt_tokens + other.prompt_tokens,
            completion_tokens=self.completion_tokens + other.completion_tokens,
            seconds=round(self.seconds + other.seconds, 3),
        )

    def each(self, count: float) -> "Cost":
        """Return the mean over `count` pieces of work."""
        return Cost(
            answers=round(self.answers / count),
            prompt_tokens=round(self.prompt_tokens / count),
            completion_tokens=round(self.completion_tokens / count),
            seconds=self.seconds / count,
        )


class Row(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Pieces of work with the same demand: how many there were, how many of them came out right, what they took."""

    demand: Demand
    trials: int
    right: int
    cost: Cost = Cost()
    source: str = PROBED
    """Where they were seen: in a probe, or in real runs."""
    day: str = ""
    """The day of the last of them, as YYYY-MM-DD; of work seen in runs, each day has rows of its own."""


class GroupCount(Struct, frozen=True, kw_only=True):
    """How the questions of one area and level were answered, as a whole."""

    area: str
    level: int
    asked: int
    right: int


class ForecastRecord(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How right the forecasts of a model were, over the runs whose end code could judge."""

    runs: int = 0
    right: int = 0
    expected: float = 0.0
    """How many of them the forecasts expected to end right: the sum of their chances."""
    squared: float = 0.0
    """The sum of the squared distances between chance and end: divided by `runs`, it is the Brier score."""

    @property
    def error(self) -> float:
        """How much higher the forecasts were than the share of runs that ended right; negative if they were lower."""
        return (self.expected - self.right) / self.runs if self.runs else 0.0


class Profile(Struct, frozen=True, kw_only=True):
    """All that was measured about one model."""

    version: int = VERSION
    model: ModelIdentity
    window_tokens: int = 0
    """The window in which it was asked."""
    groups: tuple[GroupCount, ...] = ()
    rows: tuple[Row, ...] = ()
    seconds: float = 0.0
    """What the probe has taken so far."""
    runs: tuple[str, ...] = ()
    """The last real runs that it has learned from, so that none is counted twice."""
    forecasts: ForecastRecord = ForecastRecord()

    @property
    def tallies(self) -> dict[Group, Tally]:
        """How each group of questions was answered."""
        return {(one.area, one.level): Tally(one.asked, one.right) for one in self.groups}

    @property
    def asked(self) -> int:
        """How many questions were asked."""
        return sum(one.asked for one in self.groups)

    def with_question(
        self, group: Group, is_right: bool, rows: Iterable[Row], *, seconds: float
    ) -> "Profile":
        """Return a copy with one more question and the pieces of work in it."""
        tallies = self.tallies
        before = tallies.get(group, Tally())
        tallies[group] = Tally(before.asked + 1, before.right + is_right)
        groups = tuple(
            GroupCount(area=area, level=level, asked=tally.asked, right=tally.right)
            for (area, level), tally in sorted(tallies.items())
        )
        grown = replace(self, groups=groups, seconds=round(self.seconds + seconds, 3))
        return grown.with_rows(rows)

    def with_rows(self, rows: Iterable[Row]) -> "Profile":
        """Return a copy with more pieces of work, each added to those with the same demand."""
        found = {_key(row): row for row in self.rows}
        for row in rows:
            plain = replace(row, demand=coarse(row.demand))
            before = found.get(_key(plain))
            found[_key(plain)] = plain if before is None else _added(before, plain)
        return replace(self, rows=tuple(found[key] for key in sorted(found)))

    def with_run(self, run_id: str) -> "Profile":
        """Return a copy that has learned from a run; of very many runs, the oldest are forgotten."""
        runs = [row for row in self.rows if row.source == RUNS]
        oldest = sorted(row.day for row in runs)[-MOST_RUN_ROWS] if len(runs) > MOST_RUN_ROWS else ""
        rows = tuple(row for row in self.rows if row.source != RUNS or row.day >= oldest)
        return replace(self, rows=rows, runs=(*self.runs, run_id)[-MOST_RUNS:])

    def with_forecast(self, chance: float, *, is_right: bool) -> "Profile":
        """Return a copy with one more run of which `chance` was forecast, and how it ended."""
        before = self.forecasts
        record = ForecastRecord(
            runs=before.runs + 1,
            right=before.right + is_right,
            expected=round(before.expected + chance, 4),
            squared=round(before.squared + (chance - is_right) ** 2, 4),
        )
        return replace(self, forecasts=record)

    def trials(self, *, age_days: "AgeOf | None" = None) -> tuple[Trial, ...]:
        """Return all outcomes as trials, each weighted by how often it was seen; `age_days` gives the age of a day."""
        return tuple(_trials(self.rows, age_days))


class AgeOf(Struct, frozen=True):
    """How old a day is on the day `today`; both are YYYY-MM-DD."""

    today: str

    def __call__(self, day: str) -> float:
        """Return the age in days, 0 where `day` is not a date, or is later than today."""
        try:
            age = datetime.date.fromisoformat(self.today) - datetime.date.fromisoformat(day)
        except ValueError:
            return 0.0
        return float(max(0, age.days))


def day_of(time_s: float) -> str:
    """Return the day of a time in seconds since the epoch, as YYYY-MM-DD in UTC."""
    return datetime.datetime.fromtimestamp(time_s, tz=datetime.UTC).date().isoformat()


def coarse(demand: Demand) -> Demand:
    """Return a demand with its sizes rounded up, so that equal work falls into one row."""
    longest = demand.values.longest_copy_characters
    length = next((step for step in LENGTH_STEPS if longest <= step), LENGTH_STEPS[-1])
    return replace(
        demand,
        values=replace(demand.values, longest_copy_characters=length),
        prompt_tokens=-(-demand.prompt_tokens // TOKENS_STEP) * TOKENS_STEP,
        window_tokens=0,
    )


def _key(row: Row) -> tuple[str, str, str]:
    day = row.day if row.source == RUNS else ""
    return row.source, msgspec.json.encode(row.demand).decode(), day


def _added(before: Row, row: Row) -> Row:
    return replace(
        before,
        trials=before.trials + row.trials,
        right=before.right + row.right,
        cost=before.cost + row.cost,
        day=max(before.day, row.day),
    )


def _trials(rows: Sequence[Row], age_days: AgeOf | None) -> Iterator[Trial]:
    for row in rows:
        age = age_days(row.day) if age_days is not None and row.day else 0.0
        for is_right, count in ((True, row.right), (False, row.trials - row.right)):
            if count:
                yield Trial(demand=row.demand, is_right=is_right, weight=float(count), age_days=age)


def encode_profile(profile: Profile) -> bytes:
    """Return a profile as JSON, one row a line, so that two files can be compared line by line."""
    plain = msgspec.to_builtins(profile)
    lists = {name: plain.pop(name) for name in ("groups", "rows")}
    head = (
        msgspec.json.format(msgspec.json.encode(plain), indent=2).decode().rstrip().removesuffix("}").rstrip()
    )
    parts = [head]
    for name, entries in lists.items():
        lines = ",\n".join(f"    {msgspec.json.encode(entry).decode()}" for entry in entries)
        parts.append(f'  "{name}": [\n{lines}\n  ]' if entries else f'  "{name}": []')
    return (",\n".join(parts) + "\n}\n").encode()


class _Versioned(Struct, frozen=True):
    version: int = 0


def decode_profile(data: bytes, source: str) -> Profile:
    """Return the profile that `data` contains; `source` names the file in errors.

    Raises:
        ConfigError: it is not a profile, or one of another version.
    """
    try:
        version = msgspec.json.decode(data, type=_Versioned).version
        if version == VERSION:
            return _checked(msgspec.json.decode(data, type=Profile), source)
    except UNREADABLE as error:
        raise ConfigError(
            f"{source} is not a profile ({error}); remove it, and measure the model again with nebulus probe"
        ) from error
    raise ConfigError(
        f"{source} is a profile of version {version}, and this Nebulus reads version {VERSION}; "
        "remove it, and measure the model again with nebulus probe"
    )


def _numbers(value: Any) -> Iterator[float]:
    match value:
        case dict():
            for inner in value.values():
                yield from _numbers(inner)
        case bool():
            return
        case int() | float():
            yield value
        case _:
            return


def _checked(profile: Profile, source: str) -> Profile:
    for row in profile.rows:
        wrong = next((each for each in _numbers(msgspec.to_builtins(row)) if not 0 <= each <= MOST), None)
        if wrong is not None:
            raise ConfigError(f"{source}: {str(wrong)[:40]} can't be counted; measure the model again")
        if not 0 <= row.right <= row.trials:
            raise ConfigError(
                f"{source}: {row.right} of {row.trials} can't be right; measure the model again"
            )
    for group in profile.groups:
        if not 0 <= group.right <= group.asked:
            raise ConfigError(
                f"{source}: {group.right} of {group.asked} questions of {group.area}-{group.level} can't be right; "
                "measure the model again"
            )
    return profile
