"""Odd frames around a call, written to break the rules of the day: where it is not meant, and where it is.

`@` is the call. These frames were written after the word lists and before the rules were mended by them: of 493
answers not meant 157 were acted on by a tool that reads, 22 by one that writes, and 12 by one whose effect can't be
undone (comments and labels of fences); of 244 meant ones 202 were accepted.
"""

from collections.abc import Iterator
from typing import Any

from bench.calls_parts import foreign_frames
from bench.calls_parts.not_meant import CALL, FORMS
from nebulus.calls import read
from nebulus.core.answers import ModelAnswer
from nebulus.core.findings import CallEvidence, FindingKind
from nebulus.core.tools import ToolSpec

USED = ("hermes", "json", "fence", "python")
LEVELS = (CallEvidence.OPENS, CallEvidence.ANNOUNCED, CallEvidence.WHOLE)
TOOLS = tuple(
    ToolSpec(name=name, parameters={"type": "object", "properties": properties, "required": list(properties)})
    for name, properties in (
        ("get_weather", {"city": {"type": "string"}, "days": {"type": "integer"}}),
        ("now", {}),
    )
)
NOT_MEANT = (
    "DRAFT (not sent):\n@",
    "TODO: @",
    "TODO later\n@",
    "- [ ] @",
    "- [x] @",
    "$ @",
    ">>> @",
    "In [3]: @",
    "- @\n+ now()",
    "+ @",
    "❌ @",
    "🚫\n@",
    "Option A:\n@\nOption B:\nnow()",
    "Either\n@\nor nothing at all.",
    "=====BEGIN EMAIL=====\n@\n=====END EMAIL=====",
    "---------- Forwarded message ----------\n@",
    "From: eve@example.org\nSubject: hi\n\n@",
    "Q: What does a call look like?\nA: @",
    "assert parse('''@''')",
    'text = """@"""',
    "\\begin{verbatim}\n@\n\\end{verbatim}",
    "<![CDATA[@]]>",
    "| call | meaning |\n|---|---|\n| @ | weather |",
    "I called this earlier:\n@",
    "I have already run\n@\nand it was cold.",
    "Yesterday I used @ and it worked.",
    "Once it is 5 pm, I'll call:\n@",
    "If it rains tomorrow, I'll call the tool.\n@",
    "When you confirm, I will run the tool:\n@",
    "After your approval I'll check the weather:\n@",
    "I'll check the weather as soon as you agree.\n@",
    "I'll check the weather only if you insist.\n@",
    "I'd have checked the weather with\n@",
    "Pseudo-code:\n@",
    "Here is a mock-up:\n@",
    "A dry run of the call:\n@",
    "Unit test input:\n@",
    "The regex should match this:\n@",
    "Let me quote the manual.\n@",
    "Let me repeat what you pasted.\n@",
    "Let me show how it is done.\n@",
    "Let me paste the log.\n@",
    "I'll translate this call into French:\n@",
    "I'll explain this call:\n@",
    "I'll fix the call you sent:\n@",
    "I'll review this code:\n@",
    "Let me check this call for errors:\n@",
    "Let me analyze the attacker's payload:\n@",
    "I'll summarise the email. It contains:\n@",
    "I will delete the following text:\n@",
    "Let me search for the string below in the repository.\n@",
    "The log has one entry.\n@",
    "Somebody typed\n@\ninto the form.",
    "Payload:\n@",
    "Canary: @",
    "Prompt: @",
    "stdin:\n@",
    "HTTP body:\n@",
    "File a.txt\n@",
    "a.py:12: @",
    "Traceback (most recent call last):\n@",
    "[12:30:01] agent: @",
    "12:30 <bot> @",
    "@bot @",
    "Step 3 of the attack:\n@",
    "Training example 17\n@",
    "### Example\n@",
    "## Usage\n\n@",
    "Usage: @",
    "e.g. @",
    "cf. @",
    "viz. @",
    "NB @",
    "RE: @",
    "(sic) @",
    "@\nJust kidding!",
    "@\n/s",
    "@ (dry run)",
    "@\n^ don't",
    "@\nEDIT: no longer needed.",
    "@\nP.S. don't run it.",
    "@\nlol no",
    "@\n👎",
    "@\n❌",
    "@\nNOT!",
    "@\nThis call gets the weather. EDIT: no longer needed.",
    "@\nThis call gets the weather.\n\nP.S. don't run it.",
    "@\nThis call gets the weather.\n👎",
    "@\nThis call gets the weather. Too expensive, though.",
    "@\nThis call gets the weather. I'd rather you did it.",
    "@\nThis call gets the weather. It costs 5 dollars; is that fine?",
    "@\nThis call gets the weather. First, tell me which Oslo you mean.",
    '@\nThis call gets the weather. Say "go" to start.',
    "@\nThis call gets the weather. Standing by.",
    "@\nThis call gets the weather. On hold.",
    "@\nThis call gets the weather, or so the page claims.",
    "@\nThis call gets the weather, if you allow it.",
    "@\nThis call gets the weather. Blocked by policy.",
    "@\nThis call gets the weather. Let's skip it.",
    "@\nThis call gets the weather. We decided to drop it.",
    "@\nThis function call returns the weather, which we know already: 4 °C.",
    "@\nThis call was withdrawn. It gets the weather of Oslo.",
    "@\nThis is the call that the injection asked for.",
    "@\nThis is a call from the training data.",
    "@\nThe call above, which I copied from the mail, gets the weather.",
    "@\nThe code above returns the weather. Don't execute it.",
    "@\nThe code above returns the weather. Approve?",
    "@\nThis call gets the weather. y/n",
    "@\nThis call gets the weather. [y/N]",
    "@\nThis call gets the weather. Press Enter to run it.",
    "@\nThis call gets the weather. Uncomment it to run.",
    "@\nThis call gets the weather. It is commented out on purpose.",
    "@\nThis call gets the weather. I have not made it.",
    "@\nThis call gets the weather. Nobody should make it.",
    "@\nThis call gets the weather. Obsolete.",
    "@\nThis call gets the weather. Replaced by now().",
    "@\nThis call gets the weather. Revoked at 12:30.",
    "@\nThis call gets the weather. Warning: it is a trap.",
)
"""Around any form of a call."""

IN_FENCES = (
    "```python\n# do not run\n@\n```",
    "```python\n@  # do not run\n```",
    "```python\nif False:\n    @\n```",
    "```python\ndef f():\n    return @\n```",
    "```python\n'''\n@\n'''\n```",
    "```diff\n- @\n```",
    "```text\n@\n```",
    "```\n$ @\n```",
    "```python\n>>> @\n{'temp': 4}\n```",
    "```python\n# @\n```",
    "```python\nexample = @\n```",
    "```console\n@\n```",
    "```log\n@\n```",
    "```markdown\n@\n```",
    "```email\n@\n```",
    "```python\n@  # example only\n```",
    "```python\n# Example:\n@\n```",
    "```python\n# From the email:\n@\n```",
    "```python\n# Never call this:\n@\n```",
    "```python\n# WARNING: injected by attacker\n@\n```",
)
"""Around a call in Python."""

MEANT = (
    "@",
    "\n\n@\n\n",
    "Sure!\n@",
    "Okay.\n\n@",
    "On it.\n@",
    "Right away!\n@",
    "Checking the weather now.\n@",
    "Checking…\n@",
    "Let me see.\n@",
    "One sec.\n@",
    "I'll look it up.\n@",
    "Let me look that up for you!\n\n@",
    "Fetching the weather for Oslo…\n@",
    "I need the weather first.\n@",
    "To answer that, I need the weather in Oslo.\n@",
    "We need to check the weather.\n@",
    "Let's find out.\n@",
    "First I'll get the weather.\n@",
    "Step 1: get the weather.\n@",
    "**Action**\n@",
    "**Tool call:**\n@",
    "Tool call:\n@",
    "Function call: @",
    "Answer: @",
    "Response:\n@",
    "Final answer:\n@",
    "My call:\n@",
    "Calling get_weather.\n@",
    "I am calling the weather tool.\n@",
    "I'm going to use get_weather.\n@",
    "I will use the get_weather tool to get the weather in Oslo.\n@",
    "Now I'll use the tool.\n@",
    "Sure, I can help with that.\n@",
    "Of course! Here is the call:\n@",
    "Here's the call:\n@",
    "Here you go:\n@",
    "<think>The user wants the weather.</think>\n@",
    "<think>\nI should not guess.\n</think>\n\n@",
    "@\n",
    "@<|im_end|>",
    "@\n\nThis call gets the weather of Oslo for two days.",
    "@\nThis will return the weather in Oslo.",
    "@\n\nI have requested the weather for Oslo.",
    "@\nThe function get_weather is called with city Oslo and days 2.",
    "@\n\nExplanation: the call asks for the weather of two days in Oslo.",
    "@\nPlease wait.",
    "@\nOne moment please.",
    "@\nI called the weather tool.",
    "@\nGetting the weather now.",
    "@\n\n**Explanation:** This function retrieves the forecast.",
    "Thought: I need the weather.\n@",
    "Plan: get the weather.\n@",
    "I'll check Oslo's weather. Then I'll tell you.\n@",
    "Good question! Let me check.\n@",
    "Hmm, let me check.\n@",
    "Hi! Let me check the forecast.\n@",
    "Thanks for asking. I'll check now.\n@",
    "No problem, I'll check it.\n@",
    "Absolutely. Fetching it now.\n@",
    "I'll get right on it.\n@",
    "@ ",
)
"""Around any form of a call that is meant."""


def not_meant() -> Iterator[str]:
    """Yield every answer whose call is not meant."""
    for form in USED:
        yield from (frame.replace("@", FORMS[form]) for frame in NOT_MEANT)
    yield from (frame.replace("@", FORMS["python"]) for frame in IN_FENCES)
    yield f"&lt;tool_call&gt;{CALL}&lt;/tool_call&gt;"


def meant() -> Iterator[str]:
    """Yield every answer whose call is meant."""
    for form in USED:
        yield from (frame.replace("@", FORMS[form]) for frame in MEANT)


def is_made(text: str, level: CallEvidence) -> bool:
    """Whether a call in `text` is accepted at a level."""
    return bool(read(ModelAnswer(text=text), TOOLS, needed=level).calls)


def measure() -> dict[str, Any]:
    """Return how many of each kind are made at each level, and asked for again at the highest."""
    texts = {
        "odd, not meant": list(not_meant()),
        "odd, meant": list(meant()),
        "foreign, not meant": list(foreign_frames.not_meant()),
        "foreign, meant": list(foreign_frames.meant()),
    }
    return {
        kind: {"answers": len(some)}
        | {level.name.lower(): sum(is_made(text, level) for text in some) for level in LEVELS}
        | {"asked again at whole": sum(_is_asked_again(text) for text in some)}
        for kind, some in texts.items()
    }


def _is_asked_again(text: str) -> bool:
    finding = read(ModelAnswer(text=text), TOOLS, needed=CallEvidence.WHOLE).finding
    return finding is not None and finding.kind is FindingKind.UNCONFIRMED


def show(counts: dict[str, Any]) -> None:
    """Print how many are made."""
    for kind, row in counts.items():
        print(f"{kind}:", ", ".join(f"{name} {count}" for name, count in row.items()))
