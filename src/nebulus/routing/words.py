"""Words of a text as far as they tell what it is about: lower case, without endings, without the words of every text."""

import functools
import re

_WORD = re.compile(r"[^\W\d_]{2,}")
_INNER_CAPITAL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_COMMON = frozenset(
    ["an", "the", "of", "for", "to", "in", "on", "at", "is", "are", "was", "were", "be", "and", "or", "with", "by", "from", "as", "it", "its", "this", "that", "these", "those", "you", "my", "me", "we", "our", "can", "could", "would", "please", "what", "which", "how", "who", "when", "where", "do", "does", "did", "has", "have", "need", "want", "given", "provide", "get", "find", "if", "not", "no", "any", "all", "some", "into", "out", "up", "about", "between", "using", "use", "used"]
)  # fmt: skip
_ENDINGS = ("ings", "ing", "ions", "ion", "ers", "er", "ies", "es", "ed", "ly", "al", "s", "e")
_SHORTEST_STEM = 3


@functools.lru_cache(maxsize=4096)
def stem(word: str) -> str:
    """Return `word` without one common English ending, so that "calculated" and "calculation" meet."""
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= _SHORTEST_STEM:
            return word[: -len(ending)]
    return word


@functools.lru_cache(maxsize=512)
def stems(text: str) -> frozenset[str]:
    """Return the stems of the words in `text`; identifiers count as the words that they are made of."""
    split = _INNER_CAPITAL.sub(" ", text).lower()
    return frozenset(stem(word) for word in _WORD.findall(split) if word not in _COMMON)


def stems_of_name(name: str) -> frozenset[str]:
    """Return the stems of an identifier such as `list_files` or `listFiles`."""
    return stems(name.replace("_", " ").replace(".", " "))
