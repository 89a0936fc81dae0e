"""What votes among tries of the same goals would have decided, computed from tries that were measured one by one."""

from collections import Counter
from collections.abc import Sequence

from msgspec import Struct

from bench.ceiling_parts.report import wilson
from bench.real_parts.records import Row
from nebulus.voting.ends import GONE, End, digest_of, elected


class Voted(Struct, frozen=True, kw_only=True):
    """What a vote on one goal came to: right, stopped or wrong, how many tries it took and agreed, and seconds."""

    item: str
    verdict: str
    tries: int
    agreed: int
    seconds: float
    is_damaged: bool = False
    """Whether a file was changed that the goal doesn't ask to change."""


def end_of(row: Row) -> End:
    """Return how a try ended, as a vote compares it."""
    files = {
        path: GONE if text is None else digest_of(path, text.encode()) for path, text in row.changed.items()
    }
    return End(files=files, answer=row.answer, is_done=row.how == "done", failure=row.failure)


def vote_on(tries: Sequence[Row]) -> Voted:
    """Return what a vote among these tries of one goal decides.

    One try is no vote: it works in the workspace itself. A vote that stops changes nothing, which is right where the goal
    can't be reached.
    """
    if len(tries) == 1:
        (row,) = tries
        return Voted(
            item=row.item,
            verdict=row.verdict,
            tries=1,
            agreed=1,
            seconds=row.seconds,
            is_damaged=bool(row.damage),
        )
    most, needed = len(tries), len(tries) // 2 + 1
    made: list[Row] = []
    same: tuple[int, ...] = ()
    while len(made) < most and len(same) < needed <= len(same) + most - len(made):
        made.append(tries[len(made)])
        same = elected([end_of(row) for row in made])
    is_elected = len(same) >= needed
    otherwise = "right" if tries[0].kind == "impossible" else "stopped"
    return Voted(
        item=tries[0].item,
        verdict=made[same[0]].verdict if is_elected else otherwise,
        tries=len(made),
        agreed=len(same),
        seconds=sum(row.seconds for row in made),
        is_damaged=is_elected and bool(made[same[0]].damage),
    )


def vote_table(files: Sequence[Sequence[Row]]) -> str:
    """Return the table of votes of one try, two tries and so on, in Markdown, and the goals that are still wrong."""
    by_item = [{row.item: row for row in rows} for rows in files]
    items = [item for item in by_item[0] if all(item in rows for rows in by_item)]
    lines = [
        "| votes | right | 95 % interval | stopped | done and wrong | damaged | tries | seconds a goal |",
        "|--:|--:|---|--:|--:|--:|--:|--:|",
    ]
    still: list[str] = []
    for votes in range(1, len(by_item) + 1):
        voted = [vote_on([rows[item] for rows in by_item[:votes]]) for item in items]
        counts = Counter(one.verdict for one in voted)
        low, high = wilson(counts["right"], len(items))
        tries, seconds = sum(one.tries for one in voted), sum(one.seconds for one in voted)
        lines.append(
            f"| {votes} | {counts['right']}/{len(items)} | {low:.2f}-{high:.2f} | {counts['stopped']} "
            f"| {counts['wrong']} | {sum(one.is_damaged for one in voted)} | {tries / len(items):.2f} | {seconds / len(items):.0f} |"
        )
        wrong = ", ".join(one.item for one in voted if one.verdict == "wrong")
        still.append(f"- votes {votes}, done and wrong: {wrong or 'none'}")
    return "\n".join([*lines, "", *still])
