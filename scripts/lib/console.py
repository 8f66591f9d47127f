"""What the commands print: calm lines, each step with its duration, colours only on a terminal.

`run(main)` is the one place where errors are printed and turned into an exit status.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import signal
import sys
import time
from pathlib import Path
from typing import Callable, Iterator

STEP_COLUMN = 52
_COLOURS = {"bold": "1", "faint": "2", "red": "31", "green": "32", "yellow": "33"}


@dataclasses.dataclass
class Step:
    """What `step` yields: a remark set in its body is printed after the duration."""

    title: str
    remark: str = ""
    on_its_line: bool = True


_steps: list[Step] = []


class Trouble(Exception):
    """An error to show to a person: what is wrong and, in `next_step`, what to do about it."""

    def __init__(self, what: str, next_step: str = ""):
        super().__init__(what)
        self.next_step = next_step

    def __str__(self) -> str:
        what = self.args[0]
        return f"{what}\nnext:  {self.next_step}" if self.next_step else what


def paint(colour: str, text: str, stream=None) -> str:
    """The text in the colour if the stream (standard output) is a terminal, else the text."""
    stream = stream or sys.stdout
    if not stream.isatty() or "NO_COLOR" in os.environ or os.environ.get("TERM") == "dumb":
        return text
    return f"\033[{_COLOURS[colour]}m{text}\033[0m"


def say(text: str = "") -> None:
    """Prints a line, below the step that is running if there is one."""
    _end_open_line()
    print(text, flush=True)


@contextlib.contextmanager
def step(title: str) -> Iterator[Step]:
    """Prints the title, runs the body, prints how long it took on the same line if nothing came between."""
    _end_open_line()
    print(f"{title} ", end="", flush=True)
    current = Step(title)
    _steps.append(current)
    began = time.monotonic()
    try:
        yield current
    except BaseException:
        current.remark = paint("red", "failed")
        raise
    finally:
        _steps.remove(current)
        took = duration(time.monotonic() - began).rjust(9)
        lead = f"{title} ".ljust(STEP_COLUMN + 1)
        if current.on_its_line:
            lead = lead[len(title) + 1:]
        print(f"{lead}{paint('faint', took)}{'  ' + current.remark if current.remark else ''}", flush=True)


def duration(seconds: float) -> str:
    """A duration to read: 0.42 s, 12.3 s, 3 min 20 s."""
    if seconds < 10:
        return f"{seconds:.2f} s"
    if seconds < 120:
        return f"{seconds:.1f} s"
    return f"{int(seconds // 60)} min {int(seconds % 60):02d} s"


def tail(path: Path, lines_max: int = 15, bytes_max: int = 64 * 1024) -> str:
    """The last lines of a log under its path, indented, for an error message."""
    try:
        with open(path, "rb") as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - bytes_max))
            text = log.read().decode("utf-8", "replace")
    except OSError as error:
        return f"({path}: {error.strerror})"
    last = [line[:400] for line in text.rstrip().split("\n")[-lines_max:]]
    return f"end of {path}:\n" + "\n".join("  | " + line for line in last)


def run(main: Callable[[], int | None]) -> None:
    """Runs a command's main and exits with its status; Trouble becomes a message and status 1."""
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGHUP, _interrupt)
    try:
        status = main() or 0
    except Trouble as trouble:
        _end_open_line()
        print(paint("red", "error: ", sys.stderr) + str(trouble), file=sys.stderr)
        status = 1
    except (PermissionError, FileNotFoundError, FileExistsError, NotADirectoryError) as error:
        _end_open_line()
        print(paint("red", "error: ", sys.stderr) + f"{error.strerror}: {error.filename}\n"
              "next:  look at the owner and the rights of that path", file=sys.stderr)
        status = 1
    except KeyboardInterrupt:
        _end_open_line()
        print("interrupted", file=sys.stderr)
        status = 130
    except BrokenPipeError:  # whoever read the output has gone, as in `scripts/up | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 141
    sys.stdout.flush()
    sys.exit(status)


def _interrupt(_signal, _frame) -> None:
    raise KeyboardInterrupt


def _end_open_line() -> None:
    if _steps and _steps[-1].on_its_line:
        print(flush=True)
        _steps[-1].on_its_line = False
