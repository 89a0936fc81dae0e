"""The fixtures of canitoolcall: pass, soft pass and fail, next to the published figures of servers.

Every fixture is read whole and streamed, split at every few characters by seed; both must agree.
"""

import json
import random
from collections import Counter
from typing import Any

from nebulus.calls import ReaderProfile, StreamReader, read, tool_specs
from nebulus.calls.acceptance import Needed
from nebulus.calls.text import parse
from nebulus.core.answers import FinishReason, ModelAnswer
from nebulus.core.findings import CallEvidence, Reading

PUBLISHED = {
    "vLLM 0.30": (268, 86, 115),
    "SGLang 0.5.20": (189, 62, 197),
    "llama.cpp a25c9865": (278, 46, 114),
    "Ollama 7af39318": (224, 10, 27),
}
"""Pass, soft, fail. Source: canitoolcall 0.1.1, README, snapshot of 2026-09-25."""
_REASONING_OPENERS = ("<think>", "[THINK]", "<|open|>think<|sep|>")


AS_A_PARSER = CallEvidence.MARKED
"""The evidence that a server's parser asks: its marks."""


def measure(needed: Needed = AS_A_PARSER) -> dict[str, Any]:
    """Return counts by status, by family, and what failed, of a reader that asks `needed` evidence.

    Raises:
        ImportError: canitoolcall is not installed.
    """
    from canitoolcall import checks
    from canitoolcall.fixtures import load_fixtures
    from canitoolcall.pytest_plugin import family_for
    from canitoolcall.results import Observation, worst_status

    total: Counter[str] = Counter()
    families: dict[str, Counter[str]] = {}
    failed = []
    for fixture in load_fixtures(None):
        profile = _profile(fixture, family_for(fixture))
        reading, result = _whole(fixture, profile, needed)
        streams = {f"pieces {seed}": _streamed(fixture, profile, seed, needed=needed) for seed in range(3)}
        rows = checks.run_checks(fixture, family_for(fixture), Observation(nonstream=result, streams=streams))
        status = worst_status([row.status for row in rows]).value
        total[status] += 1
        families.setdefault(fixture.id.split("/")[0], Counter())[status] += 1
        if status == "fail":
            why = reading.finding.sentence() if reading.finding else "read otherwise"
            failed.append({"id": fixture.id, "why": why})
    return {"total": total, "families": families, "failed": failed}


def _profile(fixture: Any, family: Any) -> ReaderProfile:
    """Return what the fixture says of its model: whether the prompt ends inside reasoning."""
    prompt = fixture.generation_prompt
    if prompt is None:
        models = {model.repo: model.default_generation_prompt for model in family.reference_models}
        prompt = models.get(fixture.models[0]) or ""
    return ReaderProfile(starts_in_reasoning=prompt.rstrip("\n").endswith(_REASONING_OPENERS))


def _finish(fixture: Any) -> FinishReason:
    return FinishReason.LENGTH if "truncated" in fixture.tags else FinishReason.STOP


def _whole(fixture: Any, profile: ReaderProfile, needed: Needed) -> tuple[Reading, Any]:
    answer = ModelAnswer(text=fixture.raw_output, finish=_finish(fixture))
    reading = read(answer, tool_specs(fixture.tools), profile=profile, needed=needed)
    return reading, _result(fixture, reading, profile)


def _streamed(fixture: Any, profile: ReaderProfile, seed: int, *, needed: Needed) -> Any:
    rng, text = random.Random(seed), fixture.raw_output
    reader = StreamReader(tool_specs(fixture.tools), profile=profile, needed=needed)
    while text:
        length = rng.randrange(1, 9)
        reader.feed(text[:length])
        text = text[length:]
    return _result(fixture, reader.close(_finish(fixture)), profile)


def _result(fixture: Any, reading: Reading, profile: ReaderProfile) -> Any:
    """Return a reading in canitoolcall's terms: content, reasoning and calls."""
    from canitoolcall.results import ParsedToolCall, ParseResult

    said = parse(fixture.raw_output, {tool.name: tool for tool in tool_specs(fixture.tools)}, profile=profile)
    content = reading.text if reading.finding is None else said.words
    calls = tuple(ParsedToolCall(call.tool, json.dumps(call.arguments)) for call in reading.calls)
    return ParseResult(
        content=content or None, reasoning_content=said.reasoning.strip() or None, tool_calls=calls
    )
