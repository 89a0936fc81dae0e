"""Prompt sizes without a tokenizer: an upper estimate to plan with, and a floor that proves a loss."""

import string
from math import ceil

import msgspec

from nebulus.core.answers import ModelRequest
from nebulus.ports.backend import TokenCount

_LETTERS = string.ascii_letters.encode()
_DIGITS = string.digits.encode()
_MARKS = string.punctuation.encode()
_BLANKS = b" \t\r\v\f"
_LINE_ENDS = b"\n"
_SPACES = b" \t\n\r\v\f\x1c\x1d\x1e\x1f"
"""All white space in ASCII, as `str.split` sees it."""
_NOT_ASCII = bytes(range(0x80, 0x100))
_FOUR_BYTE_STARTS = bytes(range(0xF0, 0xF5))

TOKENS_PER_BYTE: tuple[tuple[bytes, float], ...] = (
    (_LETTERS, 1 / 3),
    (_DIGITS, 1.0),
    (_MARKS, 0.9),
    (_BLANKS, 1 / 8),
    (_LINE_ENDS, 1.7),  # with the indent that follows
    (_NOT_ASCII, 0.6),
    (_FOUR_BYTE_STARTS, 1.6),  # emoji come apart into their bytes
)
"""Tokens that one byte of each class costs at most, in running text.

Source: fitted to Mistral's published tokenizers of 32k (v3) and 131k (tekken) entries: on prose, Python,
JSON, tables, Chinese, Japanese, Russian, Arabic and Hindi the estimate is 1.0 to 4.7 times the truth (1.0 to
1.7 on the first four); on hexadecimal and base64 it is as low as 0.5: no figure that suits words covers noise.
"""

TOKENS_PER_MESSAGE = 8
"""Role and turn marks. Source: ChatML writes five tokens a message, Llama 3 four to six."""

TOKENS_PER_TOOL = 12
"""What templates write around each tool's JSON."""

MOST_BYTES_PER_TOKEN = 8
"""No running text reaches this, so a server that reports fewer tokens did not read it all.

Source: the same texts and tokenizers; the most, white space not counted, is 4.5 (English prose).
"""


def estimate(request: ModelRequest) -> TokenCount:
    """Return an upper estimate of the prompt, template and tools included."""
    tokens = float(TOKENS_PER_MESSAGE)
    for message in request.messages:
        tokens += TOKENS_PER_MESSAGE + _tokens(message.content)
        tokens += sum(
            TOKENS_PER_TOOL + _tokens(call.name) + _tokens(call.arguments) for call in message.calls
        )
    for tool in request.tools:
        text = msgspec.json.encode((tool.name, tool.description, tool.parameters)).decode()
        tokens += TOKENS_PER_TOOL + _tokens(text)
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
    data = text.encode("utf-8", "replace")
    return sum(
        weight * (len(data) - len(data.translate(None, members))) for members, weight in TOKENS_PER_BYTE
    )


def _solid_chars(text: str) -> int:
    if text.isascii():  # the same, several times as fast
        return len(text.encode().translate(None, _SPACES))
    return sum(map(len, text.split()))
