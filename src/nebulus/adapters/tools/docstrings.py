"""What the docstring of a function says of it and of its parameters. Pure.

Source: the Google style of docstrings, sections `Args:` and those after it.
"""

import re
from inspect import cleandoc

_SECTION = re.compile(r"^(Args|Arguments|Parameters):\s*$")
_ENTRY = re.compile(r"^\*{0,2}(?P<name>\w+)\s*(\([^)]*\))?:\s*(?P<text>(?:\S.*)?)$")


def summary(docstring: str) -> str:
    """Return the first paragraph as one line, "" if there is none."""
    first = cleandoc(docstring).split("\n\n", 1)[0]
    lines = first.splitlines()
    if lines and _SECTION.match(lines[0]):
        return ""
    return " ".join(first.split())


def parameter_texts(docstring: str) -> dict[str, str]:
    """Return what the `Args:` section says of each parameter, as one line each."""
    texts: dict[str, str] = {}
    name = ""
    for line in _section(cleandoc(docstring).splitlines()):
        entry = _ENTRY.match(line)
        if entry and not line.startswith(" "):
            name = entry["name"]
            texts[name] = entry["text"].strip()
        elif name and line.strip():
            texts[name] = f"{texts[name]} {line.strip()}".strip()
    return texts


def _section(lines: list[str]) -> list[str]:
    """Return the lines of the section, without its own indent."""
    start = next((at for at, line in enumerate(lines, start=1) if _SECTION.match(line)), len(lines))
    body: list[str] = []
    for line in lines[start:]:
        if line and not line.startswith(" "):
            break
        body.append(line)
    return cleandoc("\n" + "\n".join(body)).splitlines()
