"""Writes down every answer that comes to a queue: `python3 -m lib.replies --url U --log F --queue Q`."""

from __future__ import annotations

import argparse
import collections
import json
from pathlib import Path
from typing import Iterator

from .evidence import Reply, digest_of_data

_LONG = ("cartwright.order.ready.v1", "cartwright.order.reserved.v1", "cartwright.order.pending.v1")


class Answers:
    """Knows which publications are answered, and counts the answers by type."""

    def __init__(self):
        self._answered: set[str] = set()
        self._types: collections.Counter = collections.Counter()

    def describe(self, _queue, properties, body: bytes) -> list:
        reply = read_reply(properties.correlation_id, body)
        self._answered.add(reply.correlation_id)
        self._types[reply.type] += 1
        return list(reply)

    def status(self) -> dict:
        return {"answered": len(self._answered), "types": self._types}


def read_reply(correlation_id: str | None, body: bytes) -> Reply:
    """An answer as a row; the data of placed orders only as its digest."""
    event = json.loads(body)
    data, type_ = event["data"], event["type"]
    key = data.get("order_id") or data.get("event_id") or ""
    return Reply(correlation_id or "", type_, key, digest_of_data(data), None if type_ in _LONG else data)


def read_log(path: Path) -> Iterator[Reply]:
    """The answers of a log."""
    if path.exists():
        with open(path, encoding="utf-8") as log:
            for line in log:
                yield Reply(*json.loads(line))


def main() -> None:
    from .listener import Listener
    parser = argparse.ArgumentParser()
    parser.add_argument("--url", required=True)
    parser.add_argument("--log", required=True)
    parser.add_argument("--queue", action="append", required=True)
    options = parser.parse_args()
    answers = Answers()
    Listener(options.url, options.queue, Path(options.log), answers.describe, answers.status).run()


if __name__ == "__main__":
    main()
