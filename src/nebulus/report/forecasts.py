"""A forecast, as lines for people."""

from collections.abc import Iterator

from nebulus.ceiling.forecast import Forecast, StepForecast
from nebulus.core.text import counted
from nebulus.report.profiles import bar, interval_text
from nebulus.report.text import Line, format_seconds, one_line, safe

FEW_OBSERVATIONS = 10
ADVICE_SHOWN = 2


def forecast_lines(forecast: Forecast, *, stale: tuple[str, ...] = ()) -> Iterator[Line]:
    """Yield the forecast for one tier: the chance, the cost, the weakest steps and what would help them."""
    chance = f"{100 * forecast.chance:.0f} %"
    yield Line(
        f"{forecast.tier}  {bar(forecast.chance)} {chance} to end right ({interval_text(forecast.low, forecast.high)})",
        "bold",
    )
    if stale:
        yield Line(
            f"  stale: {' and '.join(stale)} changed since it was measured; `nebulus probe` again", "yellow"
        )
    cost = forecast.cost
    usd = f", {forecast.usd:.4f} USD" if forecast.usd else ""
    yield Line(
        f"  about {counted(cost.answers, 'answer')}, {cost.prompt_tokens:,} + {cost.completion_tokens:,} tokens, "
        f"{format_seconds(cost.seconds)}{usd}, if all {counted(len(forecast.steps), 'step')} are carried out"
    )
    for step in forecast.weakest:
        yield from _step_lines(step)


def mix_lines(mix: Forecast) -> Iterator[Line]:
    """Yield the forecast for all tiers together, with the tier that would begin each step."""
    yield from forecast_lines(mix)
    for tier in dict.fromkeys(step.tier for step in mix.steps):
        numbers = [str(step.number) for step in mix.steps if step.tier == tier and step.number]
        if numbers:
            yield Line(f"  {safe(tier)} would begin {', '.join(numbers)}", "dim")
    yield Line(
        '  as route.mode = "measured" chooses; that a step which fails goes up is not in it, so this is the least',
        "dim",
    )


def _step_lines(step: StepForecast) -> Iterator[Line]:
    estimate = step.estimate
    basis = f"by {estimate.observations:.0f} like it: {estimate.cell}"
    if estimate.observations < FEW_OBSERVATIONS:
        basis = f"hardly measured, only {estimate.observations:.0f} like it: {estimate.cell}"
    name = f"step {step.number}" if step.number else "no step"
    yield Line(
        f"  {name:<8} {100 * estimate.mean:>3.0f} % ({interval_text(estimate.low, estimate.high)}) "
        f"{one_line(step.text, 60)}"
    )
    yield Line(f"           {basis}", "dim")
    for advice in step.advice[:ADVICE_SHOWN]:
        yield Line(f"           → {advice.what}: {100 * advice.chance:.0f} %", "green")


WHAT_IT_IS = (
    "From the questions of nebulus probe. The interval is about the rate of runs of this kind, not about repeating this one, "
    "which mostly works nearly always or nearly never. It is assumed that your work is like the probe's, that steps fail "
    "independently, and that every approval is given."
)
"""What a reader must know of a forecast."""
