"""A run as a DBOS workflow of the same name. Every function blocks, so `ask` calls it in a thread.

Not all of it has a public name in DBOS. DBOS starts enqueued workflows from threads that poll, in whichever
process comes first, but a run must begin at once, in the process that was asked: `claim` does what one poll
does, for one workflow (dbos 3.4, `_queue.py`, `queue_worker_thread`). `record` writes the row of
`DBOS.run_step` in one statement instead of four; a test compares the two rows.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any

import dbos
import sqlalchemy as sa
from dbos._context import get_local_dbos_context
from dbos._core import execute_dequeued_workflow
from dbos._dbos import _get_dbos_instance
from dbos._queue import _INTERNAL_QUEUE_CONSTRUCTION, Queue
from dbos._schemas.system_database import SystemSchema
from dbos._sys_db import SystemDatabase, db_retry
from sqlalchemy.dialects import postgresql, sqlite

from nebulus.adapters.engines.batches import refuse_negative
from nebulus.core.errors import ConfigError, JournalError, RunUnknownError, StoreError
from nebulus.ports.engine import RunInfo, RunStatus

WORKFLOW = "nebulus.run"
"""The name of every run's workflow in DBOS."""

SERIALIZER = dbos.DBOSPortableJSONSerializer()
"""JSON: a database can't make Python execute anything, and any language can read it."""

TAKEN_OVER = "another process has taken this run over; this one can record nothing more"

_STEP = "event"
"""The name of every step of a run in DBOS."""

_STOP = "stop_asked"
"""The attribute of a workflow that asks its process to stop between two steps."""

_OVER = frozenset({"SUCCESS", "ERROR"})
"""DBOS's words for what can only be rewound, not resumed. Source: dbos 3.4, `WorkflowStatusString`."""

_TIES = 32
"""How many runs can begin within one millisecond, which is how exactly DBOS knows when."""


def adopt_loop() -> None:
    """Let workflows run in this event loop."""
    _get_dbos_instance()._background_event_loop.set_main_loop()


def current() -> tuple[str, str]:
    """Return the run whose workflow is being executed, and the token of the process that claimed it."""
    context = get_local_dbos_context()
    return (context.workflow_id, context.owner_xid or "") if context else ("", "")


def enqueue(run_id: str, workflow: Any, request: str) -> None:
    """Create a run's workflow, ready to be claimed.

    Raises:
        ConfigError: it exists.
    """
    try:
        with dbos.SetWorkflowID(run_id, workflow_id_reuse_policy="reject"):
            dbos.DBOS.enqueue_workflow(_queue_of(run_id), workflow, request)
    except dbos.error.DBOSWorkflowIDInUseError as error:
        raise ConfigError(f"run {run_id!r} exists already", fix="resume it, or take another name") from error


def enqueue_again(
    status: dbos.WorkflowStatus, keep: int | None, *, is_reopened: bool
) -> Sequence[str] | None:
    """Make a run ready to be claimed, cut to `keep` steps, and return the steps that it kept.

    None if it ended, and is neither cut nor reopened.

    Raises:
        ConfigError: `keep` is negative.
    """
    run_id, is_over = status.workflow_id, status.status in _OVER
    refuse_negative(keep)  # before anything changes
    if not is_over:
        dbos.DBOS.resume_workflow(run_id, queue_name=_queue_of(run_id))  # Nobody else can record any more.
    recorded = steps(run_id)
    kept = recorded[:keep]
    if len(kept) < len(recorded) or status.status == "ERROR" or (is_over and is_reopened):
        if not is_over:
            dbos.DBOS.cancel_workflow(run_id)
        dbos.DBOS.rewind_workflow(run_id, start_step=len(kept) + 1, queue_name=_queue_of(run_id))
    elif is_over:
        return None
    if is_stop_asked(status):
        dbos.DBOS.update_workflow_attributes(run_id, {_STOP: False})
    return kept


def claim(run_id: str, token: str, *, owner: str, version: str) -> bool:
    """Start the enqueued workflow of a run in the loop that was adopted; False if it is not enqueued.

    From now on only who has `token` can record its steps.
    """
    instance = _get_dbos_instance()
    queue = Queue(_queue_of(run_id), token=_INTERNAL_QUEUE_CONSTRUCTION)
    claimed, _ = instance._sys_db.start_queued_workflows(queue, owner, version, None, owner_xid=token)
    for status in instance._sys_db.get_workflow_statuses(claimed):
        execute_dequeued_workflow(instance, status, token)
    return bool(claimed)


def record(run_id: str, token: str, *, number: int, batch: str, now_ms: int) -> None:
    """Record `batch` as step `number` (from 1) of a run's workflow; it is durable when this returns.

    Recording the same again does nothing, so that a lost confirmation can be asked for again.

    Raises:
        StoreError: the run was taken over.
    """
    row = {
        "run_id": run_id,
        "token": token,
        "number": number,
        "result": SERIALIZER.serialize(batch),
        "now_ms": now_ms,
    }
    if not _is_inserted(_get_dbos_instance()._sys_db, row):
        raise StoreError(TAKEN_OVER)


@db_retry()
def _is_inserted(database: SystemDatabase, row: dict[str, Any]) -> bool:
    with database.engine.begin() as connection:
        return connection.execute(_insertion(database.engine.dialect.name), row).first() is not None


@cache
def _insertion(dialect: str) -> sa.Executable:
    """Insert a step where its workflow still has this owner, which stays so until the commit."""
    workflow, step = SystemSchema.workflow_status.c, SystemSchema.operation_outputs
    now_ms = sa.bindparam("now_ms", type_=sa.BigInteger)
    values = {
        "workflow_uuid": workflow.workflow_uuid,
        "function_id": sa.bindparam("number", type_=sa.Integer),
        "function_name": sa.literal(_STEP, sa.Text),
        "output": sa.bindparam("result", type_=sa.Text),
        "serialization": sa.literal(SERIALIZER.name(), sa.Text),
        "started_at_epoch_ms": now_ms,
        "completed_at_epoch_ms": now_ms,
        "application_name": workflow.application_name,
        "retention_timestamp": now_ms,
    }
    owned = sa.select(*values.values()).where(
        workflow.workflow_uuid == sa.bindparam("run_id", type_=sa.Text),
        workflow.owner_xid == sa.bindparam("token", type_=sa.Text),
    )
    insert = (postgresql.insert if dialect == "postgresql" else sqlite.insert)(step)
    insertion = insert.from_select(list(values), owned.with_for_update(key_share=True))
    same = (step.c.output == insertion.excluded.output) & (
        step.c.completed_at_epoch_ms == insertion.excluded.completed_at_epoch_ms
    )
    return insertion.on_conflict_do_update(
        index_elements=[step.c.workflow_uuid, step.c.function_id],
        set_={"output": insertion.excluded.output},
        where=same,
    ).returning(step.c.function_id)


def ask_to_stop(run_id: str) -> None:
    """Ask the process that works on a run to stop it between two steps."""
    dbos.DBOS.update_workflow_attributes(run_id, {_STOP: True})


def is_stop_asked(status: dbos.WorkflowStatus) -> bool:
    """Whether somebody asked the process that works on a run to stop it."""
    return bool((status.attributes or {}).get(_STOP))


def status_of(run_id: str, *, is_whole: bool = True) -> dbos.WorkflowStatus:
    """Return the workflow of a run, with its request and result if `is_whole`.

    Raises:
        RunUnknownError: no such run.
    """
    found = dbos.DBOS.list_workflows(
        workflow_ids=[run_id], name=WORKFLOW, load_input=is_whole, load_output=is_whole
    )
    if not found:
        raise RunUnknownError(f"there is no run {run_id!r} here")
    return found[0]


def steps(run_id: str) -> list[str]:
    """Return what is recorded of a run."""
    recorded = dbos.DBOS.list_workflow_steps(run_id)
    return [_as_text(step["output"], f"a step of {run_id!r}") for step in recorded]


def page(limit: int | None, after: str | None) -> list[dbos.WorkflowStatus]:
    """Return the newest workflows, or those that follow the run `after`, without their requests: one query or two.

    Raises:
        RunUnknownError: there is no run `after`.
    """
    last = status_of(after, is_whole=False) if after is not None else None
    found = dbos.DBOS.list_workflows(
        name=WORKFLOW,
        sort_desc=True,
        limit=None if limit is None else limit + _TIES,
        end_time=_moment(last) if last else None,
        load_input=False,
    )
    found.sort(key=_order, reverse=True)
    return [status for status in found if last is None or _order(status) < _order(last)][:limit]


def described(status: dbos.WorkflowStatus, *, is_leased: bool) -> RunInfo:
    """Return a workflow as the port describes it, given whether a living process works on the run."""
    created_s, updated_s = ((moment or 0) / 1000 for moment in (status.created_at, status.updated_at))
    return RunInfo(
        run_id=status.workflow_id,
        status=_run_status(status, is_leased=is_leased),
        created_s=created_s,
        updated_s=max(updated_s, created_s),
        version=status.app_version or "",
        request=_as_text(status.input["args"][0], "a request").encode() if status.input else b"",
        result=status.output.encode() if isinstance(status.output, str) else b"",
    )


def _run_status(status: dbos.WorkflowStatus, *, is_leased: bool) -> RunStatus:
    match status.status:
        case "SUCCESS":
            return RunStatus.ENDED
        case "CANCELLED":
            return RunStatus.CANCELLED
        case _ if is_leased:
            return RunStatus.RUNNING
        case _:
            return RunStatus.CANCELLED if is_stop_asked(status) else RunStatus.INTERRUPTED


def _queue_of(run_id: str) -> str:
    """Return the queue in which a run waits to be claimed. No process polls it, so nothing starts by itself."""
    return f"nebulus/{run_id}"


def _order(status: dbos.WorkflowStatus) -> tuple[int, str]:
    return status.created_at or 0, status.workflow_id


def _moment(status: dbos.WorkflowStatus) -> str:
    """Return when a run began, half a millisecond late, so that rounding leaves out none of that millisecond."""
    return datetime.fromtimestamp(((status.created_at or 0) + 0.5) / 1000, tz=UTC).isoformat()


def _as_text(value: object, what: str) -> str:
    if not isinstance(value, str):
        raise JournalError(f"{what} is {type(value).__name__}, not text", fix="something else wrote it")
    return value
