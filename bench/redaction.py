"""How well known secrets are found in encodings, and how often honest text is taken for a secret.

    python bench/redaction.py [--data FOLDER] [--json]

Recall: each secret is encoded in each way, amid other text, and redacted; it leaks if half of the encoded
secret, or more, can still be read. False alarms are counted over texts that nobody here wrote: the sources of
Python's standard library, the licences of installed packages, and, where --data or NEBULUS_DATA names the
folder, the tool results of `agentdojo_runs`. A known value that is an ordinary word is looked for as well.
"""

import argparse
import base64
import binascii
import codecs
import gzip
import html
import json
import os
import quopri
import shlex
import sys
import sysconfig
from collections.abc import Callable, Iterator, Mapping
from email.header import Header
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

from nebulus.core.text import HIDDEN, without_keys
from nebulus.guard.secrets import Secret, Secrets

SECRETS = (
    "tk-R7h/Q2+w9_Zp4=x",
    'pa"ss\\wörd-4711',
    "hunter2!&<b>'q",
    "8d1f0c2e77ab4d5f9e3a",
    "two words and 3 more",
    "12345678",
    "AKIAEXAMPLE/kYzEXAMPLEKEY",
)
"""What is encoded: made up, in the forms that keys and passwords have."""
WORDS = ("is_trusted", "password", "internet", "function", "12345678")
"""Values that ordinary text holds in the open: each is found there, and nothing else may be."""


def _percent_all(text: str) -> str:
    return "".join(f"%{byte:02X}" for byte in text.encode())


def _mime(text: str) -> str:
    return base64.encodebytes(
        (f"{'header ' * 7}{text}" + " and the rest of the message" * 3).encode()
    ).decode()


def _narrow(text: str, width: int) -> str:
    return "\n".join(text[place : place + width] for place in range(0, len(text), width))


def _b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _hex(text: str, between: str = "") -> str:
    return between.join(f"{byte:02x}" for byte in text.encode())


def _each(pattern: Callable[[str], str]) -> Callable[[str], str]:
    return lambda text: "".join(map(pattern, text))


def _json(text: str, *, is_ascii: bool = False) -> str:
    return json.dumps(text, ensure_ascii=is_ascii)[1:-1]


def _uu(text: str) -> str:
    return binascii.b2a_uu(text.encode()[:45]).decode()[1:]


def _escaped(text: str) -> str:
    return "".join(f"\\u{ord(character):04x}" for character in text)


ENCODINGS: Mapping[str, Callable[[str], str]] = {
    "plain": str,
    "reversed": lambda text: text[::-1],
    "upper case": str.upper,
    "lower case": str.lower,
    "rot13": lambda text: codecs.encode(text, "rot13"),
    "wrapped by a newline": lambda text: _narrow(text, 7),
    "wrapped, CRLF and indented": lambda text: _narrow(text, 6).replace("\n", "\r\n    "),
    "coloured by a terminal": lambda text: f"{text[:4]}\x1b[31m{text[4:7]}\x1b[0m{text[7:]}",
    "zero-width spaces": "\u200b".join,
    "soft hyphens": lambda text: f"{text[:5]}\u00ad{text[5:]}",
    "UTF-16 read as bytes": "\0".join,
    "full width": _each(lambda c: chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c),
    "JSON": _json,
    "JSON, ASCII": lambda text: _json(text, is_ascii=True),
    "JSON in JSON": lambda text: _json(_json(text)),
    "JSON in JSON in JSON": lambda text: _json(_json(_json(text))),
    "JSON with \\/": lambda text: _json(text).replace("/", "\\/"),
    "\\uXXXX": _escaped,
    "\\uXXXX upper case": lambda text: _escaped(text).upper().replace("U", "u"),
    "\\uXXXX in JSON": lambda text: _json(_escaped(text)),
    "\\u{X}": _each(lambda c: f"\\u{{{ord(c):x}}}"),
    "\\UXXXXXXXX": _each(lambda c: f"\\U{ord(c):08x}"),
    "\\xXX": lambda text: "".join(f"\\x{byte:02x}" for byte in text.encode()),
    "\\ooo": lambda text: "".join(f"\\{byte:03o}" for byte in text.encode("latin-1")),
    "%uXXXX": _each(lambda c: f"%u{ord(c):04X}"),
    "Python's repr": lambda text: repr(text)[1:-1],
    "Python's repr of bytes": lambda text: repr(text.encode())[2:-1],
    "shell quoting": shlex.quote,
    "shell backslashes": _each(lambda c: c if c.isalnum() else "\\" + c),
    "doubled quotes of SQL and CSV": lambda text: text.replace("'", "''").replace('"', '""'),
    "LDAP": _each(lambda c: f"\\{ord(c):02x}" if c in "\\*()" else c),
    "percent": lambda text: quote(text, safe=""),
    "percent, lower case": lambda text: "".join(
        c if c.isalnum() and c.isascii() else _hex(c, "%").join(("%", "")) for c in text
    ),
    "percent, slashes kept": quote,
    "percent, form": quote_plus,
    "percent, all": _percent_all,
    "percent twice": lambda text: quote(quote(text, safe=""), safe=""),
    "percent three times": lambda text: quote(quote(quote(text, safe=""), safe=""), safe=""),
    "percent in JSON": lambda text: _json(quote(text)),
    "HTML": html.escape,
    "HTML twice": lambda text: html.escape(html.escape(text)),
    "HTML, decimal": _each(lambda c: f"&#{ord(c)};"),
    "HTML, hex": _each(lambda c: f"&#x{ord(c):x};"),
    "XML, padded hex": _each(lambda c: f"&#x{ord(c):04X};"),
    "HTML in JSON": lambda text: _json(html.escape(text)),
    "quoted-printable": lambda text: quopri.encodestring(text.encode(), quotetabs=True).decode(),
    "mail header, Q": lambda text: Header(text, "utf-8").encode(),
    "UTF-7": lambda text: text.encode("utf-7").decode(),
    "base64": _b64,
    "base64 without padding": lambda text: _b64(text).rstrip("="),
    "base64, offset 1": lambda text: _b64(f"u{text} tail"),
    "base64, offset 2": lambda text: _b64(f"u:{text} tail"),
    "HTTP Basic": lambda text: f"Basic {_b64(f'admin:{text}')}",
    "base64, URL-safe": lambda text: base64.urlsafe_b64encode(text.encode()).decode(),
    "base64, URL-safe, offset 1": lambda text: base64.urlsafe_b64encode(f"?{text}~~".encode()).decode(),
    "base64, MIME": _mime,
    "base64, MIME in JSON": lambda text: _json(_mime(text)),
    "base64, percent": lambda text: quote(_b64(text), safe=""),
    "base64 twice": lambda text: _b64(_b64(text)),
    "base64 twice, offset 1": lambda text: _b64(f"x{_b64(f'y{text}')}"),
    "base64 of UTF-16 (PowerShell)": lambda text: base64.b64encode(text.encode("utf-16-le")).decode(),
    "base64, IMAP": lambda text: _b64(text).replace("/", ","),
    "base64 of JSON": lambda text: _b64(json.dumps({"value": text})),
    "uuencode": _uu,
    "base32": lambda text: base64.b32encode(text.encode()).decode(),
    "base32, lower case": lambda text: base64.b32encode(text.encode()).decode().lower(),
    "base32, offset 3": lambda text: base64.b32encode(f"abc{text}xy".encode()).decode(),
    "base32hex": lambda text: base64.b32hexencode(text.encode()).decode(),
    "base85": lambda text: base64.b85encode(text.encode()).decode(),
    "Ascii85": lambda text: base64.a85encode(text.encode()).decode(),
    "hex": _hex,
    "hex, upper case": lambda text: _hex(text).upper(),
    "hex with colons": lambda text: _hex(text, ":"),
    "hex with blanks": lambda text: _hex(text, " ").upper(),
    "hex, 0x": lambda text: ", ".join(f"0x{byte:02x}" for byte in text.encode()),
    "hex amid hex": lambda text: _hex(f"user {text} tail"),
    "hex, wrapped": lambda text: _narrow(_hex(text), 12),
    "hex of UTF-16": lambda text: text.encode("utf-16-le").hex(),
    "od -An -b": lambda text: " ".join(f"{byte:03o}" for byte in text.encode()),
    "list of bytes": lambda text: json.dumps(list(text.encode())),
    "bits": lambda text: " ".join(f"{byte:08b}" for byte in text.encode()),
    "gzip, base64": lambda text: base64.b64encode(gzip.compress(text.encode(), mtime=0)).decode(),
    "letters apart": " ".join,
}
"""Ways to write a text, made with the standard library where it has them."""
NOT_FOUND = frozenset({"gzip, base64", "letters apart"})
"""Encodings whose leaks are known and accepted: what is compressed, or has blanks between its letters."""


def leaks(name: str, secret: str) -> bool | None:
    """Whether half of `secret` can be read after redaction; None if it can't be encoded so."""
    try:
        encoded = ENCODINGS[name](secret)
    except UnicodeError:
        return None  # Not every encoding can write every text.
    shown = Secrets((Secret("KEY", secret),)).hide(f"what came back: {encoded} and more of it\n")
    alone = encoded if "[" not in encoded else encoded.strip("[]")
    half = -(-min(len(alone), 2 * len(secret)) // 2)
    pieces = {alone[place : place + half] for place in range(len(alone) - half + 1)}
    is_marked = "[secret KEY]" in shown
    return not is_marked or (not _has_more(name) and any(piece in shown for piece in pieces))


def _has_more(name: str) -> bool:
    """Whether the encoded text holds other text besides the secret, which may stay."""
    return any(word in name for word in ("offset", "MIME", "Basic", "JSON", "amid", "header"))


def recall() -> dict[str, Any]:
    """Return how many pairs of encoding and secret were found, and which were not."""
    tried = {(name, secret): leaks(name, secret) for name in ENCODINGS for secret in SECRETS}
    held = {pair: leaked for pair, leaked in tried.items() if leaked is not None}
    leaked = sorted({name for (name, _), is_leaked in held.items() if is_leaked})
    expected = [pair for pair in held if pair[0] not in NOT_FOUND]
    return {
        "encodings": len(ENCODINGS),
        "secrets": len(SECRETS),
        "pairs": len(held),
        "found": sum(not is_leaked for is_leaked in held.values()),
        "found of those that should be": f"{sum(not held[pair] for pair in expected)} of {len(expected)}",
        "encodings that leak for some secret": ", ".join(leaked) or "none",
    }


def corpora(data: Path | None) -> Iterator[tuple[str, str]]:
    """Yield names and texts that nobody here wrote."""
    library = Path(sysconfig.get_path("stdlib"))
    yield "standard library", _joined(sorted(library.glob("*.py")) + sorted(library.glob("email/*.py")))
    packages = Path(sysconfig.get_path("purelib"))
    yield "licences", _joined(sorted(packages.rglob("*LICENSE*")) + sorted(packages.rglob("METADATA")))
    if data is not None and (data / "agentdojo_runs" / "dev.jsonl.gz").is_file():
        with gzip.open(data / "agentdojo_runs" / "dev.jsonl.gz", "rt", encoding="utf-8") as lines:
            yield "AgentDojo's runs", "\n".join(_strings(json.loads(line)) for line in lines)


def _joined(paths: list[Path]) -> str:
    return "\n".join(path.read_text("utf-8", "replace") for path in paths if path.is_file())


def _strings(value: Any) -> str:
    match value:
        case str():
            return value
        case dict():
            return "\n".join(map(_strings, value.values()))
        case list():
            return "\n".join(map(_strings, value))
        case _:
            return ""


def false_alarms(data: Path | None) -> dict[str, Any]:
    """Return, for each corpus, its size and what was taken for a secret in it."""
    found: dict[str, Any] = {}
    known = Secrets(tuple(Secret(f"S{place}", value) for place, value in enumerate(SECRETS)))
    for name, text in corpora(data):
        by_value = known.hide(text).count("[secret ")
        in_the_open = sum(text.count(value) for value in SECRETS)
        found[name] = {
            "MB": round(len(text) / 1e6, 2),
            "by name or form": without_keys(text).count(HIDDEN) - text.count(HIDDEN),
            "by value, beyond what stands there": by_value - in_the_open,
            **{f"word {word}": _beyond(word, text) for word in WORDS},
        }
    return found


def _beyond(word: str, text: str) -> int:
    """How often a value that is a word is found beyond where it is written, be it in other case."""
    shown = Secrets((Secret("WORD", word),)).hide(text)
    forms = {word, word.upper(), word.lower(), word.swapcase(), word[::-1]}
    return shown.count("[secret WORD]") - sum(map(text.count, forms))


def measure(data: Path | None = None) -> dict[str, Any]:
    """Return recall and false alarms."""
    return {"recall": recall(), "false alarms": false_alarms(data)}


def main() -> int:
    """Print what was measured."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", default=os.environ.get("NEBULUS_DATA"))
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    found = measure(Path(args.data) if args.data else None)
    if args.json:
        print(json.dumps(found, indent=2))
        return 0
    for part, rows in found.items():
        print(part)
        for name, value in rows.items():
            print(f"  {name}: {value}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
