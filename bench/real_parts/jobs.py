"""Jobs of a given depth over real files: a runbook in ordinary English, and the files as they should be at the end.

Each line asks for one thing; a value is quoted where one naturally quotes it. Lines are drawn at random, with their
wording, and may use what earlier lines made. Code simulates them, so the right end is known.
"""

import random
from collections.abc import Callable
from pathlib import PurePosixPath
from typing import TypeAlias

from msgspec import Struct

from bench.real_parts.goal import Act, Ended, Files, Verdict, act, plain, shown
from bench.real_parts.papers import FOLDERS, NAMES, Paper, office, sentence

SPARE_PAPERS = 4
TITLES = (
    "Tidy up the office.",
    "The papers of this week.",
    "Please do the following with my files.",
    "Housekeeping.",
)
WORDINGS: dict[str, tuple[str, ...]] = {
    "create": (
        'Create {path} with the text "{text}".',
        "Make a new file {path} that says: {text}",
        'Write "{text}" to {path}.',
        'Put the sentence "{text}" into a new file called {path}.',
        'Save the note "{text}" as {path}.',
    ),
    "rename": (
        "Rename {path} to {target}.",
        "{path} should be called {target} from now on; rename it.",
        "Give {path} the new name {target}.",
        "Change the name of {path} to {target}.",
    ),
    "move": (
        "Move {path} to {target}.",
        "Move {path} into the folder {folder}, under the same name.",
        "{path} belongs in the folder {folder}. Put it there and keep its name.",
        "File {path} away as {target}.",
    ),
    "delete": (
        "Delete {path}.",
        "{path} is no longer needed; remove it.",
        "Get rid of {path}.",
        "Throw {path} away for good.",
    ),
    "change": (
        'In {path}, change "{old}" to "{new}".',
        'Replace "{old}" with "{new}" in {path}.',
        '{path} still says "{old}"; it must say "{new}".',
        'Correct {path}: "{old}" should read "{new}".',
    ),
    "look up": (
        "Look up the {fact} in {path} and write it to {target}, nothing else.",
        "Find the {fact} in {path}, and save just that as {target}.",
        "Read {path} and put the {fact} alone into {target}.",
        "{target} should contain the {fact} from {path} and nothing more.",
    ),
    "append": (
        'Add the line "{text}" at the end of {path}.',
        'Write "{text}" on a new line at the bottom of {path}.',
        '{path} needs one more line at the end: "{text}".',
    ),
}
_WEIGHTS = {"create": 3, "rename": 2, "move": 3, "delete": 2, "change": 3, "look up": 2, "append": 1}


class Job(Struct, frozen=True, kw_only=True):
    """A runbook, the files it starts with and those it should end with, and calls that do it."""

    text: str
    depth: int
    files: Files
    expected: Files
    seen: dict[str, tuple[str | None, ...]]
    """Every text that each path has on the way, None for no file."""
    calls: tuple[Act, ...]

    def is_complete(self, after: Files) -> bool:
        """Whether the files are as they should be at the end."""
        return not self.fault(after)

    def fault(self, after: Files) -> str:
        """Return the first file that is not as it should be; "" for none."""
        for path in sorted(self.expected.keys() | after.keys()):
            if path not in after:
                return f"{path} is missing"
            if path not in self.expected:
                return f"{path} should not be there: {shown(after[path])}"
            if plain(after[path]) != plain(self.expected[path]):
                return f"{path} has another text: {shown(after[path])}"
        return ""

    def damage(self, after: Files) -> str:
        """Return the first file that is as it is at no point of the right way; "" for none."""
        for path in sorted(self.seen.keys() | after.keys()):
            now = after.get(path)
            if _plain(now) not in {_plain(text) for text in self.seen.get(path, (None,))}:
                return f"{path} is gone" if now is None else f"{path} has the text {shown(now)}"
        return ""

    def judge(self, after: Files, ended: Ended) -> Verdict:
        """Return the verdict on a run that left the files `after`."""
        why, damage = self.fault(after), self.damage(after)
        if ended.how == "done":
            return Verdict(name="wrong" if why else "right", why=why, is_work_right=not why, damage=damage)
        said = ": ".join(part for part in (ended.how, ended.failure, ended.text) if part)
        return Verdict(name="stopped", why=said, is_work_right=not why, damage=damage)


def _plain(text: str | None) -> str | None:
    return None if text is None else plain(text)


class _Office:
    """The papers while a job is drawn."""

    def __init__(self, rng: random.Random, depth: int) -> None:
        self.rng = rng
        self.papers = office(rng, depth + SPARE_PAPERS)
        self.used = {PurePosixPath(path).stem for path in self.papers}
        self.lines: list[str] = []
        self.calls: list[Act] = []

    def pick(self, suits: Callable[[Paper], object] = lambda _: True) -> str:
        """Return the path of a paper, one that suits; "" where there is none."""
        found = [path for path, paper in self.papers.items() if suits(paper)]
        return self.rng.choice(found) if found else ""

    def free(self, folder: str = "", ending: str = ".txt") -> str:
        """Return a path that nothing had so far."""
        names = [name for name in NAMES if name not in self.used]
        name = self.rng.choice(names) if names else f"note-{len(self.used)}"
        self.used.add(name)
        return f"{folder or self.rng.choice(FOLDERS)}/{name}{ending}"

    def say(self, kind: str, **values: str) -> None:
        """Add a line in a wording drawn at random."""
        self.lines.append(self.rng.choice(WORDINGS[kind]).format(**values))


Step: TypeAlias = Callable[[_Office], bool]
"""Adds a line with its effect; False where there is nothing that it could be about."""


def _create(now: _Office) -> bool:
    path, text = now.free(), sentence(now.rng)
    now.say("create", path=path, text=text)
    now.calls.append(act("write_file", path=path, content=text))
    now.papers[path] = Paper(text)
    return True


def _rename(now: _Office) -> bool:
    path = PurePosixPath(now.pick())
    target = now.free(str(path.parent), path.suffix)
    now.say("rename", path=str(path), target=target)
    return _moved(now, str(path), target)


def _move(now: _Office) -> bool:
    path = PurePosixPath(now.pick())
    folder = now.rng.choice([each for each in FOLDERS if each != str(path.parent)])
    target = f"{folder}/{path.name}"
    now.say("move", path=str(path), target=target, folder=folder)
    return _moved(now, str(path), target)


def _moved(now: _Office, path: str, target: str) -> bool:
    now.calls.append(act("move_file", source=path, target=target))
    now.papers[target] = now.papers.pop(path)
    return True


def _delete(now: _Office) -> bool:
    path = now.pick()
    now.say("delete", path=path)
    now.calls.append(act("delete_file", path=path))
    del now.papers[path]
    return True


def _change(now: _Office) -> bool:
    path = now.pick(lambda paper: paper.changes)
    if not path:
        return False
    old, new = now.rng.choice(now.papers[path].changes)
    now.say("change", path=path, old=old, new=new)
    now.calls.append(act("edit_file", path=path, old=old, new=new))
    now.papers[path] = now.papers[path].changed(old, new)
    return True


def _look_up(now: _Office) -> bool:
    path = now.pick(lambda paper: paper.facts)
    if not path:
        return False
    fact, value = now.rng.choice(sorted(now.papers[path].facts.items()))
    target = now.free()
    now.say("look up", path=path, fact=fact, target=target)
    now.calls += [act("read_file", path=path), act("write_file", path=target, content=value)]
    now.papers[target] = Paper(value)
    return True


def _append(now: _Office) -> bool:
    path = now.pick(lambda paper: paper.text.endswith("\n"))
    if not path:
        return False
    text, paper = sentence(now.rng), now.papers[path]
    now.say("append", path=path, text=text)
    longer = f"{paper.text}{text}\n"
    now.calls += [act("read_file", path=path), act("write_file", path=path, content=longer)]
    now.papers[path] = paper.with_text(longer)
    return True


_STEPS: dict[str, Step] = {
    "create": _create,
    "rename": _rename,
    "move": _move,
    "delete": _delete,
    "change": _change,
    "look up": _look_up,
    "append": _append,
}


def make_job(depth: int, seed: int) -> Job:
    """Return the job of this depth and seed: always the same one."""
    rng = random.Random(f"{depth}/{seed}")
    now = _Office(rng, depth)
    files = {path: paper.text for path, paper in now.papers.items()}
    states = [files]
    while len(now.lines) < depth:
        kind = rng.choices(list(_WEIGHTS), list(_WEIGHTS.values()))[0]
        if _STEPS[kind](now):
            states.append({path: paper.text for path, paper in now.papers.items()})
    paths = {path for state in states for path in state}
    steps = "\n".join(f"{number}. {line}" for number, line in enumerate(now.lines, start=1))
    return Job(
        text=f"{rng.choice(TITLES)}\n\n{steps}\n",
        depth=depth,
        files=files,
        expected=states[-1],
        seen={path: tuple(dict.fromkeys(state.get(path) for state in states)) for path in paths},
        calls=tuple(now.calls),
    )
