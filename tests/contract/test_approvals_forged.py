"""An answer that no person gave is never taken for one, whoever wrote it into the database."""

import sqlite3
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from nebulus.adapters.approvals.signing import KEY_VARIABLE, ForgedError, Signer, open_signer
from nebulus.adapters.approvals.store import ApprovalStore
from nebulus.adapters.trust.private import user_state_folder
from nebulus.core.errors import ConfigError, StoreError
from nebulus.core.outcome import Question
from nebulus.testing.people import YES

pytestmark = pytest.mark.usefixtures("new_user")

DIGESTS = ("a" * 64, "b" * 64)
ASKED, OTHER = (
    Question(question_id="c3", kind="approval", text=text, digest=digest, run_id="run", step=2)
    for text, digest in zip(("Delete it?", "List it?"), DIGESTS, strict=True)
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "approvals.sqlite"


def written(file: Path, statement: str, *values: object) -> None:
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute(statement, values)


@pytest.mark.parametrize(
    "forged", [msgspec.json.encode(YES).decode(), '{"text": "{}", "mac": ""}', "no JSON"]
)
def test_a_forged_reply_is_refused_thrown_away_and_the_question_waits_again(file: Path, forged: str) -> None:
    store = ApprovalStore(file)
    assert store.take(ASKED) is None
    written(file, "UPDATE nebulus_approvals SET reply = ?, answered_s = 1.0", forged)
    with pytest.raises(StoreError, match="was not given by"):
        store.take(ASKED)
    assert [item.question for item in store.waiting()] == [ASKED]
    store.answer(ASKED.digest, YES)
    assert store.take(ASKED) == YES


def test_a_reply_serves_no_other_question(file: Path) -> None:
    store = ApprovalStore(file)
    assert (store.take(ASKED), store.take(OTHER)) == (None, None)
    store.answer(OTHER.digest, YES)
    copied = "UPDATE nebulus_approvals SET reply = (SELECT reply FROM nebulus_approvals WHERE digest = ?), answered_s = 1"
    written(file, copied, OTHER.digest)
    with pytest.raises(StoreError, match="was not given by"):
        store.take(ASKED)
    assert store.take(OTHER) == YES


def test_a_question_that_was_altered_is_not_shown_as_asked_and_can_not_be_answered(file: Path) -> None:
    store = ApprovalStore(file)
    assert store.take(ASKED) is None
    harmless = msgspec.json.encode(msgspec.structs.replace(ASKED, text="List the files?")).decode()
    written(file, "UPDATE nebulus_approvals SET question = ?", harmless)
    (shown,) = store.waiting()
    assert "was not written by a run here" in shown.question.text
    assert "List the files" not in shown.question.text
    with pytest.raises(StoreError, match="do not answer it"):
        store.answer(ASKED.digest, YES)
    assert store.take(ASKED) is None
    assert [item.question for item in store.waiting()] == [ASKED], "the run that asks puts it right"


def test_the_key_is_for_its_user_alone_and_the_same_for_every_process() -> None:
    sealed = open_signer().seal("yes", purpose="reply", digest="d")
    key = user_state_folder() / "approval.key"
    assert key.stat().st_mode & 0o777 == 0o600
    assert key.parent.stat().st_mode & 0o777 == 0o700
    assert open_signer().open(sealed, purpose="reply", digest="d") == "yes"
    for wrong in ({"purpose": "question", "digest": "d"}, {"purpose": "reply", "digest": "e"}):
        with pytest.raises(ForgedError):
            open_signer().open(sealed, **wrong)  # type: ignore[arg-type]


def test_machines_that_share_a_database_share_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY_VARIABLE, "ab" * 32)
    sealed = open_signer().seal("yes", purpose="reply", digest="d")
    assert Signer(bytes.fromhex("ab" * 32)).open(sealed, purpose="reply", digest="d") == "yes"
    assert not user_state_folder().exists()
    monkeypatch.setenv(KEY_VARIABLE, "secret")
    with pytest.raises(ConfigError, match="is not a key of 64 hex digits") as refused:
        open_signer()
    assert "secret" not in str(refused.value)
