"""The file tools do what they say, refuse with a way out, and can tell afterwards what happened."""

from pathlib import Path
from typing import Any

import pytest

from nebulus.adapters.tools.builtin import builtin_tools
from nebulus.adapters.tools.texts import TEXT_BYTES
from nebulus.adapters.workspaces.folder import FolderWorkspace
from nebulus.core.failure import Failure, FailureKind
from nebulus.core.tools import Effect, SandboxLevel
from nebulus.ports.tool import ToolOutput
from nebulus.testing.sandbox import FakeSandbox

NAMES_THAT_SAY_IT = frozenset(
    [
        "path",
        "other_path",
        "columns",
        "group_by",
        "aggregate",
        "where",
        "sort",
        "descending",
        "limit",
        "json_path",
    ]
)
"""Parameters of the table tools whose names say it: a line for each would cost tokens in every prompt."""


class Desk:
    """The built-in tools by name, on a folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.tools = {tool.spec.name: tool for tool in builtin_tools(FolderWorkspace(root), FakeSandbox())}

    async def run(self, name: str, **arguments: Any) -> ToolOutput | Failure:
        return await self.tools[name].run(arguments, "key")

    async def done(self, name: str, **arguments: Any) -> ToolOutput:
        output = await self.run(name, **arguments)
        assert isinstance(output, ToolOutput), output
        return output

    async def refused(self, name: str, **arguments: Any) -> Failure:
        failure = await self.run(name, **arguments)
        assert isinstance(failure, Failure), failure
        assert failure.sentence()
        return failure

    async def happened(self, name: str, **arguments: Any) -> bool | None:
        return await self.tools[name].has_happened(arguments, "key")


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_each_tool_says_what_it_does_to_the_world(desk: Desk) -> None:
    assert {name: tool.spec.effect for name, tool in desk.tools.items()} == {
        "list_files": Effect.READ,
        "read_file": Effect.READ,
        "file_info": Effect.READ,
        "search_files": Effect.READ,
        "write_file": Effect.WRITE,
        "append_file": Effect.WRITE,
        "edit_file": Effect.WRITE,
        "copy_file": Effect.WRITE,
        "move_file": Effect.WRITE,
        "delete_file": Effect.IRREVERSIBLE,
        "run_command": Effect.WRITE,
        "describe_table": Effect.READ,
        "query_table": Effect.READ,
        "join_tables": Effect.READ,
        "calculate": Effect.READ,
    }
    assert {name for name, tool in desk.tools.items() if tool.spec.is_untrusted} == {
        "list_files",
        "read_file",
        "search_files",
        "edit_file",
        "run_command",
        "describe_table",
        "query_table",
        "join_tables",
    }
    assert desk.tools["run_command"].spec.least_sandbox is SandboxLevel.LANDLOCK
    assert desk.tools["write_file"].spec.is_repeatable


def test_every_parameter_is_described_and_every_path_is_declared(desk: Desk) -> None:
    for tool in desk.tools.values():
        properties = tool.spec.parameters["properties"]
        named = NAMES_THAT_SAY_IT if "_table" in tool.spec.name else ()
        assert all(schema.get("description") for name, schema in properties.items() if name not in named)
        paths = ("path", "source", "target", "other_path")
        assert {name for name in properties if name in paths} == set(tool.spec.paths)
        assert len(tool.spec.parameters["required"]) <= 3


def test_without_a_sandbox_there_are_no_commands(tmp_path: Path) -> None:
    assert "run_command" not in {tool.spec.name for tool in builtin_tools(FolderWorkspace(tmp_path), None)}


async def test_list_files_shows_folders_with_a_slash_in_order(desk: Desk) -> None:
    (desk.root / "b").mkdir()
    (desk.root / "a.txt").touch()
    (desk.root / "link").symlink_to("/etc")
    output = await desk.done("list_files")
    assert output.text == '{"path":".","total":3,"entries":["a.txt","b/","link"]}'
    assert output.fields == {"path": ".", "total": 3}
    (desk.root / "b" / "c.txt").touch()
    assert '"entries":["b/c.txt"]' in (await desk.done("list_files", path="b")).text
    assert (await desk.refused("list_files", path="c")).kind is FailureKind.NOT_FOUND


async def test_listing_a_file_lists_that_file(desk: Desk) -> None:
    (desk.root / "a.txt").touch()
    assert (
        await desk.done("list_files", path="a.txt")
    ).text == '{"path":"a.txt","total":1,"entries":["a.txt"]}'


async def test_a_text_file_is_read_whole(desk: Desk) -> None:
    (desk.root / "a.txt").write_bytes(b"one\r\ntwo\n\nfour \xc3\xa9")
    assert (await desk.done("read_file", path="a.txt")).text == "one\r\ntwo\n\nfour \u00e9"
    (desk.root / "big.txt").write_bytes(b"line\n" * 500_000)
    assert len((await desk.done("read_file", path="big.txt")).text) == 2_500_000


@pytest.mark.parametrize(
    ("text", "lines", "words"),
    [
        ("", 0, 0),
        ("one", 1, 1),
        ("one two\n\nthree\n", 3, 3),
        ("\u00e9t\u00e9 \n x", 2, 2),
        ("a " * 70_000 + "b\n", 1, 70_001),
    ],
)
async def test_the_lines_and_words_of_a_file_are_counted(
    desk: Desk, text: str, lines: int, words: int
) -> None:
    (desk.root / "a.txt").write_text(text)
    fields = (await desk.done("file_info", path="a.txt")).fields
    assert (fields["lines"], fields["words"], fields["bytes"]) == (lines, words, len(text.encode()))
    assert str(fields["changed"]).startswith("20")


async def test_of_a_file_that_is_not_text_only_the_bytes_are_counted(desk: Desk) -> None:
    (desk.root / "a.bin").write_bytes(b"\0\n\n")
    assert "lines" not in (await desk.done("file_info", path="a.bin")).fields
    assert (await desk.refused("file_info", path="no.txt")).kind is FailureKind.NOT_FOUND


async def test_an_empty_file_is_read_as_nothing(desk: Desk) -> None:
    (desk.root / "a.txt").touch()
    assert (await desk.done("read_file", path="a.txt")).text == ""


@pytest.mark.parametrize("data", [b"\x7fELF\0\0", b"caf\xe9"])
async def test_what_is_not_text_is_refused(desk: Desk, data: bytes) -> None:
    (desk.root / "a.bin").write_bytes(data)
    for name, arguments in (("read_file", {}), ("edit_file", {"old": "a", "new": "b"})):
        assert "not UTF-8 text" in (await desk.refused(name, path="a.bin", **arguments)).what


async def test_search_files_gives_path_line_and_text(desk: Desk) -> None:
    (desk.root / "src").mkdir()
    (desk.root / "src" / "a.py").write_text("x = 1\n  find (me)\n")
    (desk.root / "b.txt").write_text("find (me) too")
    (desk.root / "c.bin").write_bytes(b"find (me)\0")
    assert (await desk.done("search_files", query="find (me)")).text == (
        "b.txt:1: find (me) too\nsrc/a.py:2: find (me)\n"
        "(2 lines found in 3 files; 1 skipped: no text, or too large)"
    )
    assert (await desk.done("search_files", query="nope", path="src")).text == "(0 lines found in 1 file)"
    assert (await desk.done("search_files", query="x", path="src/a.py")).text.startswith(
        "src/a.py:1: x = 1\n"
    )


async def test_search_results_are_bounded(desk: Desk) -> None:
    for number in range(20):
        (desk.root / f"{number:02}.txt").write_text(f"word {'x' * 500}\n" * 30)
    text = (await desk.done("search_files", query="word")).text
    assert text.count("\n") == 100
    assert len(text) < 100 * 230
    assert "not all were searched" in text


async def test_search_refuses_what_can_not_be_searched(desk: Desk) -> None:
    assert (await desk.refused("search_files", query="")).kind is FailureKind.INVALID_ARGUMENTS
    assert (await desk.refused("search_files", query="a", path="nowhere")).kind is FailureKind.NOT_FOUND


async def test_write_file_writes_the_whole_text_and_makes_folders(desk: Desk) -> None:
    arguments = {"path": "new/deep/a.txt", "content": "h\u00e9\r\n"}
    assert await desk.happened("write_file", **arguments) is False
    output = await desk.done("write_file", **arguments)
    assert output.fields == {"path": "new/deep/a.txt", "bytes": 5}
    assert (desk.root / "new/deep/a.txt").read_bytes() == b"h\xc3\xa9\r\n"
    assert await desk.happened("write_file", **arguments) is True
    for other in ("other", "h\u00e9\r\n\n", "h\u00e9\r", ""):
        assert await desk.happened("write_file", path="new/deep/a.txt", content=other) is False
    (desk.root / "new/deep/a.txt").write_bytes(b"\xff\0")
    assert await desk.happened("write_file", **arguments) is False


async def test_write_file_refuses_a_folder(desk: Desk) -> None:
    (desk.root / "a").mkdir()
    assert (await desk.refused("write_file", path="a", content="x")).kind is FailureKind.INVALID_ARGUMENTS


@pytest.mark.parametrize(
    ("before", "text", "after"),
    [
        (None, "one", "one\n"),
        ("one\n", "two", "one\ntwo\n"),
        ("one", "two\nthree\n", "one\ntwo\nthree\n"),
        ("one\r\ntwo", "three", "one\r\ntwo\r\nthree\r\n"),
        ("", "one", "one\n"),
    ],
)
async def test_text_is_added_at_the_end_on_lines_of_its_own(
    desk: Desk, before: str | None, text: str, after: str
) -> None:
    if before is not None:
        (desk.root / "a.txt").write_bytes(before.encode())
    assert await desk.happened("append_file", path="a.txt", text=text) is False
    await desk.done("append_file", path="a.txt", text=text)
    assert (desk.root / "a.txt").read_bytes().decode() == after
    assert await desk.happened("append_file", path="a.txt", text=text) is None
    assert (await desk.refused("append_file", path="a.txt", text="")).kind is FailureKind.INVALID_ARGUMENTS


async def test_edit_file_replaces_what_occurs_once(desk: Desk) -> None:
    (desk.root / "a.txt").write_bytes(b"one\r\ntwo\r\nthree\r\n")
    arguments = {"path": "a.txt", "old": "two", "new": "2"}
    assert await desk.happened("edit_file", **arguments) is False
    output = await desk.done("edit_file", **arguments)
    assert output.fields == {"path": "a.txt", "line": 2, "replaced": 1, "bytes": 15}
    assert (desk.root / "a.txt").read_bytes() == b"one\r\n2\r\nthree\r\n"
    assert await desk.happened("edit_file", **arguments) is True


@pytest.mark.parametrize(
    ("old", "new", "kind", "words"),
    [
        ("a", "b", FailureKind.CONFLICT, "2 times"),
        ("z", "b", FailureKind.NOT_FOUND, "does not contain old"),
        ("", "b", FailureKind.INVALID_ARGUMENTS, "old is empty"),
        ("a", "a", FailureKind.INVALID_ARGUMENTS, "the same"),
    ],
)
async def test_edit_file_refuses_what_is_not_one_place(
    desk: Desk, old: str, new: str, kind: FailureKind, words: str
) -> None:
    (desk.root / "a.txt").write_text("a a")
    refused = await desk.refused("edit_file", path="a.txt", old=old, new=new)
    assert refused.kind is kind
    assert words in refused.what
    assert (desk.root / "a.txt").read_text() == "a a"


@pytest.mark.parametrize(
    ("text", "old", "new"),
    [("ab", "a", "ab"), ("x", "gone", ""), ("neither", "old", "new"), ("a a", "a", "b")],
)
async def test_an_edit_that_both_states_could_show_is_not_guessed_at(
    desk: Desk, text: str, old: str, new: str
) -> None:
    (desk.root / "a.txt").write_text(text)
    assert await desk.happened("edit_file", path="a.txt", old=old, new=new) is None


async def test_a_file_too_large_to_edit_is_refused(desk: Desk) -> None:
    with (desk.root / "big").open("wb") as file:
        file.write(b"x" * 10_000)
        file.truncate(TEXT_BYTES + 1)
    (desk.root / "big").write_bytes(b"x" * (TEXT_BYTES + 1))
    assert "larger than" in (await desk.refused("edit_file", path="big", old="a", new="b")).what


async def test_move_file_moves_and_never_overwrites(desk: Desk) -> None:
    (desk.root / "a.txt").write_text("a")
    arguments = {"source": "a.txt", "target": "new/b.txt"}
    assert await desk.happened("move_file", **arguments) is False
    assert (await desk.done("move_file", **arguments)).fields == arguments
    assert (desk.root / "new/b.txt").read_text() == "a"
    assert await desk.happened("move_file", **arguments) is True
    (desk.root / "a.txt").write_text("another")
    assert (await desk.refused("move_file", **arguments)).kind is FailureKind.CONFLICT
    assert (desk.root / "new/b.txt").read_text() == "a"
    assert await desk.happened("move_file", **arguments) is None
    assert (await desk.refused("move_file", source="no", target="x")).kind is FailureKind.NOT_FOUND


async def test_delete_file_deletes_files_only(desk: Desk) -> None:
    (desk.root / "a.txt").touch()
    (desk.root / "folder").mkdir()
    assert await desk.happened("delete_file", path="a.txt") is False
    assert (await desk.done("delete_file", path="a.txt")).fields == {"deleted": "a.txt"}
    assert not (desk.root / "a.txt").exists()
    assert await desk.happened("delete_file", path="a.txt") is True
    assert (await desk.refused("delete_file", path="a.txt")).kind is FailureKind.NOT_FOUND
    assert (await desk.refused("delete_file", path="folder")).kind is FailureKind.INVALID_ARGUMENTS


@pytest.mark.parametrize("path", ["../a", "/etc/passwd", "link/a", "link"])
async def test_no_tool_follows_a_path_out(
    desk: Desk, tmp_path_factory: pytest.TempPathFactory, path: str
) -> None:
    outside = tmp_path_factory.mktemp("outside")
    (outside / "a").write_text("secret")
    (desk.root / "link").symlink_to(outside)
    (desk.root / "inside").write_text("x")
    for name, arguments in (
        ("read_file", {"path": path}),
        ("write_file", {"path": path, "content": "x"}),
        ("edit_file", {"path": path, "old": "secret", "new": "x"}),
        ("move_file", {"source": path, "target": "taken"}),
        ("move_file", {"source": "inside", "target": path}),
    ):
        assert (await desk.refused(name, **arguments)).kind in (FailureKind.PERMISSION, FailureKind.CONFLICT)
    assert [child.name for child in outside.iterdir()] == ["a"]
    assert (outside / "a").read_text() == "secret"


async def test_copy_file_keeps_the_source_and_never_replaces_a_file(desk: Desk) -> None:
    (desk.root / "a.bin").write_bytes(b"\xff\x00a")
    await desk.done("copy_file", source="a.bin", target="new/b.bin")
    assert (desk.root / "a.bin").read_bytes() == (desk.root / "new" / "b.bin").read_bytes() == b"\xff\x00a"
    (desk.root / "c.txt").write_text("kept")
    assert (await desk.refused("copy_file", source="a.bin", target="c.txt")).kind is FailureKind.CONFLICT
    assert (await desk.refused("copy_file", source="d.txt", target="e.txt")).kind is FailureKind.NOT_FOUND
    assert (desk.root / "c.txt").read_text() == "kept"
