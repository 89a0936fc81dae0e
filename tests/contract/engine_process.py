"""The other process: starts a run, or resumes it without a request; it says "hanging" in one step, goes on
when told, and says how the run ended.
"""

import asyncio
import sys
from pathlib import Path

from nebulus.core.errors import NebulusError
from tests.contract.engine_homes import Counter, DbosHome


async def _hang() -> None:
    print("hanging", flush=True)
    await asyncio.to_thread(sys.stdin.readline)


async def main(address: str, run_id: str, request: str, notes: str, hang_at: str) -> None:
    counter = Counter(Path(notes), at={int(hang_at): _hang})
    engine = DbosHome(address).engine()
    await engine.open(counter.body)
    try:
        ended = engine.start(run_id, request.encode()) if request else engine.resume(run_id)
        print((await ended).decode())
    except NebulusError as error:
        print(f"{type(error).__name__}: {error}")
    await engine.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
