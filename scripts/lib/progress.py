"""One calm line that says how far things are: rewritten in place on a terminal, now and then in a log."""

from __future__ import annotations

import shutil
import sys
import time

_TERMINAL_EVERY_S = 0.15
_LOG_EVERY_S = 5.0
_BAR_CELLS = 24


class Progress:
    """`show` may be called as often as one likes; `clear` before something else is printed."""

    def __init__(self, stream=None):
        self._stream = stream or sys.stderr
        self._terminal = self._stream.isatty()
        self._every_s = _TERMINAL_EVERY_S if self._terminal else _LOG_EVERY_S
        self._shown_at = time.monotonic() - (self._every_s if self._terminal else 0)
        self._open = False

    def due(self) -> bool:
        """True if `show` would print now: for callers whose text is work to make."""
        return time.monotonic() - self._shown_at >= self._every_s

    def show(self, text: str, now: bool = False) -> None:
        if not (now or self.due()):
            return
        self._shown_at = time.monotonic()
        if self._terminal:
            width = shutil.get_terminal_size().columns - 1
            self._stream.write("\r\033[K" + text[:width])
            self._open = True
        else:
            self._stream.write(text + "\n")
        self._stream.flush()

    def clear(self) -> None:
        if self._open:
            self._stream.write("\r\033[K")
            self._stream.flush()
            self._open = False


def bar(done: int, of: int) -> str:
    """A bar of fixed width, filled by eighths of a cell."""
    eighths = 0 if of <= 0 else min(_BAR_CELLS * 8, done * _BAR_CELLS * 8 // of)
    full, rest = divmod(eighths, 8)
    text = "█" * full + ("▏▎▍▌▋▊▉"[rest - 1] if rest else "")
    return text.ljust(_BAR_CELLS, "·")


def rate(count: int, seconds: float) -> str:
    """`1,234/s`"""
    return f"{count / seconds:,.0f}/s" if seconds > 0 else "–"
