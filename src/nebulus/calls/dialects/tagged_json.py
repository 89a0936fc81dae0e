"""Families that only differ in the tags around their JSON.

Sources: granite-3 and phi-4-mini chat templates (`<|tool_call|>`); microsoft/Phi-3.5 (`functools`);
nvidia/Llama-3.1-Nemotron (`<TOOLCALL>`); internlm2.5 (`<|action_start|>`); CohereForAI/c4ai-command-r7b
(`<|START_ACTION|>`); CohereForAI/c4ai-command-r-v01 (`Action:` and a code block); swiss-ai/Apertus (`<|tools_prefix|>`).
"""

from nebulus.calls.bodies import json_block, tagged
from nebulus.calls.dialect import Block, Dialect, Source


def _take_phi(source: Source, start: int, body: int) -> Block:
    return json_block(source, start, body - 1, dialect="phi", closers=())  # the bracket is the list's own


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
    Dialect(name="command", openers=("<|START_ACTION|>",), take=tagged("command", "<|END_ACTION|>")),
    Dialect(
        name="command",
        openers=("Action: ```json", "Action:```json", "Action:\n```json"),
        take=tagged("command", "```"),
    ),
    Dialect(name="apertus", openers=("<|tools_prefix|>",), take=tagged("apertus", "<|tools_suffix|>")),
)
