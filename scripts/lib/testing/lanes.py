"""Runs jobs in several processes at once: tests wait for servers most of the time, and each lane has its own.

What a lane prints while it is at a job is shown in one piece when the job is done.
"""

from __future__ import annotations

import contextlib
import ctypes
import multiprocessing
import multiprocessing.connection
import os
import signal
import sys
import tempfile
import traceback
from typing import Callable, ContextManager, Iterator, NamedTuple

from ..console import Trouble, say
from .tally import Tally

Work = Callable[[str], Tally]


class Done(NamedTuple):
    """A job that was done, or with no name what a lane said or what ended it."""

    job: str
    output: str
    tally: Tally
    last: bool = False  # the lane has ended


def run(jobs: list[str], lanes: int, lane: Callable[[int], ContextManager[Work]]) -> Iterator[tuple[str, Tally]]:
    """The jobs as they are done, in any order, each with what came of it. `lane(number)` is entered once in each
    process. What ends a lane is a failure of no job; the others do what is left, and what nobody did is failed."""
    fork = multiprocessing.get_context("fork")
    waiting = fork.SimpleQueue()
    for job in [*jobs, *[""] * lanes]:
        waiting.put(job)
    pipes, processes, all_ended = [], [], False
    try:
        for number in range(1, lanes + 1):
            ours, theirs = fork.Pipe(duplex=False)
            process = fork.Process(target=_lane, args=(number, lane, waiting, theirs))
            process.start()
            theirs.close()
            pipes.append(ours)
            processes.append(process)
        left = set(jobs)
        for done in _results(pipes):
            if done.output:
                say(done.output.rstrip("\n"))
            left.discard(done.job)
            if done.job or done.tally.failed:
                yield done.job, done.tally
        all_ended = True
        for job in sorted(left):
            yield job, _failed(job, "was not run: see what ended the lanes")
    finally:
        for process in processes:
            if not all_ended and process.is_alive():
                process.terminate()
            process.join()


def _results(pipes: list) -> Iterator[Done]:
    """What lanes send, until all have ended, however they ended."""
    open_pipes = list(pipes)
    while open_pipes:
        for pipe in multiprocessing.connection.wait(open_pipes):
            try:
                done = pipe.recv()
            except EOFError:
                done = Done("", "", _failed("a lane of tests", "ended without a word"), last=True)
            yield done
            if done.last:
                open_pipes.remove(pipe)


def _lane(number: int, lane: Callable[[int], ContextManager[Work]], waiting, pipe) -> None:
    _end_with_the_parent()
    with _Captured() as captured:
        trouble = Tally()
        try:
            with lane(number) as work:
                pipe.send(Done("", captured.take(), Tally()))
                while job := waiting.get():
                    tally = work(job)
                    pipe.send(Done(job, captured.take(), tally))
        except KeyboardInterrupt:
            pass
        except Trouble as error:
            trouble.fail(f"lane {number} of tests", str(error))
        except Exception:
            trouble.fail(f"lane {number} of tests", traceback.format_exc())
        with contextlib.suppress(BrokenPipeError):  # the runner may have gone
            pipe.send(Done("", captured.take(), trouble, last=True))


class _Captured(contextlib.AbstractContextManager):
    """Standard output of this process and its children goes to a file, to be taken in pieces."""

    def __enter__(self) -> _Captured:
        self._file = tempfile.TemporaryFile()
        sys.stdout.flush()
        os.dup2(self._file.fileno(), 1)
        sys.stdout = open(1, "w", encoding="utf-8", errors="replace", closefd=False)
        return self

    def __exit__(self, *_) -> None:
        self._file.close()

    def take(self) -> str:
        sys.stdout.flush()
        text = os.pread(1, os.fstat(1).st_size, 0).decode("utf-8", "replace")
        os.ftruncate(1, 0)
        os.lseek(1, 0, os.SEEK_SET)
        return text


def _failed(title: str, detail: str) -> Tally:
    tally = Tally()
    tally.fail(title, detail)
    return tally


def _end_with_the_parent() -> None:
    """Has the kernel interrupt this process when the runner ends, even by kill -9."""
    set_parent_death_signal = 1
    ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGTERM)
