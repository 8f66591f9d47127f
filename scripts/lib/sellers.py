"""The sellers: one process that consumes their queues, writes down what arrives, and ships some of it.

    python3 -m lib.sellers --url U --arrivals F --answers F --journal F --answer-queue Q --ship PERCENT

What it writes down (the queue, each message's place, order and lines, a digest of its bytes, in order of
arrival) is all that promise P5 is judged by. What it ships, and what of that comes back, it says in stock
movements like any warehouse; a return is sent when its dispatch is answered.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import time
import zlib
from pathlib import Path
from typing import Iterator

from .evidence import Arrival
from .journal import Journal, publication_of
from .messages import now, stock_moved
from .replies import Answers, read_reply

_QUEUES = 8
# Sellers of staged scenes move their stock only as their scene says.
STAGE_SELLER_PREFIX = "stage-"


def ships(order_id: str, percent: int) -> bool:
    """Whether the sellers ship this order during the run; those that they do nobody cancels."""
    return zlib.crc32(order_id.encode()) % 100 < percent


class Sellers:
    """What arrives becomes a line in the log, and some of it a dispatch."""

    def __init__(self, publisher, journal: Journal, answer_queue: str, answers_log: Path, percent: int):
        self._publisher = publisher
        self._journal = journal
        self._answer_queue = answer_queue
        self._answers_log = open(answers_log, "w", encoding="utf-8", buffering=1 << 16)
        self._percent = percent
        self._answers = Answers()
        self._arrived: set[str] = set()
        self._repeats = 0
        self._sent = 0
        self._returns: dict[str, list[dict]] = {}  # by the dispatch that has to be answered first

    def describe(self, queue: str, properties, body: bytes) -> list | None:
        if queue == self._answer_queue:
            return self._answered(queue, properties, body)
        event = json.loads(body)
        arrival = read_arrival(queue, properties.message_id or "", event, body, time.monotonic())
        if arrival.message_id in self._arrived:
            self._repeats += 1
        else:
            self._arrived.add(arrival.message_id)
            staged = arrival.seller_id.startswith(STAGE_SELLER_PREFIX)
            if arrival.kind == "order" and not staged and ships(arrival.order_id, self._percent):
                self._ship(arrival)
        return list(arrival)

    def status(self) -> dict:
        return {"arrived": len(self._arrived), "repeats": self._repeats, "sent": self._sent,
                "unconfirmed": self._sent - self._publisher.confirmed, **self._answers.status()}

    def close(self) -> None:
        self._answers_log.close()
        self._journal.close()

    def _ship(self, arrival: Arrival) -> None:
        movements, returns = [], []
        for line_id, sku, quantity, _ in arrival.lines:
            movement = {"kind": "dispatch", "seller_id": arrival.seller_id, "order_id": arrival.order_id,
                        "line_id": line_id, "sku": sku, "quantity": quantity, "occurred_at": now()}
            movements.append(movement)
            if zlib.crc32(f"{arrival.order_id}/{line_id}".encode()) % 4 == 0:
                returns.append({**movement, "kind": "return", "quantity": 1})
        event_id = f"dispatch/{arrival.order_id}/{arrival.seller_id}"
        if returns:
            self._returns[event_id] = returns
        self._send(event_id, movements)

    def _answered(self, queue: str, properties, body: bytes) -> None:
        self._answers.describe(queue, properties, body)
        reply = read_reply(properties.correlation_id, body)
        self._answers_log.write(json.dumps(list(reply)) + "\n")
        self._answers_log.flush()
        returns = self._returns.pop(reply.key, None)
        if returns:
            self._send(f"return/{reply.key}", [{**movement, "occurred_at": now()} for movement in returns])

    def _send(self, event_id: str, movements: list[dict]) -> None:
        message = stock_moved(event_id, movements, source="urn:cartwright:sellers")
        self._sent += 1
        message.reply_to, message.correlation_id = self._answer_queue, f"sellers-{self._sent}"
        self._journal.add(publication_of(message, "movements", event_id, {"movements": movements}))
        self._publisher.publish(message)


def read_arrival(queue: str, message_id: str, event: dict, body: bytes, at_s: float = 0.0) -> Arrival:
    """A numbered message as a row."""
    data = event["data"]
    lines = tuple((line["line_id"], line["sku"], line["quantity"],
                   tuple((one["warehouse"], one["quantity"]) for one in line.get("allocations", ())))
                  for line in data.get("lines", ()))
    return Arrival(queue, message_id, event["sellerid"], event["stream"], event["number"],
                   event["type"].split(".")[2], data["order_id"], hashlib.sha256(body).hexdigest(),
                   data.get("part", 0), data.get("parts", 0), data.get("whole", True), lines, at_s)


def read_log(path: Path) -> Iterator[Arrival]:
    """The arrivals of a log, in order of arrival."""
    if path.exists():
        with open(path, encoding="utf-8") as log:
            for line in log:
                yield Arrival.from_list(json.loads(line))


def main() -> None:
    from .listener import Listener
    from .publisher import Publisher
    parser = argparse.ArgumentParser()
    for name in ("url", "arrivals", "answers", "journal", "answer-queue"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--ship", type=int, default=0)
    parser.add_argument("--own-queue", action="append", default=[], help="of one seller's own, may be repeated")
    options = parser.parse_args()
    queues = [f"sellers.{number:02d}" for number in range(_QUEUES)] + \
        options.own_queue + [options.answer_queue]
    with Publisher(options.url, name="sellers", window_max=100_000) as publisher:
        sellers = Sellers(publisher, Journal(Path(options.journal)), options.answer_queue,
                          Path(options.answers), options.ship)
        Listener(options.url, queues, Path(options.arrivals), sellers.describe, sellers.status).run()
        sellers.close()


if __name__ == "__main__":
    main()
