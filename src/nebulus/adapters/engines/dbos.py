"""The durable engine: DBOS Transact on one SQLite file, or on PostgreSQL.

Laws, beyond those of the port: opening takes nothing up; a run is held by the process that wrote its
last segment, as long as that process lives; whoever takes a run over first closes that segment, so that
a process which only seemed dead can record nothing more.
"""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from time import monotonic
from typing import Any, ClassVar, cast

import dbos

from nebulus.adapters.engines.alive import Mark, new_owner, whereabouts
from nebulus.adapters.engines.held import Entry, HeldRun, WallClock, cut, results, text_of
from nebulus.adapters.engines.scribe import FAREWELL_S, WORKFLOW, Scribe, SegmentTakenError, ask
from nebulus.adapters.engines.segments import (
    Head,
    Segment,
    decode_head,
    encode_head,
    journal,
    parsed_id,
    run_status,
    segment_id,
    segment_prefix,
)
from nebulus.adapters.engines.storage import mark_of, prepare, settings, storage_at
from nebulus.adapters.engines.version import VERSION, refuse_other_version
from nebulus.core.errors import ConfigError, JournalError, RunBusyError, RunUnknownError, StoreError
from nebulus.ports.engine import Body, RunInfo
from nebulus.ports.world import Clock

_STOP = "stop_asked"
_LOOK_S = 0.25
"""How often, at most, a run that is stepping looks whether another process wants it to stop: one read
of 0.5 ms. Source: what a person takes for "at once"."""

_QUIET = {
    "use_listen_notify": False,
    "notification_listener_polling_interval_sec": 0.1,
    "scheduler_polling_interval_sec": 3600.0,
}
"""What we use nothing of, asleep. The listener reads nothing; its interval, in seconds, is what `close`
waits for. Source: dbos 3.4, `DBOSConfig`."""


class DbosEngine:
    """Runs that survive their process. One is open at a time in one process, for DBOS is one per process."""

    _open: ClassVar["DbosEngine | None"] = None

    def __init__(
        self,
        address: str | Path,
        *,
        schema: str = "nebulus",
        version: str = VERSION,
        log_level: str = "CRITICAL",
        clock: Clock | None = None,
    ) -> None:
        """Name the storage: the path of an SQLite file, or a PostgreSQL URL and a `schema` in it.

        `log_level` is that of DBOS's own log, on stderr. Nothing is touched before `open`.
        """
        self._storage = storage_at(address, schema=schema)
        self._mark = mark_of(self._storage)
        self._owner = new_owner()
        self._version = version
        self._log_level = log_level
        self._clock = WallClock() if clock is None else clock
        self._held: dict[str, _Hold] = {}
        self._body: Body | None = None

    async def open(self, body: Body) -> None:
        """Make the storage ready and say what a run does. Nothing is resumed by itself.

        Raises:
            ConfigError: the storage can't be used, or DBOS is in use in this process already.
        """
        if DbosEngine._open is not None:
            raise ConfigError("this process has a durable engine open already; close that one first")
        DbosEngine._open = self
        try:
            await ask(self._launch)
        except BaseException as error:
            self._mark.release()
            DbosEngine._open = None
            if isinstance(error, StoreError):
                raise ConfigError(f"runs can't be kept here: {error}") from error
            raise
        self._body = body

    async def start(self, run_id: str, request: bytes) -> bytes:
        """Run the body on a new run to its end and return what it returned.

        Raises:
            RunBusyError: the name is taken by a run that a living process holds.
            ConfigError: the name is empty, or taken by a run that exists already.
        """
        self._opened()
        if not run_id.strip():
            raise ConfigError("a run must have a name")
        head = Head(request=text_of(request, "the request"), created_s=self._clock.now_s())
        try:
            return await self._hold(run_id, head, number=1, past=())
        except SegmentTakenError:
            await self._refuse_held((await _segments(run_id))[-1])
            raise ConfigError(f"run {run_id!r} exists already; resume it, or take another name") from None

    async def resume(self, run_id: str, *, keep: int | None = None) -> bytes:
        """Take a run up again, cut to its first `keep` steps, and return what its body returned.

        Raises:
            RunUnknownError: no such run.
            RunBusyError: another living process holds it.
            JournalError: another version recorded it.
        """
        self._opened()
        segments = await _segments(run_id)
        last = segments[-1]
        await self._refuse_held(last)
        refuse_other_version(run_id, recorded=last.version, ours=self._version)
        if last.status == "PENDING":
            await ask(lambda: dbos.DBOS.cancel_workflow(last.workflow_id))
        recorded = await _journal(segments)
        kept = recorded if keep is None else cut(recorded, keep)
        if last.status == "SUCCESS" and len(kept) == len(recorded):
            return last.result.encode()
        head = Head(request=last.head.request, created_s=last.head.created_s, keep=len(kept))
        try:
            return await self._hold(run_id, head, number=last.number + 1, past=kept)
        except SegmentTakenError:
            raise RunBusyError(f"run {run_id!r} was taken by another process at this moment") from None

    async def runs(self) -> list[RunInfo]:
        """List all runs, newest first."""
        self._opened()
        last: dict[str, Segment] = {}
        for segment in await _listed():
            if segment.run_id not in last or last[segment.run_id].number < segment.number:
                last[segment.run_id] = segment
        living = await self._living(last.values())
        newest_first = sorted(last.values(), key=lambda segment: segment.head.created_s, reverse=True)
        return [self._described(segment, living) for segment in newest_first]

    async def info(self, run_id: str) -> RunInfo:
        """Describe one run.

        Raises:
            RunUnknownError: no such run.
        """
        self._opened()
        last = (await _segments(run_id))[-1]
        return self._described(last, await self._living([last]))

    async def past_of(self, run_id: str) -> tuple[bytes, ...]:
        """Read the recorded steps of a run without taking it.

        Raises:
            RunUnknownError: no such run.
        """
        self._opened()
        return results(await _journal(await _segments(run_id)))

    async def cancel(self, run_id: str) -> None:
        """Ask for a stop between two steps; the step in flight ends first and is recorded.

        Another process hears of it within a quarter of a second of stepping.

        Raises:
            RunUnknownError: no such run.
        """
        self._opened()
        before, last = 0, (await _segments(run_id))[-1]
        # Whoever resumes the run meanwhile begins a new segment, which has to hear of it too.
        while last.number != before and last.status != "SUCCESS":
            await self._stop(last)
            before, last = last.number, (await _segments(run_id))[-1]

    async def close(self) -> None:
        """Let go of every run and of the storage. May be called twice."""
        if DbosEngine._open is not self:
            return
        self._body = None
        try:
            for hold in list(self._held.values()):
                await hold.let_go()
            with suppress(StoreError):  # threads that a silent database keeps busy end with the process
                await ask(dbos.DBOS.destroy, patience_s=FAREWELL_S)
        finally:
            self._mark.release()
            DbosEngine._open = None

    def _launch(self) -> None:
        prepare(self._storage)
        self._mark.take(self._owner)
        config: dict[str, Any] = {
            "name": "nebulus",
            "application_version": self._version,
            "executor_id": self._owner,
            "serializer": dbos.DBOSPortableJSONSerializer(),
            "log_level": self._log_level,
            **_QUIET,
            **settings(self._storage),
        }
        dbos.DBOS(config=cast(dbos.DBOSConfig, config))
        if dbos.DBOS.executor_id != self._owner:
            raise ConfigError("this process uses DBOS for something else; give nebulus a process of its own")
        try:
            dbos.DBOS.listen_queues([])
            dbos.DBOS.launch()
        except BaseException:
            dbos.DBOS.destroy()
            raise

    def _opened(self) -> Body:
        if self._body is None:
            raise ConfigError("the engine is not open; call open(body) first")
        return self._body

    async def _hold(self, run_id: str, head: Head, *, number: int, past: Sequence[Entry]) -> bytes:
        scribe = Scribe(segment_id(run_id, number), encode_head(head))
        if scribe.workflow_id in self._held:
            raise RunBusyError(f"run {run_id!r} is held by another task of this process; wait for it")
        hold = self._held[scribe.workflow_id] = _Hold(scribe, self._mark)
        try:
            await scribe.begin()
            held = HeldRun(run_id, past, ink=hold, clock=self._clock)
            result = await self._opened()(held, head.request.encode())
            held.finish()
            await scribe.end(text_of(result, f"the result of run {run_id!r}"))
        except BaseException:
            await hold.let_go()
            raise
        finally:
            del self._held[scribe.workflow_id]
        return result

    async def _stop(self, last: Segment) -> None:
        await ask(lambda: dbos.DBOS.update_workflow_attributes(last.workflow_id, {_STOP: True}))
        if last.workflow_id in self._held:
            self._held[last.workflow_id].stop()
        elif not await self._living([last]):
            await ask(lambda: dbos.DBOS.cancel_workflow(last.workflow_id))

    async def _refuse_held(self, last: Segment) -> None:
        if last.status == "PENDING" and self._is_held(last, await self._living([last])):
            raise RunBusyError(
                f"run {last.run_id!r} is held by {whereabouts(last.owner)}; wait for it, or cancel the run"
            )

    async def _living(self, segments: Iterable[Segment]) -> set[str]:
        owners = {segment.owner for segment in segments if segment.status == "PENDING"} - {self._owner}
        return await ask(lambda: self._mark.living(owners)) if owners else set()

    def _is_held(self, segment: Segment, living: set[str]) -> bool:
        return segment.owner in living or segment.workflow_id in self._held

    def _described(self, last: Segment, living: set[str]) -> RunInfo:
        return RunInfo(
            run_id=last.run_id,
            status=run_status(last, is_held=self._is_held(last, living)),
            created_s=last.head.created_s,
            updated_s=max(last.updated_s, last.head.created_s),
            version=last.version,
            request=last.head.request.encode(),
            result=last.result.encode(),
        )


class _Hold:
    """The ink of a held run: its scribe, and an ear for who wants it to stop."""

    def __init__(self, scribe: Scribe, mark: Mark) -> None:
        self._scribe = scribe
        self._mark = mark
        self._is_stopping = False
        self._looked_s = monotonic()

    def stop(self) -> None:
        """Stop before the next step."""
        self._is_stopping = True

    async def write(self, entry: Entry) -> None:
        await self._scribe.write(entry)

    async def stop_asked(self) -> bool:
        if not self._is_stopping and monotonic() - self._looked_s >= _LOOK_S:
            self._is_stopping = await ask(self._look)
            self._looked_s = monotonic()
        return self._is_stopping

    async def let_go(self) -> None:
        """Close the segment if the database lets us."""
        with suppress(StoreError, SegmentTakenError):  # others see that it is free when this process ends
            await self._scribe.abandon()

    def _look(self) -> bool:
        with suppress(
            StoreError
        ):  # what follows waits for the database; the mark is renewed at the next look
            self._mark.renew()
        status = dbos.DBOS.get_workflow_status(self._scribe.workflow_id)
        return status is not None and _is_stop_asked(status)


async def _listed(prefix: str | None = None) -> list[Segment]:
    """Return all segments whose DBOS ids begin with `prefix`."""
    return [
        _segment_of(status)
        for status in await ask(lambda: dbos.DBOS.list_workflows(name=WORKFLOW, workflow_id_prefix=prefix))
    ]


async def _segments(run_id: str) -> list[Segment]:
    """Return the segments of a run, in order.

    Raises:
        RunUnknownError: there are none.
    """
    listed = await _listed(segment_prefix(run_id))
    own = sorted(
        (segment for segment in listed if segment.run_id == run_id), key=lambda segment: segment.number
    )
    if not own:
        raise RunUnknownError(f"there is no run {run_id!r} here")
    return own


async def _journal(segments: Sequence[Segment]) -> list[Entry]:
    """Return the journal of a run, given its segments in order."""

    def read() -> list[Entry]:
        return journal((segment, _entries_of(segment.workflow_id)) for segment in segments)

    return await ask(read)


def _entries_of(workflow_id: str) -> list[Entry]:
    return [
        Entry(step["function_name"], _as_text(step["output"], f"a step of {workflow_id!r}"))
        for step in dbos.DBOS.list_workflow_steps(workflow_id)
    ]


def _segment_of(status: dbos.WorkflowStatus) -> Segment:
    run_id, number = parsed_id(status.workflow_id)
    given = status.input["args"][0] if status.input and status.input["args"] else None
    return Segment(
        run_id=run_id,
        number=number,
        status=status.status,
        head=decode_head(_as_text(given, f"the head of {status.workflow_id!r}")),
        owner=status.executor_id or "",
        version=status.app_version or "",
        updated_s=(status.updated_at or 0) / 1000,
        stop_asked=_is_stop_asked(status),
        result=status.output if isinstance(status.output, str) else "",
    )


def _is_stop_asked(status: dbos.WorkflowStatus) -> bool:
    return bool((status.attributes or {}).get(_STOP))


def _as_text(value: object, what: str) -> str:
    if not isinstance(value, str):
        raise JournalError(f"{what} is {type(value).__name__}, not text; something else wrote it")
    return value
