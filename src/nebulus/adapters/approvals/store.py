"""Questions and their answers, in the database of the runs (SQLite or PostgreSQL).

Invariants: an answer belongs to the digest of one question and to nothing else; it is used once, and a run whose process died
before that was recorded may use it again, until the run goes back (`withdraw`); an approval that
nobody gave in time is a no, and one that nobody used in time as well. What happened to the world has no
time limit: no answer is never taken for "it did not happen".

A digest names a run and one position of its record. So it is asked for a second time only where the first
answer was not recorded, which is a crash, or where the record was cut, which is withdrawn first.
"""

import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import sqlalchemy as sa
from msgspec import Struct

from nebulus.adapters.approvals.signing import KEY_VARIABLE, ForgedError, Purpose, Signer, open_signer
from nebulus.adapters.stores.database import open_tables, transaction
from nebulus.core.errors import ConfigError, StoreError
from nebulus.core.outcome import Question
from nebulus.ports.guard import PersonReply

EXPIRES_S = 86_400.0
"""How long an approval may wait: a day, so that one asked in the evening can be given in the morning."""

_WHAT = "the approvals"

_tables = sa.MetaData()
_approvals = sa.Table(
    "nebulus_approvals",
    _tables,
    sa.Column("digest", sa.String(64), primary_key=True),
    sa.Column("run_id", sa.String, nullable=False),
    sa.Column("question", sa.Text, nullable=False),
    sa.Column("asked_s", sa.Float, nullable=False),
    sa.Column("expires_s", sa.Float, nullable=False),
    sa.Column("reply", sa.Text, nullable=False, default=""),
    sa.Column("answered_s", sa.Float, nullable=False, default=0.0),
    sa.Column("used_s", sa.Float, nullable=False, default=0.0),
)
_questions = msgspec.json.Decoder(Question)
_replies = msgspec.json.Decoder(PersonReply)


class Waiting(Struct, frozen=True, kw_only=True):
    """A question that waits. Times are seconds since the epoch; `expires_s` 0 is never."""

    question: Question
    run_id: str
    asked_s: float
    expires_s: float


class ApprovalStore:
    """The table, in the database at `address`: the path or the PostgreSQL URL of the runs.

    Raises:
        ConfigError: the database can't be used.
    """

    def __init__(
        self,
        address: str | Path,
        *,
        expires_s: float = EXPIRES_S,
        now_s: Callable[[], float] = time.time,
        signer: Signer | None = None,
    ) -> None:
        self._expires_s, self._now_s = expires_s, now_s
        self._signer = signer or open_signer()
        self._engine = open_tables(address, _tables)

    def take(self, question: Question) -> PersonReply | None:
        """Return the answer to `question`, which is used by this; None puts it down to be answered.

        Asked again, it returns the same answer, until `withdraw`.

        Raises:
            StoreError: the store did not answer, or the answer was not given by a person; it is thrown away then.
        """
        try:
            return self._take(question)
        except ForgedError as error:
            self._throw_away(question.digest)
            raise StoreError(
                f"the stored answer to {question.digest[:12]} was not given by `nebulus approve` or `deny` here: "
                f"{error}",
                fix=f"it was thrown away: answer again. Who answers on another machine needs the same {KEY_VARIABLE}",
            ) from error

    def _take(self, question: Question) -> PersonReply | None:
        now = self._now_s()
        with transaction(self._engine, _WHAT) as connection:
            row = connection.execute(_one(question.digest)).mappings().one_or_none()
            if row is None:
                connection.execute(sa.insert(_approvals).values(self._asked(question, now)))
                return None
            is_late = bool(row["expires_s"]) and (row["used_s"] or now) >= row["expires_s"]
            if not row["reply"] and not is_late:
                asked = self._sealed(question.digest, "question", question)
                # The run asks this question, whatever the row contained.
                connection.execute(_row_of(question).values(question=asked))
                return None
            reply = _late(row) if is_late else self._replied(row)
            connection.execute(
                sa.update(_approvals)
                .where(_approvals.c.digest == question.digest, _approvals.c.used_s == 0.0)
                .values(used_s=now)
            )
            return reply

    def withdraw(self, run_id: str) -> None:
        """Forget the answers that a run has taken: it goes back, and what it asks again is a new question.

        Raises:
            StoreError: the store did not answer.
        """
        taken = sa.delete(_approvals).where(_approvals.c.run_id == run_id, _approvals.c.used_s > 0.0)
        with transaction(self._engine, _WHAT) as connection:
            connection.execute(taken)

    def answer(self, digest: str, reply: PersonReply) -> Question:
        """Give `reply` to the one question whose digest begins with `digest`, and return it.

        Raises:
            ConfigError: there is no such question, or several; it was answered, or its time is over.
            StoreError: the store did not answer.
        """
        now = self._now_s()
        with transaction(self._engine, _WHAT) as connection:
            found = sa.select(_approvals).where(_approvals.c.digest.startswith(digest, autoescape=True))
            rows = connection.execute(found).mappings().all()
            if len(rows) != 1 or not digest:
                what = "no question has" if not rows else f"{len(rows)} questions have"
                raise ConfigError(
                    f"{what} an id that begins with {digest!r}", fix="`nebulus approvals` lists them"
                )
            row = rows[0]
            if row["reply"]:
                raise ConfigError(f"{digest} was answered already", fix="an answer is not changed")
            if row["expires_s"] and now >= row["expires_s"]:
                raise ConfigError(
                    f"the time of {digest} is over, which is a no", fix="resume the run to be asked again"
                )
            question = self._question(row)
            changed = connection.execute(
                sa.update(_approvals)
                .where(_approvals.c.digest == row["digest"], _approvals.c.reply == "")
                .values(reply=self._sealed(row["digest"], "reply", reply), answered_s=now)
            )
            if changed.rowcount != 1:
                raise ConfigError(f"{digest} was answered already", fix="an answer is not changed")
            return question

    def waiting(self) -> list[Waiting]:
        """Return the questions that can still be answered, oldest first.

        Raises:
            StoreError: the store did not answer.
        """
        now = self._now_s()
        with transaction(self._engine, _WHAT) as connection:
            rows = connection.execute(sa.select(_approvals).order_by(_approvals.c.asked_s)).mappings().all()
        return [
            Waiting(
                question=self._shown(row),
                run_id=row["run_id"],
                asked_s=row["asked_s"],
                expires_s=row["expires_s"],
            )
            for row in rows
            if not row["reply"] and not row["used_s"] and not (row["expires_s"] and now >= row["expires_s"])
        ]

    def _sealed(self, digest: str, purpose: Purpose, value: object) -> str:
        return self._signer.seal(msgspec.json.encode(value).decode(), purpose=purpose, digest=digest)

    def _replied(self, row: sa.RowMapping) -> PersonReply:
        return _replies.decode(self._signer.open(row["reply"], purpose="reply", digest=row["digest"]))

    def _question(self, row: sa.RowMapping) -> Question:
        """Return the question of a row as it was asked: who is shown another one would answer another one."""
        try:
            text = self._signer.open(row["question"], purpose="question", digest=row["digest"])
        except ForgedError as error:
            raise StoreError(
                f"the stored question {row['digest'][:12]} was not written by a run here: {error}",
                fix=f"do not answer it. Who answers on another machine needs the same {KEY_VARIABLE}",
            ) from error
        return _questions.decode(text)

    def _throw_away(self, digest: str) -> None:
        with transaction(self._engine, _WHAT) as connection:
            forged = sa.update(_approvals).where(_approvals.c.digest == digest)
            connection.execute(forged.values(reply="", answered_s=0.0, used_s=0.0))

    def _shown(self, row: sa.RowMapping) -> Question:
        """Return the question of a row to be listed: one that can't be trusted says so, and can't be answered."""
        try:
            return self._question(row)
        except StoreError as error:
            return Question(
                question_id="", kind="approval", text=str(error), digest=row["digest"], run_id=row["run_id"]
            )

    def close(self) -> None:
        """Let go of the store."""
        self._engine.dispose()

    def _asked(self, question: Question, now: float) -> dict[str, object]:
        is_approval = question.kind == "approval"
        return {
            "digest": question.digest,
            "run_id": question.run_id,
            "question": self._sealed(question.digest, "question", question),
            "asked_s": now,
            "expires_s": now + self._expires_s if is_approval else 0.0,
            "reply": "",
            "answered_s": 0.0,
            "used_s": 0.0,
        }


def _one(digest: str) -> sa.Select[tuple[object, ...]]:
    return sa.select(_approvals).where(_approvals.c.digest == digest).with_for_update()


def _row_of(question: Question) -> sa.Update:
    return sa.update(_approvals).where(_approvals.c.digest == question.digest)


def _late(row: sa.RowMapping) -> PersonReply:
    what = "nobody used the answer in time" if row["reply"] else "nobody answered in time"
    return PersonReply(is_yes=False, text=f"{what}, and silence is not consent", by="expiry")
