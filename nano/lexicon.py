"""The words of the language, and which of them training never sees.

Invariants: a word belongs to exactly one split, decided by its spelling alone, so that adding a word moves no
other; every name drawn for the held-out split contains at least one held-out part; the names of the
built-in tools of Nebulus are never drawn for training.
"""

import random
import zlib
from collections.abc import Sequence
from typing import Final, Literal, TypeAlias

Split: TypeAlias = Literal["train", "held_out"]


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


SYLLABLES: Final = tuple(c + v for c in "bdfgklmnprstvz" for v in "aeiou")

VERBS: Final = _words(
    """add append apply archive assign attach audit backup bind block book build cache cancel check claim clean clear
    clone close collect compare compile compress confirm connect convert copy count create debug decode delete deliver
    deploy detect disable drop dump edit enable encode erase expand export extract fetch filter find fix flag flush
    format forward freeze gather get grant group hide import index insert inspect install invite issue join label link
    list load lock log look make map mark match measure merge modify monitor mount move mute note notify open order pack
    parse patch pause pick pin plan post preview print process publish pull purge push put query queue rank rate read
    rebuild record reduce refresh register reject release remove rename render repair replace reply report request
    reserve reset resize resolve restart restore resume retry review revoke rotate save scale scan schedule search
    select send set share show sign sort split start stop store submit subscribe swap sync tag test touch track
    train transfer translate trim update upload validate verify view watch wrap write zip"""
)

NOUNS: Final = _words(
    """account address agenda agent alarm album alert answer archive article asset backup badge bank barrel basket batch
    beacon bench bill block board body bottle box branch bridge bucket budget bug bundle button cable cache calendar
    camera card cargo case cell chain channel chapter chart chat city claim class client clock cloud code column
    comment contact content contract copy corner counter course cover crate customer data day dataset deck delivery
    depot design desk detail device diagram diary disk document domain door draft drawer drive editor email engine
    entry error event exam expense factory feature feed field file folder font footer form forum frame garden gate
    graph group guest guide harbor header hotel house image inbox index input invoice issue item job journal key label
    ladder lamp layer ledger lemon lesson letter level library license light limit line link list lot machine mail
    manual map market member memo menu message meter milestone mirror model module month motor name network node note
    notice number object offer office option orbit order origin outbox output owner package page painting panel paper
    parcel parser part partner password patch path patient payment people permit person phone photo picture piece pipe
    place plan planet plant player point policy pool port post price printer profile project prompt proof quarter query
    question queue quote rack record recipe region release reminder report request response result review river road
    robot role room route row rule sample schedule school score screen script season seat section sensor server
    service session sheet shelf shipment shop signal site size sketch slot snapshot source spot staff stage station
    status step stock storage store story stream street student subject summary survey switch symbol system table tag
    target task team template tenant term test text theme thread ticket tile time title token tool topic tower track
    trade train transcript tree trip tunnel unit update user value vault vehicle vendor version video view visit voice
    volume wallet warehouse water week weight wheel window winter word worker year zone"""
)

ADJECTIVES: Final = _words(
    """active annual big blank blue bright broken busy calm central cheap clean clear closed cold common daily dark deep
    digital dry early east empty equal extra fast final first flat formal fresh full general gentle global gold good
    gray green half hard heavy hidden high hot idle initial inner joint large last late left light local long loose
    loud main major manual minor mixed modern monthly narrow new next north official old open outer paid plain private
    public pure quick quiet random raw ready recent red remote rough round safe second secret short silent simple
    single slow small smart soft solid south spare special stable static still strong sudden sweet tall temporary thick
    thin third tiny total urgent valid vital warm weekly west white wide wild wooden yellow young"""
)

GLUE: Final = _words("the a of for and in on to with from by at this that all our no more is was")

PINNED: Final = frozenset(
    _words(
        """list read write edit move delete search file path content old new source target query text name note folder
    report draft inbox archive"""
    )
)
"""Everyday words of file work that stay in training, so that only the *names* of the built-in tools are new."""

BUILT_IN_TOOLS: Final = frozenset(
    _words("list_files read_file write_file edit_file move_file delete_file search list_file search_files")
)

HELD_OUT_SYLLABLES: Final = tuple(s for i, s in enumerate(SYLLABLES) if i % 7 == 3)
_TRAIN_SYLLABLES: Final = tuple(s for s in SYLLABLES if s not in HELD_OUT_SYLLABLES)


def is_held_out(word: str) -> bool:
    """Return whether training never sees this lexicon word."""
    return word not in PINNED and zlib.crc32(word.encode()) % 5 == 0


def _part(words: Sequence[str], split: Split) -> tuple[str, ...]:
    return tuple(w for w in words if is_held_out(w) == (split == "held_out"))


_BY_SPLIT: Final[dict[str, dict[Split, tuple[str, ...]]]] = {
    kind: {"train": _part(words, "train"), "held_out": _part(words, "held_out")}
    for kind, words in (("verb", VERBS), ("noun", NOUNS), ("adjective", ADJECTIVES))
}


def pick(rng: random.Random, kind: Literal["verb", "noun", "adjective"], split: Split) -> str:
    """Return a word of the kind that belongs to the split."""
    return rng.choice(_BY_SPLIT[kind][split])


def syllable_word(rng: random.Random, split: Split, *, low: int = 2, high: int = 3) -> str:
    """Return a made-up word of `low` to `high` syllables; held-out words contain a held-out syllable."""
    count = rng.randint(low, high)
    if split == "train":
        return "".join(rng.choice(_TRAIN_SYLLABLES) for _ in range(count))
    parts = [rng.choice(SYLLABLES) for _ in range(count)]
    parts[rng.randrange(count)] = rng.choice(HELD_OUT_SYLLABLES)
    return "".join(parts)


def _plural(noun: str) -> str:
    return noun if noun.endswith("s") else noun + "s"


def _join(rng: random.Random, parts: Sequence[str]) -> str:
    style = rng.random()
    if style < 0.86:
        return "_".join(parts)
    if style < 0.94:
        return parts[0] + "".join(p.capitalize() for p in parts[1:])
    return "-".join(parts)


def identifier(rng: random.Random, split: Split) -> str:
    """Return a name for a tool or a parameter: one to three parts, made-up or English."""
    if rng.random() < 0.45:
        parts = [syllable_word(rng, split, low=1, high=3)]
        if len(parts[0]) == 2 or rng.random() < 0.5:
            parts.append(syllable_word(rng, split, low=1, high=2))
        return _join(rng, parts)
    parts = [pick(rng, "verb", split), pick(rng, "noun", split)]
    shape = rng.random()
    if shape < 0.15:
        parts = parts[1:] if rng.random() < 0.5 else parts[:1]
    elif shape < 0.3:
        parts.insert(1, pick(rng, "adjective", split))
    elif shape < 0.4:
        parts[1] = _plural(parts[1])
    return _join(rng, parts)


def tool_names(rng: random.Random, split: Split, count: int) -> list[str]:
    """Return `count` different tool names; four sets in ten share a verb or a noun, as real tool sets do."""
    names: list[str] = []
    is_family = rng.random() < 0.4
    verb, noun = pick(rng, "verb", split), pick(rng, "noun", split)
    by_noun = rng.random() < 0.6
    while len(names) < count:
        if is_family and rng.random() < 0.8:
            form = _plural(noun) if rng.random() < 0.2 else noun
            name = f"{pick(rng, 'verb', split)}_{form}" if by_noun else f"{verb}_{pick(rng, 'noun', split)}"
        else:
            name = identifier(rng, split)
        if name not in names and name not in BUILT_IN_TOOLS:
            names.append(name)
    return names
