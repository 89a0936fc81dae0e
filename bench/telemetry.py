"""What telemetry costs: CPU of a step with it off and on, in the same process and in turns.

A run of scripted answers reads one file per step. With telemetry on, its spans go through OpenTelemetry's own batch
processor to an exporter that drops them, so that no network is measured; an observer also makes the runtime stream
answers. The figure is the least of several rounds, since a shared machine only ever adds.

    python bench/telemetry.py [--steps 100] [--rounds 5] [--json]
"""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

from nebulus.adapters.telemetry.live import Telemetry
from nebulus.app.application import Watch, open_application
from nebulus.app.settings import EngineSettings, Settings, TierSettings
from nebulus.core.answers import ModelAnswer, ModelRequest, RawCall, Usage
from nebulus.testing.backends import ScriptedBackend


class Dropping(SpanExporter):
    """Takes spans and counts them."""

    taken = 0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Count `spans`."""
        self.taken += len(spans)
        return SpanExportResult.SUCCESS


def answer(_: ModelRequest) -> ModelAnswer:
    """Call the one tool of each step."""
    return ModelAnswer(calls=(RawCall("read_file", '{"path": "a.md"}'),), usage=Usage(100, 20))


async def step_ms(steps: int, watch: Sequence[Watch]) -> float:
    """Return the CPU of a step in milliseconds, the start of the run included."""
    settings = Settings(
        tiers={"small": TierSettings(model="http://127.0.0.1:1#none")},
        engine=EngineSettings(url="memory"),
        commands="off",
    )
    runbook = "Read.\n\n" + "\n".join(
        f"{number}. Use read_file with path = a.md" for number in range(1, steps + 1)
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "a.md").write_text("hello")
        plugs = {"backends": {"small": ScriptedBackend(answer)}, "watch": watch}
        async with open_application(settings, folder, **plugs) as application:
            began = time.process_time()
            handle = await application.start(runbook, workspace=folder)
            await handle.result()
            return 1e3 * (time.process_time() - began) / steps


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    exporter = Dropping()
    telemetry = Telemetry(BatchSpanProcessor(exporter), MeterProvider(), resource=Resource({}))
    off, on = [], []
    for _ in range(options.rounds):
        off.append(asyncio.run(step_ms(options.steps, ())))
        on.append(asyncio.run(step_ms(options.steps, (telemetry.watch,))))
    telemetry.close()
    figures = {
        "steps": options.steps,
        "off_cpu_ms": min(off),
        "on_cpu_ms": min(on),
        "ratio": min(on) / min(off),
        "spans_per_step": exporter.taken / options.rounds / options.steps,
    }
    if options.json:
        json.dump(figures, sys.stdout)
        return
    print(
        f"a step: {min(off):.2f} ms of CPU off, {min(on):.2f} ms on: {figures['ratio']:.2f} times, "
        f"{figures['spans_per_step']:.1f} spans"
    )


if __name__ == "__main__":
    main()
