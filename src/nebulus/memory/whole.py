"""Whether a text contains a value as a whole of its own.

Invariant: a piece of a word, a number, a date or an identifier is not it.
"""

import re

_UNSPACED = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
"""Letters of scripts that put no space between words, or join endings to names: kana, Han, Hangul."""
_JOINING = r"[^\W\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]"


def place_of(value: str, text: str) -> int:
    """Return where `text` contains `value`, which is not empty, as a whole; -1 if nowhere."""
    match = re.search(_edge(value[0], before=True) + re.escape(value) + _edge(value[-1], before=False), text)
    return match.start() if match else -1


def _edge(character: str, *, before: bool) -> str:
    """What must not be next to a value that begins or ends with `character`."""
    if _UNSPACED.match(character):
        return ""
    if not character.isdigit():
        return rf"(?<!{_JOINING})" if before else rf"(?!{_JOINING})"
    return rf"(?<!{_JOINING})(?<!-)(?<!\d[.,/:])" if before else rf"(?!{_JOINING}|[.,/:\-]\d)"
