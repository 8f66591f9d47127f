"""A marketplace that goes on trading through a storm, and knows afterwards what became of everything.

Carts, stock movements, cancellations, repeats of all of them in the same and in other bytes, dispatches and returns
of what arrived. Its publisher publishes again what was not confirmed, its ears listen again when their connection
or their queue was lost, and who got no answer asks again once the storm is over; what was lost itself stays lost.
"""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import itertools
import json
import random
import threading
import time
from typing import Callable

import pika

from environment import Environment
from lib import checker
from lib.demonstration.flow import SHIP_PERCENT, Flow, Habits
from lib.demonstration.stage import Stage
from lib.evidence import Arrival, Evidence, Parked, Publication, Reply, read_databases
from lib.generator import Generator
from lib.journal import publication_of
from lib.messages import now
from lib.publisher import Publisher
from lib.replies import read_reply
from lib.reset import amqp_connection
from lib.sellers import read_arrival, ships

REPLIES = "test.storm-replies"
SELLERS, SKUS = 24, 160
_HABITS = Habits(repeated=0.15, cancelled=0.08, cancelled_first=0.2, cancelled_twice=0.3, cancelled_in_part=0.03,
                 movements=0.15, movements_repeated=0.3, price_changes=0, suspended=0)
_STEP_S = 0.05


class Voice(Stage):
    """Publishes and remembers; everybody's answers come to one queue."""

    def __init__(self, publisher: Publisher, evidence: Evidence, chance: random.Random):  # pylint: disable=W0231
        self._publisher, self._evidence, self._chance = publisher, evidence, chance
        self._correlation = 0
        self._numbers: collections.Counter = collections.Counter()
        self.exercised: collections.Counter = collections.Counter()
        self.carts = 0

    def publish(self, message, kind, key, data, must_park=frozenset(), may_park=frozenset(), in_scene=False):
        self._correlation += 1
        message.correlation_id, message.reply_to = f"storm-{self._correlation}", REPLIES
        sent = publication_of(message, kind, key, data, must_park, may_park)
        self._evidence.publications.append(sent)
        self._publisher.publish(message)
        return sent

    def repeat(self, sent: Publication) -> Publication:
        """Once more, in other bytes or in the same."""
        if self._chance.random() < 0.6:
            return super().repeat(sent)
        return self.publish(self._message_of(sent), sent.kind, sent.key, sent.data, sent.must_park, sent.may_park)

    def ask_again(self, sent: Publication) -> None:
        """The very message: its answer was lost."""
        message = self._message_of(sent)
        message.correlation_id, message.reply_to = sent.correlation_id, REPLIES
        self._publisher.publish(message)


class Ear:
    """Consumes one queue on a thread and connection of its own, in order, whatever happens to them."""

    def __init__(self, environment: Environment, queue: str, take, declare: bool = False):
        self._environment, self._queue, self._take, self._declare = environment, queue, take, declare
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._listen, name=f"ear of {queue}", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._stop.set()
        self._thread.join(20)

    def _listen(self) -> None:
        while not self._stop.is_set():
            try:
                with contextlib.closing(amqp_connection(self._environment.servers)) as connection:
                    self._consume(connection.channel())
            except (pika.exceptions.AMQPError, OSError):
                pass
            self._stop.wait(0.2)

    def _consume(self, channel) -> None:
        if self._declare:
            channel.queue_declare(self._queue, durable=True)
        # What an earlier connection held goes back before its consumer is gone: else later ones would come first.
        while channel.queue_declare(self._queue, passive=True).method.consumer_count:
            if self._stop.wait(0.1):
                return
        channel.basic_qos(prefetch_count=100)
        for method, properties, body in channel.consume(self._queue, inactivity_timeout=0.2):
            if self._stop.is_set():
                return
            if method is not None:
                self._take(self._queue, properties, body)
                channel.basic_ack(method.delivery_tag)


class StormMarket:
    """The trade of one storm. `begin`, `go_on` on a thread of its own until `end`, then `judge`."""

    def __init__(self, environment: Environment, seed: int, carts_per_s: float, seconds: float):
        self._environment = environment
        self._rate = carts_per_s
        self.evidence = Evidence()
        self._arrivals: dict[str, list[Arrival]] = collections.defaultdict(list)
        self._replies: list[Reply] = []
        self._shipped: set[str] = set()
        self._returns: dict[str, list[dict]] = {}
        self._moves: collections.deque[tuple[str, list[dict]]] = collections.deque()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._trade, name="trade")
        count = int(carts_per_s * seconds) + 1
        generator = Generator(seed, count, SELLERS, SKUS)
        self.world = generator.world
        self.busy_sellers = list(dict.fromkeys(offer.seller_id for offer in generator.hot_offers))
        self.read_more: Callable[[Evidence], None] = lambda evidence: None
        self._publisher = Publisher(environment.servers.urls["AMQP_URL"], 1_000_000, "storm", insistent=True)
        self.voice = Voice(self._publisher, self.evidence, random.Random(f"{seed}/voice"))
        self._flow = Flow(self.voice, self.world, generator.carts(10 * count), 10 * count, seed, None,
                          dataclasses.replace(_HABITS), generator.hot_offers)
        self._queues = [f"sellers.{number:02d}" for number in range(8)]
        self._ears: list[Ear] = []
        self._inner_queues = _inner_queues(environment)
        self.asked_again = 0
        self.trouble: BaseException | None = None

    def begin(self) -> None:
        """Fills shelves, opens the ears and begins to trade."""
        self.world.write_catalogue(self._environment.mariadb())
        self._publisher.__enter__()
        self._ears.append(Ear(self._environment, REPLIES, self._heard, declare=True))
        self._ears += [Ear(self._environment, queue, self._arrived) for queue in self._queues]
        for message in self.world.initial_stock():
            self.voice.publish(message, "movements", message.message_id, json.loads(message.body)["data"])
        self._publisher.flush()
        self._thread.start()

    def end(self) -> None:
        """No more carts; returns when the broker has everything."""
        self._stop.set()
        self._thread.join()
        self._publisher.flush()

    def close(self) -> None:
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()
        for ear in self._ears:
            ear.close()
        self._publisher.__exit__(RuntimeError, None, None)

    def ask_again(self) -> int:
        """Who got no answer to what has acted asks once more; how many there are. Only answers may be lost."""
        answered = {reply.correlation_id for reply in list(self._replies)}
        states = dict(self._environment.rows("SELECT order_id, state::text FROM orders"))
        seen = {event_id for (event_id,) in self._environment.rows("SELECT DISTINCT id FROM inbox")}
        seen |= {parked.message_id for parked in self.evidence.parked}

        def acted(sent: Publication) -> bool:
            if sent.kind == "cart":
                return sent.key in states
            ended = sent.kind == "cancellation" and states.get(sent.key) in ("cancelled", "rejected")
            return ended or sent.message_id in seen

        again = [sent for sent in self.evidence.publications
                 if sent.correlation_id not in answered and acted(sent)]
        for sent in again:
            self.voice.ask_again(sent)
        self.asked_again += len(again)
        return len(again)

    def left_inside(self) -> dict[str, int]:
        """Messages ready in queues that the fleet should have emptied, or its sellers."""
        with contextlib.closing(amqp_connection(self._environment.servers)) as connection:
            channel = connection.channel()
            depths = {name: channel.queue_declare(name, passive=True).method.message_count
                      for name in (*self._inner_queues, *self._queues)}
        return {name: depth for name, depth in depths.items() if depth}

    def violations(self) -> list[str]:
        """What the checker says now."""
        evidence = self.evidence
        evidence.replies = list(self._replies)
        evidence.arrivals = [one for queue in self._queues for one in list(self._arrivals[queue])]
        self.read_more(evidence)
        evidence.queues_left = self.left_inside()
        self._collect_parked()
        catalogue = self._environment.mariadb()
        read_databases(evidence, self._environment.servers.urls["POSTGRES_ADMIN_URL"], catalogue)
        return [str(violation) for violation in checker.check(evidence)]

    def summary(self) -> str:
        repeats = len(self.evidence.arrivals) - len({one[2:5] for one in self.evidence.arrivals})
        return (f"{len(self.evidence.publications)} messages sent, {self._publisher.published_again} published "
                f"again, {self.voice.carts} carts, {len(self.evidence.arrivals)} arrivals ({repeats} repeats), "
                f"{self.asked_again} answers asked for again, {len(self.evidence.parked)} parked")

    # The trade

    def _trade(self) -> None:
        try:
            due = time.monotonic()
            while not self._stop.wait(max(0.0, due - time.monotonic())):
                self._flow.step(max(1, round(self._rate * _STEP_S)))
                self._move_goods()
                due = max(due + _STEP_S, time.monotonic() - 1)
            self._flow.count = self._flow.published
            self._flow.step(0)  # what was put off
            self._move_goods()
        except BaseException as error:  # pylint: disable=broad-except
            self.trouble = error

    def _move_goods(self) -> None:
        while self._moves:
            event_id, movements = self._moves.popleft()
            sent = self.voice.move(movements)
            if event_id:
                self._returns[sent.key] = self._returns.pop(event_id)

    def _heard(self, _queue: str, properties, body: bytes) -> None:
        reply = read_reply(properties.correlation_id, body)
        self._replies.append(reply)
        returned = self._returns.pop(reply.key, None)
        if returned and not self._stop.is_set():
            self._moves.append(("", [{**movement, "occurred_at": now()} for movement in returned]))

    def _arrived(self, queue: str, properties, body: bytes) -> None:
        arrival = read_arrival(queue, properties.message_id or "", json.loads(body), body)
        self._arrivals[queue].append(arrival)
        if arrival.message_id in self._shipped or self._stop.is_set():
            return
        self._shipped.add(arrival.message_id)
        if arrival.kind == "order" and ships(arrival.order_id, SHIP_PERCENT):
            self._ship(arrival)

    def _ship(self, arrival: Arrival) -> None:
        """What was sold leaves, and a unit of every other order comes back once that is booked."""
        movements = [{"kind": "dispatch", "seller_id": arrival.seller_id, "order_id": arrival.order_id,
                      "line_id": line_id, "sku": sku, "quantity": quantity, "occurred_at": now()}
                     for line_id, sku, quantity, _ in arrival.lines]
        comes_back = len(self._shipped) % 2 == 0
        if comes_back:
            self._returns[arrival.message_id] = [{**movements[0], "kind": "return", "quantity": 1}]
        self._moves.append((arrival.message_id if comes_back else "", movements))

    def _collect_parked(self) -> None:
        with contextlib.closing(amqp_connection(self._environment.servers)) as connection:
            channel = connection.channel()
            for _ in itertools.count():
                method, properties, body = channel.basic_get("parking", auto_ack=True)
                if method is None:
                    return
                self.evidence.parked.append(
                    Parked(body, properties.message_id, properties.type, properties.content_type,
                           properties.reply_to, properties.correlation_id, properties.headers or {}))


def _inner_queues(environment: Environment) -> list[str]:
    listed = environment.servers.rabbitmq.management("GET", "/api/queues?columns=name,exclusive")
    return sorted(queue["name"] for queue in listed if not queue.get("exclusive")
                  and queue["name"].split(".")[0] in ("reserver", "splitter", "router"))
