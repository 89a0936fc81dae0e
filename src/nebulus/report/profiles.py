"""What a profile says, as lines for people and as one document for programs; and two of them side by side."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from msgspec import Struct

from nebulus.ceiling.beta import of_counts
from nebulus.ceiling.depth import DepthCurve, depth_curve
from nebulus.ceiling.probe_item import Area
from nebulus.ceiling.probe_plan import STANDARD, Group, Tally
from nebulus.ceiling.profile import PROBED, RUNS, ForecastRecord, Profile
from nebulus.core.text import counted
from nebulus.report.text import Line, format_seconds

BAR = 20
_WHAT: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        Area.STATED: ("one call, all of it stated", "argument"),
        Area.CHOOSE: ("one call among several tools", "tool"),
        Area.NESTED: ("objects and lists as arguments", "layer"),
        Area.COPY: ("copying a long value", "character"),
        Area.PROSE: ("values described in a sentence", "value"),
        Area.ABSTAIN: ("work that no tool can do", "tool"),
        Area.ARITHMETIC: ("computing an answer", "operation"),
        Area.RECOVER: ("an error that says what is wrong", "error"),
        Area.DISTRACTION: ("remembering past other steps", "step between"),
        Area.INSTRUCTION: ("a rule that must last", "step"),
        Area.INJECTION: ("an order hidden in a result", "degree of force"),
        Area.OPEN: ("a goal without a plan", "call"),
        Area.EXTRACT: ("reading values from a text", "paragraph"),
        Area.PLANNING: ("writing a plan", "step"),
    }
)
_PLURALS = {"step between": "steps between", "degree of force": "degrees of force"}


class GroupReport(Struct, frozen=True, kw_only=True):
    """How the questions of one area and level were answered; the interval contains the rate nine times in ten."""

    area: str
    level: int
    asked: int
    right: int
    low: float
    high: float

    @property
    def rate(self) -> float | None:
        """The share of right answers, None if nothing was asked."""
        return self.right / self.asked if self.asked else None


def group_reports(profile: Profile) -> list[GroupReport]:
    """Return all groups of questions, those that were not asked too, in the order of the areas."""
    tallies = profile.tallies
    places = {area.value: place for place, area in enumerate(Area)}
    groups = sorted({*STANDARD.groups, *tallies}, key=lambda group: (places.get(group[0], 99), group))
    return [_report(group, tallies.get(group, Tally())) for group in groups]


def _report(group: Group, tally: Tally) -> GroupReport:
    low, high = of_counts(tally.right, tally.asked).interval() if tally.asked else (0.0, 1.0)
    return GroupReport(
        area=group[0], level=group[1], asked=tally.asked, right=tally.right, low=low, high=high
    )


def profile_lines(profile: Profile, *, stale: tuple[str, ...] = ()) -> list[Line]:
    """Return a profile as a table with intervals, and a curve of how deep the model carries."""
    lines = [
        Line(f"{profile.model.name}  {described(profile)}", "bold"),
        Line(
            f"{counted(profile.asked, 'question')} in {format_seconds(profile.seconds)}{_when(profile)}",
            "dim",
        ),
    ]
    if stale:
        lines.append(
            Line(f"stale: {' and '.join(stale)} changed since; `nebulus probe` measures it again", "yellow")
        )
    if profile.forecasts.runs:
        lines.append(Line(forecasts_text(profile.forecasts), "dim"))
    lines += [Line(""), *_table(group_reports(profile))]
    return [*lines, Line(""), *depth_lines(depth_curve(profile))]


def forecasts_text(record: ForecastRecord) -> str:
    """Say how right the forecasts of a model were, over the runs that could be judged."""
    side = "high" if record.error >= 0 else "low"
    return (
        f"of {counted(record.runs, 'forecast run')}, {record.right} ended right where {record.expected:.1f} were expected: "
        f"{abs(record.error):.0%} too {side} (Brier score {record.squared / record.runs:.2f})"
    )


def _table(groups: list[GroupReport]) -> Iterator[Line]:
    last = ""
    for group in groups:
        what, unit = _WHAT.get(group.area, (group.area, "level"))
        if group.area != last:
            yield Line(f"{group.area}: {what}", "bold")
        last = group.area
        level = f"{group.level} {unit if group.level == 1 else _PLURALS.get(unit, unit + 's')}"
        if not group.asked:
            yield Line(f"  {level:<20} not asked", "dim")
            continue
        yield Line(
            f"  {level:<20} {bar(group.right / group.asked)} {group.right:>3} of {group.asked:<3} "
            f"{interval_text(group.low, group.high)}",
            _style(group.low, group.high),
        )


def _style(low: float, high: float) -> str:
    return "green" if low >= 0.5 else "red" if high <= 0.5 else ""


def bar(rate: float) -> str:
    """Return a rate as a bar of fixed width."""
    full = round(rate * BAR)
    return "█" * full + "·" * (BAR - full)


def interval_text(low: float, high: float) -> str:
    """Return an interval of rates in whole percent."""
    return f"{100 * low:.0f}–{100 * high:.0f} %"


def depth_lines(curve: DepthCurve) -> list[Line]:
    """Return the curve of how deep a model carries."""
    if not curve.trials:
        return [Line("How deep does it carry? No ordinary steps were asked yet.", "dim")]
    half = counted(curve.half, "step") if curve.half else "less than 1 step"
    return [
        Line("How deep does it carry? Runs of ordinary steps, one call each, that end right:", "bold"),
        *(
            Line(
                f"  {counted(point.steps, 'step'):<20} {bar(point.chance)} {100 * point.chance:>3.0f} %       "
                f"{interval_text(point.low, point.high)}"
            )
            for point in curve.points
        ),
        Line(f"Every second run ends right at {half}. The intervals contain the truth nine times in ten,"),
        Line("if steps are like those of the probe and fail independently of each other."),
    ]


def described(profile: Profile) -> str:
    """Return which model a profile is about, and how it was asked."""
    model = profile.model
    parts = [model.quantisation, model.backend]
    parts += [f"file {model.digest[:8]}"] if model.digest else []
    parts += [f"template {model.template[:8]}"] if model.template else []
    parts += [f"tools as {model.tool_form}"] if model.tool_form != "auto" else []
    parts += [f"{model.reasoning_tokens} tokens to reason"] if model.reasoning_tokens else []
    return " · ".join(part for part in parts if part)


def _when(profile: Profile) -> str:
    probed = max((row.day for row in profile.rows if row.source == PROBED), default="")
    runs = sum(row.trials for row in profile.rows if row.source == RUNS)
    return (f", the last on {probed}" if probed else "") + (
        f"; {counted(runs, 'step')} of real runs" if runs else ""
    )


def profile_document(profile: Profile, *, stale: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return a profile for a program: the model, each group with its interval, the curve."""
    return {
        "model": profile.model,
        "questions": profile.asked,
        "seconds": profile.seconds,
        "stale": stale,
        "groups": group_reports(profile),
        "depth": depth_curve(profile),
    }


class GroupDifference(Struct, frozen=True, kw_only=True):
    """How two models did at the same questions; `is_clear` if their intervals do not overlap."""

    area: str
    level: int
    first: GroupReport
    second: GroupReport
    is_clear: bool


def differences(first: Profile, second: Profile) -> list[GroupDifference]:
    """Return the groups that both models were asked."""
    others = {(group.area, group.level): group for group in group_reports(second) if group.asked}
    found = []
    for group in group_reports(first):
        other = others.get((group.area, group.level))
        if other is not None and group.asked:
            is_clear = group.low > other.high or other.low > group.high
            found.append(
                GroupDifference(
                    area=group.area, level=group.level, first=group, second=other, is_clear=is_clear
                )
            )
    return found


def comparison_lines(first: Profile, second: Profile) -> list[Line]:
    """Return two profiles side by side, the clear differences in bold."""
    names = (first.model.name, second.model.name)
    lines = [
        Line(f"A  {names[0]}  {described(first)}"),
        Line(f"B  {names[1]}  {described(second)}"),
        Line(f"{'':<18} {'A':<26} B", "bold"),
    ]
    for one in differences(first, second):
        mark = ("A" if one.first.low > one.second.high else "B") + " is better" if one.is_clear else ""
        cells = (_cell(one.first), _cell(one.second))
        lines.append(
            Line(
                f"{one.area + ' ' + str(one.level):<18} {cells[0]:<26} {cells[1]:<26} {mark}".rstrip(),
                "bold" if mark else "",
            )
        )
    if len(lines) == 3:
        return [*lines, Line("No question was asked of both.")]
    curves = (depth_curve(first), depth_curve(second))
    halves = [str(curve.half) if curve.trials else "unknown" for curve in curves]
    lines.append(Line(f"{'carries steps':<18} {halves[0]:<26} {halves[1]:<26}".rstrip()))
    return [
        *lines,
        Line(
            "A difference is named where the 90 % intervals do not overlap. A model carries as many ordinary steps as",
            "dim",
        ),
        Line("every second run of them ends right with.", "dim"),
    ]


def _cell(group: GroupReport) -> str:
    return f"{group.right:>3} of {group.asked:<3} {interval_text(group.low, group.high)}"


def comparison_document(first: Profile, second: Profile) -> dict[str, Any]:
    """Return two profiles side by side, for a program."""
    return {
        "first": first.model,
        "second": second.model,
        "groups": differences(first, second),
        "depth": {"first": depth_curve(first), "second": depth_curve(second)},
    }


def listed_row(profile: Profile, path: str) -> dict[str, Any]:
    """Return one profile of a list, for a program."""
    curve = depth_curve(profile)
    return {"path": path, "model": profile.model, "questions": profile.asked, "half": curve.half}


def listed_line(profile: Profile) -> Line:
    """Return one profile of a list: the model, how much was asked, how deep it carries."""
    curve = depth_curve(profile)
    depth = f"carries {counted(curve.half, 'step')}" if curve.trials else "depth unknown"
    return Line(
        f"{profile.model.name:<28} {counted(profile.asked, 'question'):<14} {depth:<20} {described(profile)}"
    )
