"""What a contained command may use."""

from msgspec import Struct

_MIB = 1 << 20


class Limits(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What a command in the sandbox may use. All are positive whole numbers; `cpu_s` is in seconds.

    Of each process, by the kernel: `memory_bytes` of address space, `cpu_s` of processor time, `file_bytes` as
    the size of any one file, `open_files`. Of the command as a whole, by the kernel: `processes` (not where the
    user is root), and at the level `namespaces` `scratch_bytes` for each private folder. Of the command as a
    whole, by looking several times a second: `new_files` and `new_bytes` that it adds to the workspace (and to
    the private folder under Landlock); what is over is stopped, and what it wrote stays. Between two looks it can
    go over. `output_bytes` is how much output is kept. Not bounded: how often files are written and removed
    again, how many files there are in a private folder at the level `namespaces`, and the memory of all processes
    together.
    """

    memory_bytes: int = 4096 * _MIB
    cpu_s: int = 600
    file_bytes: int = 512 * _MIB
    open_files: int = 1024
    processes: int = 256
    new_files: int = 50_000
    new_bytes: int = 1024 * _MIB
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
