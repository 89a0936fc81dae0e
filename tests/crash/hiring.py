"""A program that hands work over to a worker, and that dies at one of its model's answers.

    python -m tests.crash.hiring FOLDER ANSWER

On the first start it begins a run and is killed when the model is asked for answer ANSWER, counted from 1 over all starts;
on a later start it resumes the run, and prints how it ended.
"""

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

from nebulus import Agent, worker
from nebulus.core.answers import ModelAnswer, ModelRequest
from nebulus.testing.backends import ScriptedBackend, calls

RUN = "first"
CLERK = worker(
    "clerk", "Append the note to desk/notes.txt.", inputs={"note": str}, tools=["append_file"], paths=["desk"]
)


class Dying:
    """Answers as a coordinator and its clerk would, and dies at one answer; asked questions are counted in a file."""

    def __init__(self, counter: Path, at: int) -> None:
        self._counter, self._at = counter, at

    def __call__(self, request: ModelRequest) -> ModelAnswer:
        """Answer, or die."""
        count = int(self._counter.read_text() or 0) + 1
        self._counter.write_text(str(count))
        if count == self._at:
            os.kill(os.getpid(), signal.SIGKILL)
        made = [call.name for message in request.messages for call in message.calls]
        if made:
            return calls("finish", summary="It is done.")
        is_clerk = any(
            "Goal: Append the note to desk/notes.txt." in message.content for message in request.messages
        )
        return (
            calls("append_file", path="desk/notes.txt", text="once\n")
            if is_clerk
            else calls("clerk", note="once")
        )


async def main(folder: Path, at: int) -> None:
    """Begin the run, or resume it, and print how it ended."""
    counter, work = folder / "answers", folder / "work"
    is_first = not counter.exists()
    if is_first:
        counter.write_text("")
        (work / "desk").mkdir(parents=True)
        (work / "desk/notes.txt").write_text("")
    model = ScriptedBackend(Dying(counter, at))
    engine = str(folder / "state" / "runs.sqlite")
    (folder / "state").mkdir(exist_ok=True)
    async with Agent(model=model, workspace=work, workers=[CLERK], engine=engine) as agent:
        known = [info.run_id for info in await agent.runs()]
        handle = await (agent.resume(RUN) if RUN in known else agent.start("Coordinate.", run_id=RUN))
        outcome = await handle.result()
        runs = len(await agent.runs())
    print(json.dumps({"outcome": type(outcome).__name__, "runs": runs, "said": str(outcome)}))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
