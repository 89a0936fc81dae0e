"""Whether words are in the language that the reader knows, which is English.

Invariant: a sentence in any other language, or in a language of code words that only look like one, is not known,
whatever it says; so what takes a call back, quotes it or asks for leave needs no translation here.
"""

import re
from collections.abc import Set as AbstractSet

FUNCTION_WORDS = frozenset(
    "the this that these those which with and are from by has have it its following above below here been being".split()  # noqa: SIM905
)
"""Words that an English sentence is made with, and that few other languages share."""
_SHARED = frozenset(
    "a an of is in to for on at be can will not no if or after before when each all one two you your i we they our us"  # noqa: SIM905
    " there what how could should would must may their than so but about into only also such any some other more who"
    " where then please do does was were let very just as am over time many most while because since without between"
    " through within every first new need based same now thus therefore however sure okay thanks thank hello certainly"
    " yes great alright absolutely hi right away course problem welcome moment wait moments second sec here my him her his next out up been both few good".split()
)
CALLING = frozenset(
    "function functions code line call calls called returns return parameter parameters argument arguments using used"  # noqa: SIM905
    " output value values note explanation calculates retrieves finds given set result results list python question".split()
)
"""Words with which calls are explained."""
COMMON = _SHARED | CALLING
LEAST_KNOWN = 0.25
"""So much of a sentence is known words. Measured on messages of programs in 25 languages: `bench/calls_parts/languages.py`."""
_FEW = 2
"""A sentence of so few words is known by one of them."""
_OTHER_SCRIPT = re.compile(r"[^\W\d_A-Za-z\u00c0-\u024f\u1e00-\u1eff]")
_QUOTATION = re.compile(r"\"[^\"\n]*\"|`[^`\n]*`|(?<!\w)'[^'\n]*'(?!\w)|\u201c[^\u201d\n]*\u201d")
_CODE = re.compile(r"[={}\[\]<>_|\\#]|\w\(")
_SENTENCE = re.compile(r"(?<=[.!?])\s+|\n+|(?<=[\u3002\uff01\uff1f\uff1a])")
_WORD = re.compile(r"[^\W\d_]+")
_STOPS = ".!?\u2026"


def is_foreign(text: str, own: AbstractSet[str], verbs: AbstractSet[str]) -> bool:
    """Whether a sentence of `text` is not English, apart from quotations, lines of code and the words in `own`.

    `verbs` are stems of verbs that are known besides the words above.
    """
    return any(_is_unknown(each.strip(), own, verbs) for each in _SENTENCE.split(_QUOTATION.sub(" ", text)))


def _is_unknown(sentence: str, own: AbstractSet[str], verbs: AbstractSet[str]) -> bool:
    words = [word for word in _WORD.findall(sentence.lower()) if word.isalpha()]
    if any(word not in own and _OTHER_SCRIPT.search(word) for word in words):
        return True
    known = sum(_is_english(word, verbs) for word in words if len(word) > 1)
    unknown = sum(word not in own and not _is_english(word, verbs) for word in words if len(word) > 1)
    if not unknown or _CODE.search(sentence):
        return False
    if known + unknown <= _FEW:
        return known == 0 and sentence.endswith(tuple(_STOPS))
    return known < LEAST_KNOWN * (known + unknown)


def _is_english(word: str, verbs: AbstractSet[str]) -> bool:
    return word in FUNCTION_WORDS or word in COMMON or stem(infinitive(word)) in verbs


def infinitive(verb: str) -> str:
    """Return a verb in the third person without its ending."""
    if verb.endswith("ies"):
        return verb[:-3] + "y"
    return (
        verb.removesuffix("es") if verb.endswith(("ches", "shes", "sses", "xes")) else verb.removesuffix("s")
    )


def stem(word: str) -> str:
    """Return a verb without the endings that announcements use."""
    for ending in ("ing", "e"):
        word = word.removesuffix(ending)
    return word[:-1] if len(word) > 3 and word[-1] == word[-2] else word
