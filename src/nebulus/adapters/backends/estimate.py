"""Prompt sizes without a tokenizer: an upper estimate to plan with, and a floor to convict with."""

from math import ceil

import msgspec

from nebulus.core.answers import ModelRequest
from nebulus.ports.backend import TokenCount

CHARS_PER_TOKEN = 3.0
"""Fewer than the byte-level vocabularies of current models reach on prose, code or JSON (3.2 to 4.7).

Source: Llama 3 (128k entries) and Qwen 2.5 (152k) are published at 4.1 and 4.2 on English; JSON is densest.
"""

TOKENS_PER_EXTRA_BYTE = 0.6
"""Each byte of a character beyond its first: 1.5 tokens for one of three bytes (Chinese, Japanese)."""

TOKENS_PER_MESSAGE = 8
"""Role and turn marks. Source: ChatML writes five tokens a message, Llama 3 four to six."""

TOKENS_PER_TOOL = 12
"""What templates write around each tool's JSON."""

MOST_BYTES_PER_TOKEN = 8
"""No running text reaches this, so a server that reports fewer tokens did not read it all."""


def estimate(request: ModelRequest) -> TokenCount:
    """Return an upper estimate of the prompt, template and tools included."""
    tokens = float(TOKENS_PER_MESSAGE)
    for message in request.messages:
        tokens += TOKENS_PER_MESSAGE + _tokens(message.content)
        tokens += sum(
            TOKENS_PER_TOOL + _tokens(call.name) + _tokens(call.arguments) for call in message.calls
        )
    for tool in request.tools:
        spelled = msgspec.json.encode((tool.name, tool.description, tool.parameters)).decode()
        tokens += TOKENS_PER_TOOL + _tokens(spelled)
    return TokenCount(ceil(tokens), is_exact=False)


def floor_of_messages(request: ModelRequest) -> int:
    """Return a number of tokens that the messages can't be below; white space counts for nothing."""
    return sum(_solid_chars(message.content) for message in request.messages) // MOST_BYTES_PER_TOKEN


def floor_of_tools(request: ModelRequest) -> int:
    """Return a number of tokens that the tools can't be below: names, descriptions and parameter names."""
    return (
        sum(
            len(tool.name)
            + _solid_chars(tool.description)
            + sum(map(len, tool.parameters.get("properties", ())))
            for tool in request.tools
        )
        // MOST_BYTES_PER_TOKEN
    )


def _tokens(text: str) -> float:
    extra_bytes = 0 if text.isascii() else len(text.encode("utf-8", "surrogatepass")) - len(text)
    return len(text) / CHARS_PER_TOKEN + extra_bytes * TOKENS_PER_EXTRA_BYTE


def _solid_chars(text: str) -> int:
    return sum(map(len, text.split()))
