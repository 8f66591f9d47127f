"""The publications of a run, a JSON line each, so that what was sent is known without asking any database."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Iterator

from .evidence import Publication
from .messages import Message


class Journal:
    """Appends publications to a file; `add` before the message is handed to the broker."""

    def __init__(self, path: Path):
        self._file = open(path, "w", encoding="utf-8", buffering=1 << 18)

    def add(self, sent: Publication) -> None:
        self._file.write(json.dumps([
            sent.correlation_id, sent.kind, sent.key, sent.message_id, sent.type, sent.content_type,
            sent.reply_to, sent.body.decode("latin-1"), sent.data, sorted(sent.must_park),
            sorted(sent.may_park), sent.replayed], separators=(",", ":")) + "\n")

    def close(self) -> None:
        self._file.close()


def publication_of(message: Message, kind: str, key: str, data: dict | None,
                   must_park: frozenset[str] = frozenset(),
                   may_park: frozenset[str] = frozenset()) -> Publication:
    """The row of a message that is about to be published."""
    return Publication(message.correlation_id or "", kind, key, message.message_id, message.type,
                       message.content_type, message.reply_to, message.body, data, must_park, may_park)


def read(path: Path) -> Iterator[Publication]:
    """The publications of a journal."""
    if path.exists():
        with open(path, encoding="utf-8") as file:
            for line in file:
                *fields, must_park, may_park, replayed = json.loads(line)
                fields[7] = fields[7].encode("latin-1")
                yield Publication(*fields, frozenset(must_park), frozenset(may_park), replayed)
