"""The values that arguments carry: text, paths, identifiers, dates, addresses, numbers, truth values, choices.

Invariants: a string value has no quotation mark, backslash, backtick or line break (so that it appears in a prompt
as it does in JSON); a value drawn for an argument that may be written bare has no blank.
"""

import random
import string
from collections.abc import Callable
from typing import Final, TypeAlias

from nano import lexicon
from nano.lexicon import Split

Value: TypeAlias = str | int | bool

_FOLDERS: Final = (
    "inbox archive drafts notes reports src docs data logs tmp out backup home projects config tests images"
)
_EXTENSIONS: Final = "md txt py json csv log yaml toml html pdf png cfg xml sql sh js"
FOLDERS: Final = tuple(_FOLDERS.split())
EXTENSIONS: Final = tuple(_EXTENSIONS.split())
_RANDOM_CHARS: Final = string.ascii_letters + string.digits
_ACCENTED: Final = "äöüßéèáñçøåžłαβдж"
_RANDOM_MARKS: Final = "._-/:@+#%=~"


def _stem(rng: random.Random, split: Split) -> str:
    if rng.random() < 0.5:
        return lexicon.pick(rng, rng.choice(("noun", "noun", "adjective", "verb")), split)
    return lexicon.syllable_word(rng, split)


def word(rng: random.Random, split: Split) -> str:
    """Return one word, made-up or English, sometimes with a capital."""
    text = _stem(rng, split)
    return text.capitalize() if rng.random() < 0.2 else text


def path(rng: random.Random, split: Split) -> str:
    """Return a file or folder path of up to four parts."""
    shape = rng.random()
    if shape < 0.05:
        return rng.choice((".", "./", "/", ".."))
    folders = [
        rng.choice(FOLDERS) if rng.random() < 0.4 else _stem(rng, split) for _ in range(rng.randint(0, 3))
    ]
    if shape < 0.17 and folders:
        return "/".join(folders) + rng.choice(("", "/"))
    stem = _stem(rng, split)
    tail = rng.random()
    if tail < 0.2:
        stem += rng.choice("-_") + _stem(rng, split)
    elif tail < 0.35:
        stem += rng.choice(("-", "_", "")) + str(rng.randint(0, 2030))
    lead = rng.choice(("./", "/", "../", "~/")) if rng.random() < 0.08 else ""
    return lead + "/".join([*folders, stem]) + "." + rng.choice(EXTENSIONS)


def code(rng: random.Random, split: Split) -> str:
    """Return an identifier with digits: `kuma17`, `INV-2041`, `task_88-b`."""
    stem = _stem(rng, split)
    shape = rng.random()
    if shape < 0.4:
        return stem + str(rng.randint(0, 999))
    if shape < 0.7:
        return stem[:3].upper() + "-" + str(rng.randint(1, 99999))
    if shape < 0.85:
        return f"{stem}-{rng.randint(1, 999)}-{rng.choice(string.ascii_lowercase)}"
    return f"{rng.randint(1, 99)}.{rng.randint(0, 30)}.{rng.randint(0, 30)}"


def date(rng: random.Random, split: Split) -> str:
    """Return an ISO date, sometimes with a time."""
    del split
    day = f"{rng.randint(1990, 2039)}-{rng.randint(1, 12):02}-{rng.randint(1, 28):02}"
    return day + (f"T{rng.randint(0, 23):02}:{rng.randint(0, 59):02}" if rng.random() < 0.2 else "")


def email(rng: random.Random, split: Split) -> str:
    """Return an e-mail address in a reserved top-level domain (RFC 2606)."""
    name = _stem(rng, split) + (rng.choice("._") + _stem(rng, split) if rng.random() < 0.4 else "")
    return f"{name}@{_stem(rng, split)}.{rng.choice(('example', 'test', 'invalid'))}"


def noise(rng: random.Random, split: Split) -> str:
    """Return a string without any sense: letters of both cases, digits, marks inside."""
    del split
    pool = rng.choice((string.ascii_lowercase, string.digits, _RANDOM_CHARS, _RANDOM_CHARS))
    text = [rng.choice(pool) for _ in range(rng.randint(3, 14))]
    for _ in range(rng.choice((0, 0, 1, 2))):
        text[rng.randrange(1, len(text) - 1)] = rng.choice(_RANDOM_MARKS)
    return "".join(text)


def phrase(rng: random.Random, split: Split) -> str:
    """Return one to six words, sometimes a sentence with marks and numbers."""
    words: list[str] = []
    for _ in range(rng.randint(1, 6)):
        roll = rng.random()
        if roll < 0.2 and words:
            words.append(rng.choice(lexicon.GLUE))
        elif roll < 0.25:
            words.append(str(rng.randint(0, 2040)))
        elif roll < 0.27:
            words.append(rng.choice((code, path, word))(rng, split))
        else:
            words.append(_stem(rng, split))
        if rng.random() < 0.04:
            words[-1] += rng.choice(",:;")
        elif rng.random() < 0.01:
            words[-1] += rng.choice(_ACCENTED) + rng.choice(string.ascii_lowercase)
    text = " ".join(words).rstrip(",:;")
    if rng.random() < 0.5:
        text = text[0].upper() + text[1:]
    if rng.random() < 0.08 and text[-1].isalnum():
        text += rng.choice(".!?")
    return text


_BARE: Final[tuple[Callable[[random.Random, Split], str], ...]] = (
    word, word, word, path, path, path, code, code, date, email,
)  # fmt: skip
_NOISE_SHARE: Final = 0.05
_BY_KIND: Final[dict[str, Callable[[random.Random, Split], str]]] = {
    "word": word,
    "path": path,
    "code": code,
    "date": date,
    "email": email,
    "noise": noise,
    "phrase": phrase,
}


def bare(rng: random.Random, split: Split) -> str:
    """Return a value without blanks, of any kind."""
    return noise(rng, split) if rng.random() < _NOISE_SHARE else rng.choice(_BARE)(rng, split)


def text_value(rng: random.Random, split: Split, kind: str) -> str:
    """Return a string value of the kind; `any` draws phrases one time in three."""
    if kind == "any":
        return phrase(rng, split) if rng.random() < 0.34 else bare(rng, split)
    if rng.random() < 0.05:
        return bare(rng, split)
    return _BY_KIND[kind](rng, split)
