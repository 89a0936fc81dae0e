"""What a contained command may use."""

from msgspec import Struct

_MIB = 1 << 20


class Limits(Struct, frozen=True, kw_only=True):
    """What each process may use, and the sandbox as a whole.

    Of each process: address space, processor time, the size of a file, open files. Of the sandbox:
    processes (the kernel does not enforce this one where the host's user is root), what is written to each
    private folder, and how much output is kept. The sum of all files in the workspace is not bounded.
    """

    memory_bytes: int = 4096 * _MIB
    cpu_s: int = 600
    file_bytes: int = 1024 * _MIB
    open_files: int = 1024
    processes: int = 256
    scratch_bytes: int = 256 * _MIB
    output_bytes: int = 1 * _MIB

    def argv(self) -> tuple[str, ...]:
        """Return the command that sets these limits and goes on with what follows it.

        It runs within the sandbox, where processes are counted apart from those of the host.
        Source: prlimit(1) of util-linux.
        """
        return (
            "prlimit",
            f"--as={self.memory_bytes}",
            f"--cpu={self.cpu_s}",
            f"--fsize={self.file_bytes}",
            f"--nofile={self.open_files}",
            f"--nproc={self.processes}",
            "--core=0",
            "--",
        )
