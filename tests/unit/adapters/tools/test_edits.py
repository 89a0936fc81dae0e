"""An edit that misses is shown what it nearly meant; one that hits changes nothing else."""

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nebulus.adapters.tools.builtin import builtin_tools
from nebulus.adapters.tools.edits import difference, nearest, with_endings_of
from nebulus.adapters.workspaces.folder import FolderWorkspace
from nebulus.core.failure import Failure, FailureKind
from nebulus.ports.tool import ToolOutput

SOURCE = Path(re.__file__).with_name("_parser.py").read_text(encoding="utf-8")
"""A text that nobody here wrote: a module of Python's own library."""


async def edited(folder: Path, old: str, new: str, **options: Any) -> ToolOutput | Failure:
    tools = {tool.spec.name: tool for tool in builtin_tools(FolderWorkspace(folder), None)}
    return await tools["edit_file"].run({"path": "a.py", "old": old, "new": new, **options}, "key")


async def missed(folder: Path, old: str) -> Failure:
    failure = await edited(folder, old, "new text")
    assert isinstance(failure, Failure)
    assert failure.kind is FailureKind.NOT_FOUND
    return failure


def function_of(text: str, name: str) -> str:
    """The first lines of a function, as they are in the text."""
    start = text.index(f"def {name}(")
    return "\n".join(text[start:].split("\n")[:12])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda piece: piece.replace("    ", "  "), "what differs: white space;"),
        (lambda piece: piece.replace("    ", "\t"), "what differs: white space;"),
        (lambda piece: " ".join(piece.split(" ")) + "  ", "what differs: white space;"),
        (lambda piece: piece.replace("'", '"').replace('"', "\u201d"), "what differs: quotation marks;"),
        (str.upper, "what differs: upper and lower case;"),
        (lambda piece: piece.upper().replace("    ", " "), "white space and upper and lower case;"),
        (lambda piece: piece.replace("source", "src"), "is not "),
    ],
)
async def test_a_miss_shows_the_passage_that_was_meant_and_what_differs(
    tmp_path: Path, change: Any, words: str
) -> None:
    (tmp_path / "a.py").write_text(SOURCE)
    piece = function_of(SOURCE, "_class_escape")
    failure = await missed(tmp_path, change(piece))
    number = SOURCE[: SOURCE.index(piece)].count("\n") + 1
    assert f"nearest is lines {number} to {number + 11}:\n{piece}\n" in failure.value
    assert words in failure.fix
    assert (tmp_path / "a.py").read_text() == SOURCE


async def test_a_piece_copied_from_the_feedback_hits(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(SOURCE)
    piece = function_of(SOURCE, "_class_escape").split("\n", 1)[1]
    failure = await missed(tmp_path, piece.replace("    ", ""))
    copied = failure.value.split(":\n", 1)[1].removesuffix("\n")
    assert isinstance(await edited(tmp_path, copied, "    pass"), ToolOutput)
    assert (tmp_path / "a.py").read_text() == SOURCE.replace(copied, "    pass")


async def test_a_piece_of_a_line_is_found_in_its_line(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("one\nthe  Price is 12 EUR today\nthree\n")
    failure = await missed(tmp_path, "price is 12 eur")
    assert "nearest is line 2:\nthe  Price is 12 EUR today\n" in failure.value
    assert "upper and lower case" in failure.fix


async def test_what_is_like_nothing_is_told_so(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("one\ntwo\n")
    assert "nothing in it is like 'zebra crossing'" in (await missed(tmp_path, "zebra crossing")).value
    (tmp_path / "a.py").write_text("")
    assert "nothing in it is like" in (await missed(tmp_path, "x")).value


async def test_several_places_are_named_and_can_all_be_replaced(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_bytes(b"x = 1\ny = x\r\nprint(x)\n")
    failure = await edited(tmp_path, "x", "z")
    assert isinstance(failure, Failure)
    assert failure.kind is FailureKind.CONFLICT
    assert failure.what == "old occurs 3 times in a.py, not once"
    assert failure.value == "in line 1, 2, 3"
    assert "replace_all" in failure.fix
    output = await edited(tmp_path, "x", "z", replace_all=True)
    assert isinstance(output, ToolOutput)
    assert output.fields["replaced"] == 3
    assert (tmp_path / "a.py").read_bytes() == b"z = 1\ny = z\r\nprint(z)\n"


async def test_line_endings_and_the_mark_of_an_encoding_are_kept(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_bytes(b"\xef\xbb\xbfone\r\ntwo\r\nthree\r\n")
    assert isinstance(await edited(tmp_path, "one\ntwo", "1\n1.5\n2"), ToolOutput)
    assert (tmp_path / "a.py").read_bytes() == b"\xef\xbb\xbf1\r\n1.5\r\n2\r\nthree\r\n"


async def test_an_edit_of_windows_lines_can_be_recognised_afterwards(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_bytes(b"one\r\ntwo\r\n")
    tool = {tool.spec.name: tool for tool in builtin_tools(FolderWorkspace(tmp_path), None)}["edit_file"]
    call = {"path": "a.py", "old": "one\ntwo", "new": "1\n2"}
    assert await tool.has_happened(call, "key") is False
    await tool.run(call, "key")
    assert await tool.has_happened(call, "key") is True


async def test_replacing_everywhere_can_be_recognised_afterwards(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("x x")
    tool = {tool.spec.name: tool for tool in builtin_tools(FolderWorkspace(tmp_path), None)}["edit_file"]
    call = {"path": "a.py", "old": "x", "new": "y", "replace_all": True}
    assert await tool.has_happened(call, "key") is False
    await tool.run(call, "key")
    assert await tool.has_happened(call, "key") is True


@given(st.integers(0, 400), st.integers(1, 6), st.sampled_from(["  ", "\t", " \n"]))
def test_any_passage_whose_white_space_was_changed_is_found_again(start: int, count: int, blank: str) -> None:
    lines = SOURCE.split("\n")[start : start + count]
    piece = "\n".join(lines)
    if not piece.strip() or SOURCE.count(piece) != 1:
        return
    found = nearest(SOURCE, piece.replace(" ", blank) if blank != " \n" else piece + blank)
    assert found is not None
    if blank != " \n":
        assert {"".join(line.split()) for line in found.lines} & {"".join(line.split()) for line in lines}


@given(st.text(max_size=200), st.text(max_size=60))
def test_no_text_breaks_the_search_for_the_nearest_passage(text: str, piece: str) -> None:
    found = nearest(text, piece)
    if found is not None:
        assert all(line in text for line in found.lines)
        assert difference(found, piece)


@given(st.text("a\r\n", max_size=20), st.text("b\r\n", max_size=10))
def test_endings_change_only_where_a_text_has_one_kind(text: str, piece: str) -> None:
    fitted = with_endings_of(text, piece)
    is_windows = "\r\n" in text and text.count("\n") == text.count("\r\n")
    assert fitted.count("\n") == piece.count("\n")
    assert is_windows or fitted == piece
    assert not is_windows or fitted.count("\r\n") == piece.count("\n")


def test_a_large_file_of_one_kind_of_line_is_searched_within_bounds() -> None:
    text = "the same words again and again\n" * 300_000
    found = nearest(text, "the same words again and again!\n" * 50)
    assert found is not None
    assert nearest("x" * 5_000_000, "y" * 1000) is None
