"""No regular expression can be made to take more than linear time.

`bench/regex_growth.py` measures what is analysed here, on texts up to 1 MB.
"""

import re

import pytest

from bench.regex_parts.ambiguity import waste_of
from bench.regex_parts.collection import Pattern, patterns

WASTEFUL = (
    r"(a+)+b",
    r"(a|a)*b",
    r"\w+@",
    r"\s+$",
    r"\beyJ[\w-]{10,}\.",
    r"[\w.-]*(?:pass|secret)\s*=",
    r"[^.?!\n]*[.?!]+(?=\s|$)",
    r"^\s*#:\s*(.*\S)\s*$",
    r"(?=[\w-]*\d)\w",
    r"(?m)^\s*x",
    r"https?://[^\s]+\.",
)
LINEAR = (
    r"(?<![\w-])eyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,}",
    r"a.*",
    r"[ \t]{0,8}\n",
    r"(?:secret|api)\s*[:=]\s*x",
    r"\d{1,3}(?:,\d{3})+",
    r"--B--(?:[^-]|-(?!-{4}))*(?:--E--)?",
    r"\w+(?:[@./:\-]+\w+)*",
    r"x\s*+\s*y",
    r"<[^<>]*>",
)


@pytest.fixture(scope="module")
def every_pattern() -> list[Pattern]:
    return patterns()


@pytest.mark.parametrize("pattern", WASTEFUL)
def test_a_pattern_that_can_waste_time_is_found_with_a_text_that_shows_it(pattern: str) -> None:
    waste = waste_of(pattern)
    assert waste is not None
    assert waste.pump


@pytest.mark.parametrize("pattern", LINEAR)
def test_a_linear_pattern_passes(pattern: str) -> None:
    assert waste_of(pattern) is None


@pytest.mark.slow
def test_no_pattern_of_the_package_can_waste_time(every_pattern: list[Pattern]) -> None:
    assert len(every_pattern) > 230
    wasteful = [
        f"{each.module}:{each.line}: {waste.degree} on {waste.prefix!r} and then {waste.pump!r} repeated"
        for each in every_pattern
        if (waste := waste_of(each.text, each.flags, is_search=each.is_search))
    ]
    assert not wasteful, "\n" + "\n".join(wasteful)


def test_every_pattern_is_collected_wherever_it_is_written(every_pattern: list[Pattern]) -> None:
    found = {(each.module, each.text) for each in every_pattern}
    assert any(module == "nebulus.app.settings" and "anthropic" in text for module, text in found)
    assert any(
        module == "nebulus.recovery.error_patterns" and "rate[- ]?limit" in text for module, text in found
    )
    assert all(re.compile(text) for _, text in found)
