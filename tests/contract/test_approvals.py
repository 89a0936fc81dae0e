"""Questions wait in a SQLite file and in PostgreSQL alike."""

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from nebulus.adapters.approvals.person import StoredPerson
from nebulus.adapters.approvals.store import ApprovalStore
from nebulus.core.outcome import Question
from nebulus.testing.people import YES


@pytest.fixture(params=["sqlite", "postgres"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str | Path]:
    if request.param == "sqlite":
        yield tmp_path / "approvals.sqlite"
        return
    url = os.environ.get("NEBULUS_TEST_POSTGRES")
    if not url:
        pytest.skip('no PostgreSQL: eval "$(scripts/postgres start)"')
    yield url


async def test_an_answer_given_elsewhere_serves_its_question_until_the_run_goes_back(
    address: str | Path,
) -> None:
    digest = uuid.uuid4().hex * 2
    question = Question(
        question_id="c3", kind="approval", text="May it?", digest=digest, run_id=digest[:8], step=2
    )
    here, elsewhere = ApprovalStore(address), ApprovalStore(address)
    person = StoredPerson(here)
    assert await person.ask(question) is None
    assert question in [item.question for item in elsewhere.waiting()]
    assert elsewhere.answer(digest[:16], YES) == question
    assert await person.ask(question) == YES
    assert await StoredPerson(elsewhere).ask(question) == YES, "who died before recording it takes it again"
    elsewhere.withdraw(question.run_id)
    assert await person.ask(question) is None
    here.close()
    elsewhere.close()
