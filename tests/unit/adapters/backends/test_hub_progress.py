"""What a download says on its way."""

import io

from nebulus.adapters.backends.hub_progress import StderrProgress


def test_in_a_pipe_it_says_first_what_is_fetched_and_then_how_far_it_is() -> None:
    now = iter([0.0, 10.0])
    stream = io.StringIO()
    progress = StderrProgress(stream, clock=lambda: next(now))
    progress.begin("fetching a (4.0 GB) from b to c", total_bytes=4_000_000_000, done_bytes=1_000_000_000)
    progress.advance(1_000_000_000)
    assert progress.line() == "2.0 GB of 4.0 GB (50 %), 100.0 MB/s"
    progress.end()
    assert stream.getvalue() == "fetching a (4.0 GB) from b to c\n"


def test_on_a_terminal_it_is_a_bar() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    stream = Terminal()
    progress = StderrProgress(stream)
    progress.begin("fetching a", total_bytes=4_000_000_000, done_bytes=1_000_000_000)
    progress.end()
    assert "25%" in stream.getvalue()
