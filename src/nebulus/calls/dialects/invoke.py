"""Anthropic's and MiniMax's `<invoke>`, and DeepSeek's DSML of the same shape.

Source: Anthropic, "Tool use (legacy)"; the chat template of MiniMax-M2; deepseek-ai/DeepSeek-V3.2,
encoding/encoding_dsv32.py.
"""

import re

from nebulus.calls.bodies import json_arguments_block
from nebulus.calls.candidate import Candidate
from nebulus.calls.dialect import Block, Dialect, Source
from nebulus.calls.markup import Markup, marked_block

OPENER = re.compile(r"<(?:\w{1,12}:)?invoke\s+name=[\"']?([^\"'>\n]{1,160})[\"']?\s*(/?)>")
_TAG = r"｜DSML｜\s?"
_DSML_OPENER = re.compile(rf"<{_TAG}invoke\s+name=\"([^\"\n]{{1,160}})\"\s*(/?)>")
MARKUP = Markup(
    opener=r"<(?:\w{1,12}:)?parameter\s+name=[\"']?(?P<key>[^\"'>\n]{1,160})[\"']?[^>\n]{0,80}>",
    closer=r"</(?:\w{1,12}:)?parameter>",
    call_closer=r"</(?:\w{1,12}:)?invoke>",
    behind_call=r"</?(?:\w{1,12}:)?(?:function_calls|tool_call|invoke)\b",
)
DSML = Markup(
    opener=rf"<{_TAG}parameter\s+name=\"(?P<key>[^\"\n]{{1,160}})\"\s+string=\"(?P<kind>true|false)\"\s*>",
    closer=rf"</{_TAG}parameter>",
    call_closer=rf"</{_TAG}invoke>",
    behind_call=r"</?｜DSML｜",
    text_kinds=frozenset({"true"}),
)
_JSON_AHEAD = re.compile(r"\s*+\{")


def take(source: Source, start: int, body: int) -> Block | None:
    """Take the call whose `<invoke` tag is at `start`."""
    return take_at(source, start, start)


def take_at(source: Source, start: int, place: int) -> Block | None:
    """Take the call whose `<invoke` tag is at `place`, for a block that begins at `start`."""
    match = OPENER.match(source.text, place)
    return _taken(source, start, match, markup=MARKUP) if match else None


def take_dsml(source: Source, start: int, body: int) -> Block | None:
    """Take the DSML call that begins at `start`."""
    match = _DSML_OPENER.match(source.text, start)
    return _taken(source, start, match, markup=DSML) if match else None


def _taken(source: Source, start: int, match: re.Match[str], *, markup: Markup) -> Block:
    dialect = "deepseek" if markup is DSML else "invoke"
    if match[2]:
        return Block(start=start, end=match.end(), dialect=dialect, candidates=(Candidate(match[1], {}),))
    if markup is DSML and _JSON_AHEAD.match(source.text, match.end()):
        closers = ("</｜DSML｜invoke>", "</｜DSML｜ invoke>")
        return json_arguments_block(
            source, start, match.end(), name=match[1], dialect=dialect, closers=closers
        )
    return marked_block(source, start, match.end(), name=match[1], dialect=dialect, markup=markup)


_NAMESPACES = ("", "antml" + ":", "steptml:")
"""Before the names of tags. Source: Anthropic, "Tool use (legacy)"; the chat template of stepfun-ai/step3."""
DIALECT = Dialect(
    name="invoke",
    openers=tuple(f"<{space}invoke " for space in _NAMESPACES),
    take=take,
    noise=(
        *(f"<{slash}{space}function_calls>" for slash in ("", "/") for space in _NAMESPACES),
        *(f"</{space}{word}>" for space in _NAMESPACES for word in ("invoke", "parameter")),
        *("<minimax:tool_call>", "</minimax:tool_call>", "</arg_key>", "</arg_value>"),
        *("<｜tool_calls_begin｜>", "<｜tool_calls_end｜>", "<｜tool_call_end｜>"),
        *("<｜tool_call_begin｜>function<｜tool_sep｜>", "<｜tool_call_begin｜>"),
    ),
)
DSML_DIALECT = Dialect(
    name="dsml",
    openers=("<｜DSML｜invoke ", "<｜DSML｜ invoke "),
    take=take_dsml,
    noise=tuple(
        f"<{slash}｜DSML｜{gap}{word}>"
        for slash in ("", "/")
        for gap in ("", " ")
        for word in ("function_calls", "tool_calls", "calls")
    ),
)
