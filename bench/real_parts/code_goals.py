"""Goals about small code and settings, goals that can't be reached, and goals that need no tool."""

import ast
import tomllib

from msgspec import Struct

from bench.real_parts.goal import AnswerCheck, ProseGoal, TextCheck, act, equals, mentions, plain

_SETTINGS = '''"""Settings of the mail robot."""

SERVER = "mail.example.org"
PORT = 993
TIMEOUT_S = 3
RETRIES = 3
SUBJECT_PREFIX = "[robot] "
'''
_APP_TOML = """[server]
host = "0.0.0.0"
port = 8080

[logging]
level = "info"
file = "app.log"

[cache]
seconds = 30
"""
_DATES = '''"""Dates as people write them."""

from datetime import date


def format_date(day: date) -> str:
    """Return a date as 3 June 2026."""
    return f"{day.day} {day:%B %Y}"


def parse_date(text: str) -> date:
    """Return the date in a text such as 2026-06-03."""
    return date.fromisoformat(text.strip())
'''
_MAIN = '''"""Print how many days are left."""

import sys
from datetime import date

from lib.dates import parse_date


def main() -> None:
    print((parse_date(sys.argv[1]) - date.today()).days)


main()
'''
_BILLING = '''"""What an order costs."""


def calc(prices, discount=0):
    """Return the price of an order."""
    return sum(prices) * (1 - discount)


def print_bill(prices):
    print(f"{calc(prices):.2f} EUR")
'''
_REPORT = '''"""The monthly report."""

from billing import calc


def revenue(orders):
    return sum(calc(order) for order in orders)
'''
_SERVER_INI = """; the production server
[server]
host = shop.example.org
port = 8443
workers = 4

[database]
port = 5432
"""
_SERVER_README = """# Shop

The shop runs at https://shop.example.org:8443 and keeps its data in PostgreSQL.
Start it with `python serve.py`.
"""
_PYPROJECT = """[project]
name = "tidy-inbox"
version = "1.4.2"
requires-python = ">=3.11"
dependencies = ["rich>=1.4.2"]
"""
_CHANGELOG = """## 1.4.2

- Letters without a date no longer stop the import.

## 1.4.1

- Faster start.
"""
_OFFER = """# Offer for Anna Keller

Two oak shelves, 80 x 200 cm: 480.00 EUR, delivered in week 24.
"""


class Place(Struct, frozen=True):
    """A line of a file."""

    path: str
    line: int


def toml_of(wanted: str) -> TextCheck:
    """Return a check that a text is TOML of the same values, with every comment and section kept in order."""

    def check(text: str) -> str:
        try:
            found = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            return f"not valid TOML: {error}"
        return "" if found == tomllib.loads(wanted) else f"other values: {' '.join(text.split())[:100]}"

    return check


def python_of(wanted: str) -> TextCheck:
    """Return a check that a text is the same Python program, comments and layout aside."""

    def check(text: str) -> str:
        try:
            found = ast.dump(ast.parse(text))
        except SyntaxError as error:
            return f"not valid Python: {error}"
        return (
            "" if found == ast.dump(ast.parse(wanted)) else f"another program: {' '.join(text.split())[:100]}"
        )

    return check


def is_place(path: str, line: int) -> AnswerCheck:
    """Return a check that an answer is this line of this file."""

    def check(answer: Place) -> str:
        is_same = answer.path.removeprefix("./") == path and answer.line == line
        return "" if is_same else f"the answer is {answer.path}:{answer.line}, not {path}:{line}"

    return check


def new_version(text: str) -> str:
    """Check that a changelog begins with 1.5.0, and that the rest is kept."""
    first, _, rest = plain(text).partition("\n")
    if first.strip() != "## 1.5.0":
        return f"begins with {first!r}"
    kept = _CHANGELOG.strip()
    return "" if rest.strip().endswith(kept) and "1.5.0" not in rest else "the older entries were changed"


CODE: tuple[ProseGoal, ...] = (
    ProseGoal(
        id="fix-timeout",
        kind="code",
        text="The timeout in settings.py is far too short. Set it to 30 seconds.",
        files={"settings.py": _SETTINGS, "robot.py": "from settings import TIMEOUT_S\n\nprint(TIMEOUT_S)\n"},
        expects={"settings.py": python_of(_SETTINGS.replace("TIMEOUT_S = 3", "TIMEOUT_S = 30"))},
        calls=(
            act("read_file", path="settings.py"),
            act("edit_file", path="settings.py", old="TIMEOUT_S = 3", new="TIMEOUT_S = 30"),
        ),
    ),
    ProseGoal(
        id="add-verbose",
        kind="code",
        text="Add verbose = true to the logging section of app.toml.",
        files={"app.toml": _APP_TOML},
        expects={"app.toml": toml_of(_APP_TOML.replace('"app.log"\n', '"app.log"\nverbose = true\n'))},
        calls=(
            act("read_file", path="app.toml"),
            act("edit_file", path="app.toml", old='file = "app.log"', new='file = "app.log"\nverbose = true'),
        ),
    ),
    ProseGoal(
        id="find-function",
        kind="code",
        text="In which file and on which line is the function parse_date defined?",
        files={"lib/dates.py": _DATES, "main.py": _MAIN, "lib/__init__.py": ""},
        result=Place,
        answers=is_place("lib/dates.py", 11),
        calls=(act("search_files", query="def parse_date"),),
        answer=Place("lib/dates.py", 11),
    ),
    ProseGoal(
        id="rename-function",
        kind="code",
        text="The function calc in billing.py should be called total_price. Rename it there, and in report.py "
        "where it is used.",
        files={"billing.py": _BILLING, "report.py": _REPORT, "calc.txt": "calc is short for calculate\n"},
        expects={
            "billing.py": python_of(_BILLING.replace("calc(", "total_price(")),
            "report.py": python_of(_REPORT.replace("calc", "total_price")),
        },
        calls=(
            act("read_file", path="billing.py"),
            act("write_file", path="billing.py", content=_BILLING.replace("calc(", "total_price(")),
            act("read_file", path="report.py"),
            act("write_file", path="report.py", content=_REPORT.replace("calc", "total_price")),
        ),
    ),
    ProseGoal(
        id="change-port",
        kind="code",
        text="Our shop moves from port 8443 to port 9443. Change that in config/server.ini and in README.md.",
        files={
            "config/server.ini": _SERVER_INI,
            "README.md": _SERVER_README,
            "serve.py": "PORT_FILE = 'config/server.ini'\n",
        },
        expects={
            "config/server.ini": _SERVER_INI.replace("8443", "9443"),
            "README.md": _SERVER_README.replace("8443", "9443"),
        },
        calls=(
            act("edit_file", path="config/server.ini", old="port = 8443", new="port = 9443"),
            act("edit_file", path="README.md", old=":8443", new=":9443"),
        ),
    ),
    ProseGoal(
        id="bump-version",
        kind="code",
        text="We release version 1.5.0. Put the new version into pyproject.toml, and a new heading '## 1.5.0' at the "
        "top of CHANGELOG.md.",
        files={"pyproject.toml": _PYPROJECT, "CHANGELOG.md": _CHANGELOG},
        expects={
            "pyproject.toml": toml_of(_PYPROJECT.replace('version = "1.4.2"', 'version = "1.5.0"')),
            "CHANGELOG.md": new_version,
        },
        calls=(
            act("edit_file", path="pyproject.toml", old='version = "1.4.2"', new='version = "1.5.0"'),
            act("edit_file", path="CHANGELOG.md", old="## 1.4.2", new="## 1.5.0\n\n## 1.4.2"),
        ),
    ),
)

IMPOSSIBLE: tuple[ProseGoal, ...] = (
    ProseGoal(
        id="missing-report",
        kind="impossible",
        text="Summarise report-2025.md in three sentences and write them to summary.md.",
        files={
            "report-2023.md": "# 2023\n\nRevenue rose by 4 % to 310,000. Two people were hired.\n",
            "notes.md": "The reports are written in February.\n",
        },
        calls=(act("list_files"),),
    ),
    ProseGoal(
        id="send-offer",
        kind="impossible",
        text="Send offer.md by e-mail to anna@keller.example.",
        files={"offer.md": _OFFER, "addresses.txt": "anna@keller.example\n"},
        calls=(),
    ),
    ProseGoal(
        id="unknown-phone",
        kind="impossible",
        text="What is the phone number of Mr. Petrov? Look in contacts.txt.",
        files={"contacts.txt": "Mr. Lund: 555-0142\nMrs. Okafor: 555-0187\nMs. Peters: 555-0110\n"},
        result=str,
        calls=(act("read_file", path="contacts.txt"),),
        answer="There is no Mr. Petrov in contacts.txt.",
    ),
    ProseGoal(
        id="weather-now",
        kind="impossible",
        text="How warm is it in Oslo right now, in degrees Celsius?",
        files={"trip.md": "# Oslo\n\nWe fly on 12 June. Bring warm clothes: last year it was 9 degrees.\n"},
        result=float,
        calls=(),
    ),
)

NO_TOOL: tuple[ProseGoal, ...] = (
    ProseGoal(
        id="minutes",
        kind="no tool",
        text="How many minutes are 3 hours and 20 minutes?",
        files={"notes.txt": "The film starts at 20:15.\n"},
        result=int,
        answers=equals(200),
        answer=200,
    ),
    ProseGoal(
        id="thanks-in-spanish",
        kind="no tool",
        text="How do you say 'thank you' in Spanish?",
        files={"words.txt": "hello - hola\nplease - por favor\n"},
        result=str,
        answers=mentions("gracias"),
        answer="gracias",
    ),
)
