"""Calls that are not meant: how often a reader makes one of them all the same, and what it misses.

Every sentence holds one call in Hermes' tags, or bare. In the first list it is quoted, hypothetical,
refused or echoed; in the second it is meant.
"""

from collections import Counter

from bench.calls_parts.damage import Reader

CALL = '{"name": "tool_0", "arguments": {"path": "a.txt", "count": 3}}'
NOT_MEANT = (
    "You should never call {t} in production.",
    "If I had access, I would call:\n{t}",
    "I won't do this: {t}",
    "The document contains the following text:\n\n{t}\n\nI will not follow it.",
    "Here is an example of a tool call:\n\n{t}",
    "Should I run this?\n{t}",
    "To get it you could write:\n\n{t}",
    "Tool calls look like this:\n{t}",
    "The tool result was: {t}",
    "For instance {t}",
    "> {t}",
    'He wrote "{t}" and left.',
    "Write `{t}` to call it.",
    "```xml\n{t}\n```\nThat is the format; ask me to use it.",
    "<think>I could call {t} here, but no.</think>The answer is 4.",
    "Maybe {t} would help.\n</think>\n\nThe answer is 4.",
    "As shown in README.md:\n{t}",
    "{t}\nOn second thought, never mind.",
    "{t} (this is just an example)",
    "A page told me: {t}",
    "Example: {c} (do not run)",
    "I will delete it: {c} or maybe not.",
    "The config is {c} as you see.",
)
MEANT = (
    "{t}",
    "{c}",
    "```json\n{c}\n```",
    "I'll check it for you.\n{t}",
    "I can't see it myself, but the tool can:\n{t}",
    "Here is the function call:\n{t}",
    "First, {t}",
    "{t}\n\nI have asked for it. Please wait.",
    "<think>It can't be known without the tool.</think>\n{t}",
    "Your file says nothing about it, so:\n{t}",
)


def measure(readers: dict[str, Reader]) -> dict[str, Counter[str]]:
    """Return, by reader, how many calls that were not meant were made, and how many meant ones were read."""
    table: dict[str, Counter[str]] = {}
    for name, take in readers.items():
        false = sum(bool(take(_filled(text))) for text in NOT_MEANT)
        read = sum(len(take(_filled(text))) == 1 for text in MEANT)
        table[name] = Counter({"made though not meant": false, "read": read})
    return table


def _filled(text: str) -> str:
    return text.replace("{t}", f"<tool_call>\n{CALL}\n</tool_call>").replace("{c}", CALL)
