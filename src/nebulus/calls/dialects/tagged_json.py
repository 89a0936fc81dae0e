"""Families that only differ in the tags around their JSON.

Sources: granite-3 and phi-4-mini chat templates (`<|tool_call|>`); microsoft/Phi-3.5 (`functools`);
nvidia/Llama-3.1-Nemotron (`<TOOLCALL>`); internlm2.5 (`<|action_start|>`); CohereForAI/c4ai-command-r7b
(`<|START_ACTION|>`); CohereForAI/c4ai-command-r-v01 and LangChain's
structured chat agent (`Action:` and a code block); swiss-ai/Apertus (`<|tools_prefix|>`); ai-sage/GigaChat3
(`function call<|role_sep|>`), from vLLM's gigachat3_tool_parser.
"""

import re

from nebulus.calls.bodies import json_block, tagged
from nebulus.calls.dialect import Block, Dialect, Source

_CODE_BLOCK = re.compile(r"\s*+```(?:json)?\s*+(?=[\[{])")


def _take_phi(source: Source, start: int, body: int) -> Block:
    return json_block(source, start, body - 1, dialect="phi", closers=())  # the bracket is the list's own


def _take_action(source: Source, start: int, body: int) -> Block | None:
    if not _CODE_BLOCK.match(source.text, body):
        return None
    return json_block(source, start, body, dialect="command", closers=("```",))


DIALECTS = (
    Dialect(
        name="granite",
        openers=("<|tool_call|>",),
        take=tagged("granite", "<|/tool_call|>", "<|end_tool_call|>"),
    ),
    Dialect(name="phi", openers=("functools[",), take=_take_phi),
    Dialect(name="nemotron", openers=("<TOOLCALL>",), take=tagged("nemotron", "</TOOLCALL>")),
    Dialect(
        name="internlm", openers=("<|action_start|><|plugin|>",), take=tagged("internlm", "<|action_end|>")
    ),
    Dialect(
        name="command",
        openers=("<|START_ACTION|>",),
        take=tagged("command", "<|END_ACTION|>"),
        noise=("<|START_RESPONSE|>", "<|END_RESPONSE|>", "<|START_TEXT|>", "<|END_TEXT|>"),
    ),
    Dialect(name="command", openers=("Action:",), take=_take_action),
    Dialect(name="apertus", openers=("<|tools_prefix|>",), take=tagged("apertus", "<|tools_suffix|>")),
    Dialect(
        name="gigachat",
        openers=("function call<|role_sep|>",),
        take=tagged("gigachat", "<|message_sep|>"),
        noise=("<|message_sep|>",),
    ),
)
