"""Where an event applies: the machine, the task or call that the event is about, and the state of it."""

from typing import Any, Generic, TypeAlias, TypeVar

from msgspec import Struct

from nebulus.loop.machine import Machine
from nebulus.loop.phases import Flight, Task

S = TypeVar("S", covariant=True)


class RunAt(Struct, Generic[S], frozen=True):
    """A run in a phase."""

    machine: Machine
    state: S


class TaskAt(Struct, Generic[S], frozen=True):
    """A task in an activity."""

    machine: Machine
    task: Task
    state: S


class CallAt(Struct, Generic[S], frozen=True):
    """A call in a state."""

    machine: Machine
    task: Task
    flight: Flight
    state: S


Place: TypeAlias = RunAt[Any] | TaskAt[Any] | CallAt[Any]
