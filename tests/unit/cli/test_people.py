"""Nobody's yes is ever made up."""

from nebulus.cli.people import AutoApproval, choose_person
from nebulus.cli.watch import NoFace
from nebulus.core.outcome import Question

APPROVAL = Question(question_id="c1", kind="approval", text="May pay be called?", tool="pay", arguments="{}")
UNKNOWN = Question(question_id="c1?", kind="unknown_outcome", text="Did pay take effect?", tool="pay")


async def test_a_flag_approves_aloud_and_is_recorded_as_the_flag() -> None:
    said: list[str] = []
    reply = await AutoApproval(said.append, name="--yes").ask(APPROVAL)
    assert reply is not None
    assert (reply.is_yes, reply.by) == (True, "--yes")
    assert said == ["--yes says yes: pay {} ()"]


async def test_a_flag_does_not_know_what_happened() -> None:
    said: list[str] = []
    assert await AutoApproval(said.append, name="--yes").ask(UNKNOWN) is None
    assert said == []


def test_without_a_flag_and_a_terminal_nobody_is_there() -> None:
    assert choose_person(NoFace(), says_yes=False, is_interactive=False, tell=print) is None
