"""What a goal names literally, paths and quoted texts, and which of it no call has used yet.

Invariant: only the form of a text is looked at, never its meaning: what is not certainly a path or a quotation is not
a mention.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

QUOTED_CHARS = 200
"""The longest quotation that counts as a mention."""
MENTIONS_KEPT = 32
_EDGES = "\"'`\u201c\u201d\u2018\u2019.,;:!?()[]{}<>*"
_EXTENSIONS = frozenset(
    ["md", "txt", "rst", "csv", "tsv", "json", "jsonl", "yaml", "yml", "toml", "ini", "cfg", "conf", "env", "log", "py", "js", "ts", "jsx", "tsx", "html", "htm", "css", "xml", "sql", "sh", "c", "h", "cc", "cpp", "hpp", "rs", "go", "java", "kt", "rb", "php", "ipynb", "pdf", "doc", "docx", "xls", "xlsx", "ppt", "pptx", "png", "jpg", "jpeg", "gif", "svg", "zip", "gz", "tar", "bak", "tmp"]
)  # fmt: skip
"""Endings that make a word a file's name; `os.path` and `example.com` are not files."""
_QUOTED = re.compile(
    r'"(?P<straight>[^"\n]{1,200})"|“(?P<curly>[^”\n]{1,200})”|`(?P<code>[^`\n]{1,200})`'
    r"|(?<![^\s(])'(?P<single>[^'\n]{1,200})'(?!\w)"
)


class Mention(Struct, frozen=True, omit_defaults=True):
    """A path or a quoted text that a goal names. `is_missing`: a call looked for the path, and nothing was there."""

    text: str
    is_path: bool = False
    is_missing: bool = False


def mentions_of(text: str) -> tuple[Mention, ...]:
    """Return what `text` names literally, in order, each once; at most `MENTIONS_KEPT`."""
    found = {mention.text: mention for mention in (*_quoted(text), *_paths(text))}
    return tuple(found.values())[:MENTIONS_KEPT]


def unused_after(
    mentions: tuple[Mention, ...], arguments: Mapping[str, Any], result: str = ""
) -> tuple[Mention, ...]:
    """Return those of `mentions` that neither a call with these `arguments` nor its `result` contains.

    A path is used only by arguments. A quoted text is also used if it was found.
    """
    if not mentions:
        return ()
    given = "\n".join(_strings(arguments))
    return tuple(mention for mention in mentions if not _is_used(mention, given, result))


def looked_for(mentions: tuple[Mention, ...], arguments: Mapping[str, Any]) -> tuple[Mention, ...]:
    """Return `mentions` after a call with these `arguments` found nothing: its paths are missing, not unused."""
    if not mentions:
        return ()
    given = "\n".join(_strings(arguments))
    return tuple(
        replace(mention, is_missing=True) if mention.is_path and _is_used(mention, given, "") else mention
        for mention in mentions
    )


def _is_used(mention: Mention, given: str, result: str) -> bool:
    if mention.is_path:
        return mention.text.rstrip("/") in given
    return mention.text in given or mention.text in result


def _quoted(text: str) -> Iterator[Mention]:
    for match in _QUOTED.finditer(text):
        inner = match[match.lastgroup or 0].strip()
        if inner:
            yield Mention(inner, _is_path(inner))


def _paths(text: str) -> Iterator[Mention]:
    for word in text.split():
        bare = word.strip(_EDGES).removesuffix("'s")
        if _is_path(bare):
            yield Mention(bare.removeprefix("./"), is_path=True)


def _is_path(word: str) -> bool:
    """Whether `word` is certainly the path of a file or, ending with a slash, of a folder."""
    if "://" in word or any(character.isspace() or character in "@*?~$\\" for character in word):
        return False
    if word.endswith("/"):
        return len(word) > 1
    stem, dot, extension = word.rsplit("/", 1)[-1].rpartition(".")
    return bool(dot and stem) and extension.lower() in _EXTENSIONS


def _strings(value: Any) -> Iterator[str]:
    match value:
        case str():
            yield value
        case Mapping():
            for inner in value.values():
                yield from _strings(inner)
        case Sequence():
            for inner in value:
                yield from _strings(inner)
        case _:
            yield str(value)


def listed(mentions: Iterable[Mention]) -> str:
    """Return `mentions` as one line for a message."""
    return ", ".join(mention.text for mention in mentions)
