"""Where a model reasons: how its thought is opened, how it is closed, and how a template is told.

Invariant: a form never begins inside a thought: what a prompt opened is closed before the answer, by the model or
by us.
"""

from typing import Any

from msgspec import Struct


class Thinking(Struct, frozen=True):
    """How one family of models marks a thought; `stop` is what the model itself ends it with."""

    opener: str
    closer: str
    stop: str

    def begun(self, prompt: str) -> str:
        """Return `prompt` with a thought open at its end."""
        return prompt if self._is_open(prompt) else prompt + self.opener

    def ended(self, prompt: str, thought: str = "") -> str:
        """Return `prompt`, which leaves a thought open, with `thought` in it, closed."""
        return f"{prompt}{thought.rstrip()}{self.closer}"

    def _is_open(self, prompt: str) -> bool:
        return prompt.rstrip().endswith(self.opener.rstrip())


THINK = Thinking("<think>\n", "\n</think>\n\n", "</think>")
THINKINGS = (
    THINK,
    Thinking("[THINK]", "[/THINK]", "[/THINK]"),
    Thinking("<|channel>thought\n", "\n<channel|>", "<channel|>"),
    Thinking("<|START_THINKING|>", "<|END_THINKING|>", "<|END_THINKING|>"),
    Thinking("<|channel|>analysis<|message|>", "<|end|><|start|>assistant", "<|end|>"),
)
"""Source: the chat templates of Qwen3 and DeepSeek-R1, Magistral, Gemma 4, Command A Reasoning and gpt-oss."""


def opened_by(prompt: str) -> Thinking | None:
    """Return the thought that `prompt` leaves open at its end; None if it leaves none."""
    return next((each for each in THINKINGS if each.begun(prompt) == prompt), None)


def known_to(template: str) -> Thinking:
    """Return how the models of a chat template mark thoughts; the most common way if it speaks of none."""
    marked = (each for each in THINKINGS if each.opener.rstrip() in template and each.stop in template)
    return next(marked, THINK)


def closes_unopened(text: str) -> bool:
    """Whether `text` ends a thought that it did not begin, so that its prompt did."""
    for each in THINKINGS:
        before, mark, _ = text.partition(each.closer.strip())
        if mark and each.opener.strip() not in before:
            return True
    return False


def switch(is_on: bool) -> dict[str, Any]:
    """Return what tells a chat template whether its model is to reason; one that knows neither name ignores them.

    Source: `enable_thinking` in the templates of Qwen3, GLM-4.5 and Gemma 4; `thinking` in those of
    DeepSeek-V3.1, Granite and Kimi K2.5.
    """
    return {"chat_template_kwargs": {"enable_thinking": is_on, "thinking": is_on}}
