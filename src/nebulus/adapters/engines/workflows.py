"""A run as a DBOS workflow of the same name. Every method blocks, so `ask` calls it in a thread.

DBOS keeps the run, its records and its result, and no process of DBOS executes it: the body runs in the task
that asked for it. So this is a client of DBOS, without its threads.

Not public in DBOS are `run_migrations`, `update_workflow_outcome`, and its tables, to which two statements write.
`_CLAIM` is what DBOS's dequeue does, for one workflow. `_RECORD` writes the row of `DBOS.run_step` in one statement
instead of four; a test compares the two rows.
"""

import logging
from datetime import UTC, datetime
from time import time
from typing import Any

import dbos
import sqlalchemy as sa
from dbos._sys_db import SystemDatabase, db_retry
from msgspec import Struct

from nebulus.adapters.engines.validation import refuse_negative
from nebulus.adapters.stores.database import PostgresSchema, SqliteFile, Storage, SynchronousConnection
from nebulus.core.errors import ConfigError, JournalError, RunUnknownError, StoreError
from nebulus.ports.engine import RunInfo, RunStatus

_WORKFLOW = "nebulus.run"
"""The name of every run's workflow in DBOS."""

_QUEUE = "nebulus"
"""The queue in which a run waits to be claimed. No process polls it, so nothing starts by itself."""

_SERIALIZER = dbos.DBOSPortableJSONSerializer()
"""JSON: a database can't make Python execute anything, and any language can read it."""

_TAKEN_OVER = "another process has taken this run over; this one can record nothing more"

_STOP = "stop_asked"
"""The attribute of a workflow that asks its process to stop."""

_OVER = frozenset({"SUCCESS", "ERROR"})
"""DBOS's words for what can only be rewound, not resumed. Source: dbos 3.4, `WorkflowStatusString`."""

_TIES = 32
"""How many runs can begin within one millisecond, which is how exactly DBOS knows when."""

_CLAIM = """
UPDATE {place}workflow_status
SET status = 'PENDING', owner_xid = :token, executor_id = :owner, updated_at = :now_ms,
    queue_name = NULL, completed_at = NULL
WHERE workflow_uuid = :run_id AND status NOT IN ('SUCCESS', 'ERROR')
RETURNING workflow_uuid
"""

_RECORD = """
INSERT INTO {place}operation_outputs AS step (
    workflow_uuid, function_id, function_name, output, serialization,
    started_at_epoch_ms, completed_at_epoch_ms, application_name, retention_timestamp
)
SELECT workflow_uuid, :number, 'event', :output, 'portable_json', :now_ms, :now_ms, application_name, :now_ms
FROM {place}workflow_status WHERE workflow_uuid = :run_id AND owner_xid = :token {lock}
ON CONFLICT (workflow_uuid, function_id) DO UPDATE SET output = excluded.output
WHERE step.output = excluded.output AND step.completed_at_epoch_ms = excluded.completed_at_epoch_ms
RETURNING function_id
"""
"""Insert a step where its workflow still has this owner, which stays so until the commit. The same row is there
already where its commit reached the database and the confirmation was lost."""

logging.getLogger("dbos").addHandler(logging.NullHandler())  # Else its warnings would go to stderr.


class Claim(Struct, frozen=True):
    """Who works on a run: only the newest claim's `token` can record. `owner` is the process, as `new_owner` named it."""

    run_id: str
    owner: str
    token: str


class Workflows:
    """The workflows in one storage."""

    def __init__(self, storage: Storage) -> None:
        """Touch nothing yet."""
        schema = storage.schema if isinstance(storage, PostgresSchema) else None
        self._client = dbos.DBOSClient(
            system_database_engine=_engine_of(storage),
            dbos_system_schema=schema,
            serializer=_SERIALIZER,
            application_name="nebulus",
            lazy=True,
        )
        self._database: SystemDatabase = self._client._sys_db
        place, lock = (f'"{schema}".', "FOR KEY SHARE") if schema else ("", "")
        self._claiming = sa.text(_CLAIM.format(place=place))
        self._recording = sa.text(_RECORD.format(place=place, lock=lock))

    def migrate(self) -> None:
        """Create or update DBOS's tables."""
        self._database.run_migrations()

    def close(self) -> None:
        """Close every connection."""
        self._client.destroy()
        self._database.engine.dispose()

    def create(self, claim: Claim, request: str, version: str) -> None:
        """Create a run's workflow and claim it.

        Raises:
            ConfigError: it exists.
        """
        options = dbos.EnqueueOptions(
            workflow_name=_WORKFLOW,
            queue_name=_QUEUE,
            workflow_id=claim.run_id,
            app_version=version,
            workflow_id_reuse_policy="reject",
        )
        try:
            self._client.enqueue(options, request)
        except dbos.error.DBOSWorkflowIDInUseError as error:
            raise ConfigError(
                f"run {claim.run_id!r} exists already; resume it, or use another name"
            ) from error
        self._claim(claim)

    def take_up(
        self, claim: Claim, status: dbos.WorkflowStatus, *, keep: int | None, reopen: bool
    ) -> tuple[bytes, ...] | None:
        """Claim a run, drop all but its first `keep` batches, and return these.

        None if it ended, keeps all of them and is not reopened.

        Raises:
            ConfigError: `keep` is negative.
        """
        refuse_negative(keep)  # Before anything changes.
        run_id, is_over = claim.run_id, status.status in _OVER
        if not is_over:
            self._claim(claim)  # From here on nobody else can record.
        recorded = self.batches(run_id)
        kept = recorded[:keep]
        if len(kept) < len(recorded) or status.status == "ERROR" or (is_over and reopen):
            self._client.cancel_workflow(run_id)  # Only what is over can be rewound.
            self._client.rewind_workflow(run_id, start_step=len(kept) + 1, queue_name=_QUEUE)
            self._claim(claim)
        elif is_over:
            return None
        if is_stop_asked(status):
            self._client.update_workflow_attributes(run_id, None)
        return kept

    def record(self, claim: Claim, number: int, batch: str, *, now_ms: int) -> None:
        """Record `batch` as step `number` (from 1) of a run's workflow; it is durable when this returns.

        Recording the same again does nothing.

        Raises:
            StoreError: the run was taken over.
        """
        row = {
            "run_id": claim.run_id,
            "token": claim.token,
            "number": number,
            "output": _SERIALIZER.serialize(batch),
            "now_ms": now_ms,
        }
        if not _executed(self._database, self._recording, row):
            raise StoreError(_TAKEN_OVER)

    def finish(self, claim: Claim, result: str) -> None:
        """Record the result of a run, which ends it.

        Raises:
            StoreError: the run was taken over.
        """
        output = _SERIALIZER.serialize(result)
        if not self._database.update_workflow_outcome(
            claim.run_id, "SUCCESS", output=output, owner_xid=claim.token
        ):
            raise StoreError(_TAKEN_OVER)

    def ask_to_stop(self, run_id: str) -> None:
        """Ask the process that works on a run to stop, and mark a run that nobody works on as cancelled."""
        self._client.update_workflow_attributes(run_id, {_STOP: True})

    def status_of(self, run_id: str, *, is_whole: bool = True) -> dbos.WorkflowStatus:
        """Return the workflow of a run, with its request and result if `is_whole`.

        Raises:
            RunUnknownError: no run has this name.
        """
        found = self._client.list_workflows(
            workflow_ids=[run_id], name=_WORKFLOW, load_input=is_whole, load_output=is_whole
        )
        if not found:
            raise RunUnknownError(f"there is no run {run_id!r} here")
        return found[0]

    def batches(self, run_id: str) -> tuple[bytes, ...]:
        """Return what is recorded of a run."""
        steps = self._client.list_workflow_steps(run_id)
        return tuple(_bytes_of(step["output"], f"a batch of {run_id!r}") for step in steps)

    def page(self, limit: int | None, after: str | None) -> list[dbos.WorkflowStatus]:
        """Return the newest workflows, or those that follow the run `after`, without their requests.

        Raises:
            RunUnknownError: no run has the name `after`.
        """
        last = self.status_of(after, is_whole=False) if after is not None else None
        found = self._client.list_workflows(
            name=_WORKFLOW,
            sort_desc=True,
            limit=None if limit is None else limit + _TIES,
            end_time=_moment(last) if last else None,
            load_input=False,
        )
        found.sort(key=_order, reverse=True)
        return [status for status in found if last is None or _order(status) < _order(last)][:limit]

    def _claim(self, claim: Claim) -> None:
        row = {"run_id": claim.run_id, "token": claim.token, "owner": claim.owner}
        _executed(self._database, self._claiming, row | {"now_ms": int(time() * 1000)})


def is_stop_asked(status: dbos.WorkflowStatus) -> bool:
    """Whether somebody asked for a stop of the run."""
    return bool((status.attributes or {}).get(_STOP))


def described(status: dbos.WorkflowStatus, *, is_open: bool) -> RunInfo:
    """Return a workflow as the port describes it, given whether a living process works on the run."""
    match status.status:
        case "SUCCESS":
            state = RunStatus.ENDED
        case _ if is_open:
            state = RunStatus.RUNNING
        case other:
            is_cancelled = other == "CANCELLED" or is_stop_asked(status)
            state = RunStatus.CANCELLED if is_cancelled else RunStatus.INTERRUPTED
    created_s, updated_s = ((moment or 0) / 1000 for moment in (status.created_at, status.updated_at))
    return RunInfo(
        run_id=status.workflow_id,
        status=state,
        created_s=created_s,
        updated_s=max(updated_s, created_s),
        version=status.app_version or "",
        request=_bytes_of(status.input["args"][0], "a request") if status.input else b"",
        result=status.output.encode() if isinstance(status.output, str) else b"",
    )


def _engine_of(storage: Storage) -> sa.Engine:
    match storage:
        case SqliteFile(path):
            # A transaction begins as a writer and waits for others, as with DBOS's own connections.
            arguments: dict[str, Any] = {
                "factory": SynchronousConnection,
                "timeout": 30.0,
                "isolation_level": "IMMEDIATE",
            }
            url = sa.URL.create("sqlite", database=str(path))
        case PostgresSchema(address, _):
            arguments = {
                "application_name": "nebulus",
                "connect_timeout": 5,
                "options": "-c idle_in_transaction_session_timeout=60000",
            }
            url = sa.make_url(address).set(drivername="postgresql+psycopg")
    return sa.create_engine(url, connect_args=arguments, pool_size=20, max_overflow=0)  # As dbos 3.4.


@db_retry()
def _executed(database: SystemDatabase, statement: sa.Executable, values: dict[str, Any]) -> bool:
    """Execute `statement`, again on a new connection if it was lost; return whether it yielded a row."""
    with database.engine.begin() as connection:
        return connection.execute(statement, values).first() is not None


def _order(status: dbos.WorkflowStatus) -> tuple[int, str]:
    return status.created_at or 0, status.workflow_id


def _moment(status: dbos.WorkflowStatus) -> str:
    """Return when a run began, half a millisecond late, so that rounding leaves out none of that millisecond."""
    return datetime.fromtimestamp(((status.created_at or 0) + 0.5) / 1000, tz=UTC).isoformat()


def _bytes_of(value: object, what: str) -> bytes:
    if not isinstance(value, str):
        raise JournalError(f"{what} is {type(value).__name__}, not text; something else wrote it")
    return value.encode()
