"""What the demonstration publishes goes through here, and is written down with what is expected of it."""

from __future__ import annotations

import collections
import json
import queue
import threading
from pathlib import Path
from typing import Generator, Iterable

import pika

from ..evidence import Evidence, Expectation, Publication, Reply
from ..journal import Journal, publication_of
from ..messages import Message, cart_submitted, order_cancellation, re_serialised, stock_moved
from ..publisher import Publisher
from ..replies import read_reply

BULK_ANSWERS = "demo.answers"
SCENE_ANSWERS = "demo.scene-answers"
SELLER_ANSWERS = "demo.seller-answers"
STAGED = "staged"  # the category of offers that scenes alone use

Play = Generator[Iterable[Publication], None, None]


class Stage:
    """Publishes and remembers. A scene's answers come back to it; the flow's are only written down."""

    def __init__(self, url: str, publisher: Publisher, evidence: Evidence, folder: Path):
        self._publisher = publisher
        self._evidence = evidence
        self._journal = Journal(folder / "published.jsonl")
        self._scene_log = open(folder / "scene-answers.jsonl", "w", encoding="utf-8")
        self._correlation = 0
        self._numbers: collections.Counter = collections.Counter()
        self._listener = _SceneAnswers(url)
        self._waiting: dict[str, tuple[set[str], Play]] = {}
        self.exercised: collections.Counter = collections.Counter()
        self.scene_replies: list[Reply] = []
        self._answered: set[str] = set()
        self.carts = 0
        self.asked = 0

    @property
    def evidence(self) -> Evidence:
        return self._evidence

    def cart(self, cart: dict, expect: Expectation | None = None, **more) -> Publication:
        """A cart, and what may become of it beyond what holds for all."""
        self.carts += 1
        if expect is not None:
            self._evidence.expectations[cart["order_id"]] = expect
        sent_before = self._numbers[cart["order_id"]]
        self._numbers[cart["order_id"]] += 1
        event_id = f"{cart['order_id']}/submitted" + (f"/{sent_before}" if sent_before else "")
        message = cart_submitted(cart, event_id, source=f"urn:cartwright:channels:{cart['channel']}")
        return self.publish(message, "cart", cart["order_id"], cart, **more)

    def cancel(self, order_id: str, lines: dict[str, int] | None = None, reason: str = "no longer wanted",
               **more) -> Publication:
        """A cancellation under an id of its own; of the whole order, or of units by line."""
        self._numbers["cancellations"] += 1
        wanted = [{"line_id": line_id, "quantity": units} for line_id, units in (lines or {}).items()] or None
        message = order_cancellation(f"cancellation-{self._numbers['cancellations']}", order_id, reason,
                                     wanted, requested_by="buyer", source="urn:cartwright:buyers")
        return self.publish(message, "cancellation", order_id, json.loads(message.body)["data"], **more)

    def move(self, movements: list[dict], **more) -> Publication:
        """A message of stock movements."""
        self._numbers["movements"] += 1
        message = stock_moved(f"movements-{self._numbers['movements']}", movements,
                              source="urn:cartwright:warehouses")
        for movement in movements:
            self.exercised[f"movements: {movement['kind']}"] += 1
        return self.publish(message, "movements", message.message_id, {"movements": movements}, **more)

    def repeat(self, sent: Publication) -> Publication:
        """The same event once more, in other bytes."""
        message = re_serialised(self._message_of(sent))
        self.exercised[{"cart": "carts repeated", "cancellation": "cancellations repeated"}.get(
            sent.kind, "movements repeated")] += 1
        return self.publish(message, sent.kind, sent.key, sent.data,
                            must_park=sent.must_park, may_park=sent.may_park,
                            in_scene=sent.reply_to == SCENE_ANSWERS)

    def publish(self, message: Message, kind: str, key: str, data: dict | None,
                must_park: frozenset[str] = frozenset(), may_park: frozenset[str] = frozenset(),
                in_scene: bool = True) -> Publication:
        """Anything else; `in_scene` says who hears the answer."""
        self._correlation += 1
        message.correlation_id = f"{'scene' if in_scene else 'flow'}-{self._correlation}"
        message.reply_to = SCENE_ANSWERS if in_scene else BULK_ANSWERS
        sent = publication_of(message, kind, key, data, must_park, may_park)
        self._evidence.publications.append(sent)
        self._journal.add(sent)
        self.asked += 1
        self._publisher.publish(message)
        return sent

    def announce(self, message: Message) -> None:
        """A message that nobody answers and nobody has to be sure of (catalogue.changed)."""
        self._publisher.publish(message)

    def begin(self, play: Play) -> None:
        """Starts a scene: a generator that yields what it waits for an answer of."""
        self._advance(play)

    def hear(self) -> None:
        """Takes the answers that have come and lets the scenes that waited for them go on."""
        for reply in self._listener.take():
            self.scene_replies.append(reply)
            self._answered.add(reply.correlation_id)
            self._scene_log.write(json.dumps(list(reply)) + "\n")
            waiting = self._waiting.pop(reply.correlation_id, None)
            if waiting is None:
                continue
            missing, play = waiting
            missing.discard(reply.correlation_id)
            if not missing:
                self._advance(play)

    @property
    def scenes_waiting(self) -> int:
        return len({id(play) for _, play in self._waiting.values()})

    def answered_scenes(self) -> int:
        """Publications of scenes that got an answer."""
        return len(self._answered)

    @property
    def parked_scenes(self) -> int:
        """Publications of scenes that were answered as parked."""
        return sum(reply.type == "cartwright.message.parked.v1" for reply in self.scene_replies)

    def flush(self) -> None:
        self._publisher.flush()

    def close(self) -> None:
        self._listener.close()
        self._journal.close()
        self._scene_log.close()

    def _advance(self, play: Play) -> None:
        awaited: set[str] = set()
        while not awaited:
            try:
                awaited = {sent.correlation_id for sent in next(play)} - self._answered
            except StopIteration:
                return
        for correlation_id in awaited:
            self._waiting[correlation_id] = (awaited, play)

    @staticmethod
    def _message_of(sent: Publication) -> Message:
        exchange, key = (("carts", "cart.submitted") if sent.kind == "cart" else
                         ("movements", "order.cancellation" if sent.kind == "cancellation"
                          else "stock.moved"))
        return Message(exchange, key, sent.body, sent.message_id, sent.type, sent.content_type)


class _SceneAnswers:
    """Consumes the scenes' answers on a thread of its own."""

    def __init__(self, url: str):
        self._connection = pika.BlockingConnection(pika.URLParameters(url))
        channel = self._connection.channel()
        channel.basic_consume(SCENE_ANSWERS, self._received, auto_ack=True)
        self._replies: queue.SimpleQueue[Reply] = queue.SimpleQueue()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._consume, name="scene answers", daemon=True)
        self._thread.start()

    def take(self) -> list[Reply]:
        replies = []
        while not self._replies.empty():
            replies.append(self._replies.get())
        return replies

    def close(self) -> None:
        self._stop.set()
        self._thread.join(5)
        if self._connection.is_open:
            self._connection.close()

    def _consume(self) -> None:
        while not self._stop.is_set():
            self._connection.process_data_events(time_limit=0.1)

    def _received(self, _channel, _method, properties, body: bytes) -> None:
        self._replies.put(read_reply(properties.correlation_id, body))


def declare_answer_queues(url: str) -> None:
    """The queues that the demonstration's answers come to, empty."""
    connection = pika.BlockingConnection(pika.URLParameters(url))
    channel = connection.channel()
    for name in (BULK_ANSWERS, SCENE_ANSWERS, SELLER_ANSWERS):
        channel.queue_delete(name)
        channel.queue_declare(name, durable=True)
    connection.close()


def expect(*states: str, codes: Iterable[str] = (), reasons: Iterable[tuple[str, str]] | None = None,
           label: str = "") -> Expectation:
    """Short for an Expectation."""
    return Expectation(frozenset(states), frozenset(codes), None if reasons is None else frozenset(reasons),
                       label)
