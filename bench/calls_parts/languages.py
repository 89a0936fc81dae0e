"""How well English is told apart from other languages: sentences from the message catalogues of programs.

The catalogues are those of this machine (`*.mo`, as gettext writes them); nobody wrote them for this purpose. The
English sentences are messages such as "Unterminated quoted string.", terser than words around a call.
"""

import gettext
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nebulus.calls.language import is_foreign
from nebulus.calls.wording import KNOWN_VERBS

LANGUAGES = (
    "de", "fr", "es", "it", "pt_BR", "nl", "sv", "da", "nb", "pl", "cs", "ru", "uk", "ja", "zh_CN", "ko", "tr", "fi",
    "el", "vi", "id", "hu", "ro", "ar", "he", "hi", "ca",
)  # fmt: skip
MOST = 400
"""Sentences of one language."""
_SENTENCE = re.compile(r"[^\W\d_][^%\\<>{}\[\]=_|`@\"«»“”'\n]{8,160}[.!?\u3002\uff01\uff1f]")


def measure(folder: Path) -> dict[str, tuple[int, int]]:
    """Return, for each language, how many of its sentences are taken for not English, and how many there are."""
    english: set[str] = set()
    found: dict[str, list[str]] = {}
    for language in LANGUAGES:
        pairs = list(_pairs(folder, language))
        english.update(source for source, _ in pairs)
        found[language] = sorted({target for _, target in pairs})
    counts: dict[str, tuple[int, int]] = {}
    for language, sentences in {"English": sorted(english), **found}.items():
        taken = sentences[:: max(1, len(sentences) // MOST)][:MOST]
        counts[language] = (sum(is_foreign(each, frozenset(), KNOWN_VERBS) for each in taken), len(taken))
    return counts


def _pairs(folder: Path, language: str) -> Iterator[tuple[str, str]]:
    for path in sorted((folder / language / "LC_MESSAGES").glob("*.mo")):
        try:
            with path.open("rb") as file:
                catalogue: dict[Any, str] = vars(gettext.GNUTranslations(file))["_catalog"]
        except UnicodeDecodeError:
            continue  # a catalogue that does not name its encoding
        for source, target in catalogue.items():
            is_plain = isinstance(source, str) and source != target
            if is_plain and _SENTENCE.fullmatch(source) and _SENTENCE.fullmatch(target):
                yield source, target


def show(counts: dict[str, tuple[int, int]]) -> None:
    """Print the share of each language that is taken for not English."""
    print(", ".join(f"{name} {hits / of:.0%} of {of}" for name, (hits, of) in counts.items() if of))
