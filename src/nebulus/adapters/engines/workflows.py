"""What is done with DBOS beyond its public names: running a workflow here and now, and recording a step cheaply.

DBOS starts enqueued workflows from threads that poll, in whichever process comes first. A run must begin at
once, in the process that was asked. So `claim` does what one poll does, for one workflow. Source: dbos 3.4,
`_queue.py`, `queue_worker_thread`. `record` writes the row of `DBOS.run_step` in one statement instead of
four; a test compares the two rows.
"""

import time
from functools import cache

import dbos
import sqlalchemy as sa
from dbos._core import execute_dequeued_workflow
from dbos._dbos import _get_dbos_instance
from dbos._queue import _INTERNAL_QUEUE_CONSTRUCTION, Queue
from dbos._schemas.system_database import SystemSchema

from nebulus.adapters.engines.open_run import Entry
from nebulus.core.errors import StoreError

SERIALIZER = dbos.DBOSPortableJSONSerializer()
"""JSON: a database can't make Python execute anything, and any language can read it."""

TAKEN_OVER = "another process has taken this run over; this one must let go of it"


def queue_of(run_id: str) -> str:
    """Return the queue in which a run waits to be taken up. No process polls it, so nothing starts by itself."""
    return f"nebulus/{run_id}"


def adopt_loop() -> None:
    """Let workflows run in this event loop."""
    _get_dbos_instance()._background_event_loop.set_main_loop()


def claim(run_id: str, token: str, *, owner: str, version: str) -> bool:
    """Start the enqueued workflow of a run in the loop that was adopted; False if it is not enqueued.

    From now on only who has `token` can record its steps.
    """
    instance = _get_dbos_instance()
    queue = Queue(queue_of(run_id), token=_INTERNAL_QUEUE_CONSTRUCTION)
    claimed, _ = instance._sys_db.start_queued_workflows(queue, owner, version, None, owner_xid=token)
    for status in instance._sys_db.get_workflow_statuses(claimed):
        execute_dequeued_workflow(instance, status, token)
    return bool(claimed)


def record(run_id: str, token: str, *, number: int, entry: Entry) -> None:
    """Record `entry` as step `number` (from 1) of a run's workflow; it is durable when this returns.

    Raises:
        StoreError: the run was taken over.
    """
    now_ms = int(time.time() * 1000)
    row = {
        "run_id": run_id,
        "token": token,
        "number": number,
        "name": entry.name,
        "result": SERIALIZER.serialize(entry.result),
        "now_ms": now_ms,
    }
    with _get_dbos_instance()._sys_db.engine.begin() as connection:
        recorded = connection.execute(_insertion(), row).scalar()
    if recorded is None:
        raise StoreError(TAKEN_OVER)


@cache
def _insertion() -> sa.Executable:
    """Insert a step where its workflow still has this owner, which stays so until the commit."""
    workflow, step = SystemSchema.workflow_status.c, SystemSchema.operation_outputs
    now_ms = sa.bindparam("now_ms", type_=sa.BigInteger)
    values = {
        "workflow_uuid": workflow.workflow_uuid,
        "function_id": sa.bindparam("number", type_=sa.Integer),
        "function_name": sa.bindparam("name", type_=sa.Text),
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
    insertion = step.insert().from_select(list(values), owned.with_for_update(key_share=True))
    return insertion.returning(step.c.function_id)
