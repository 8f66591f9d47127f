"""What scripts/bench measures: throughput, CPU and latency of the fleet on servers of its own."""

from __future__ import annotations

import itertools
import multiprocessing
import random
import time
import uuid
from pathlib import Path

import pika

from .console import Trouble
from .fleet import Fleet
from .messages import Message, cart_submitted, now
from .publisher import Publisher
from .reset import mariadb_connection, postgres_connection
from .servers import Servers
from .world import Offer, Seller, World

ZIPF_EXPONENT = 0.9
UNITS_A_SKU = 1_000_000
GIVE_UP_AFTER_S = 300
WARM_UP_S = 3
SELLERS_QUEUES = 8
# How many lines a cart has: 1 to 6, three on average.
_LINES = ((1, 2, 3, 4, 5, 6), (15, 25, 26, 18, 10, 6))


class Market:
    """SKUs of many sellers, all in stock, and an endless row of paid carts: 3 lines of 2 sellers on average."""

    def __init__(self, servers: Servers, skus: int, sellers: int, seed: int):
        self._servers, self._skus, self._sellers = servers, skus, sellers
        self._rng = random.Random(seed)
        self._of_rank = list(range(skus))
        self._rng.shuffle(self._of_rank)
        weights = [1 / rank ** ZIPF_EXPONENT for rank in range(1, skus + 1)]
        self._cumulative = list(itertools.accumulate(weights))
        self._picked: list[int] = []
        self.world = World()
        for number in range(sellers):
            self.world.add_seller(Seller(self._seller(number), "SP"))
        for number in range(skus):
            self.world.add_offer(Offer(self._seller(number), self._sku(number), 100 + number % 9900, "books"))
            self.world.put(self._seller(number), self._sku(number), "main", UNITS_A_SKU)

    def stock_up(self) -> None:
        """Writes the catalogue and fills the shelves; a reserver runs."""
        self.world.write_catalogue(mariadb_connection(self._servers))
        with Publisher(self._servers.urls["AMQP_URL"]) as publisher:
            for message in self.world.initial_stock():
                publisher.publish(message)
        connection = postgres_connection(self._servers)
        with connection.cursor() as cursor:
            _wait(lambda: _number(cursor, "select count(*) from stock_event") == len(self.world.stock), "the shelves are full")
            cursor.execute("vacuum analyze")
        connection.close()

    def carts(self, count: int) -> list[dict]:
        """Carts with fresh order ids."""
        return [self._cart() for _ in range(count)]

    def _cart(self) -> dict:
        rng = self._rng
        wanted = rng.choices(*_LINES)[0]
        chosen: list[int] = []
        while len(chosen) < wanted:
            if chosen and rng.random() < 0.5:
                seller = rng.choice(chosen) % self._sellers
                number = seller + self._sellers * rng.randrange(max(1, self._skus // self._sellers))
            else:
                number = self._pick()
            if number not in chosen:
                chosen.append(number)
        lines = [{"line_id": str(index), "sku": self._sku(number), "seller_id": self._seller(number),
                  "quantity": 1 if rng.random() < 0.8 else 2} for index, number in enumerate(chosen, 1)]
        return {"order_id": str(uuid.UUID(int=rng.getrandbits(128))), "channel": "web", "currency": "BRL", "paid": True,
                "placed_at": now(), "lines": lines}

    def _pick(self) -> int:
        if not self._picked:
            self._picked = self._rng.choices(self._of_rank, cum_weights=self._cumulative, k=4096)
        return self._picked.pop()

    def _seller(self, number: int) -> str:
        return f"seller-{number % self._sellers:04d}"

    @staticmethod
    def _sku(number: int) -> str:
        return f"SKU-{number:06d}"


def parts_of(cart: dict, elsewhere: frozenset[str] | set[str] = frozenset()) -> int:
    """How many sellers' messages a cart becomes, not counting sellers who are served elsewhere."""
    return len({line["seller_id"] for line in cart["lines"]} - elsewhere)


def throughput(servers: Servers, market: Market, count: int, preset: str) -> dict:
    """carts_per_s from the first message in the sellers' queues to the last; cpu_ms_per_cart by program."""
    carts = market.carts(count)
    expected = sum(parts_of(cart) for cart in carts)
    with pika.BlockingConnection(pika.URLParameters(servers.urls["AMQP_URL"])) as connection:
        channel = connection.channel()
        _purge_sellers(channel)
        with Publisher(servers.urls["AMQP_URL"]) as publisher:
            for cart in carts:
                publisher.publish(cart_submitted(cart))
        with Fleet(servers, preset) as fleet:
            before = _server_cpu(servers)
            begun_at = time.monotonic()
            for name in ("reserver", "splitter", "router"):
                fleet.add(name).launch()
            first_at, first = _until(channel, lambda depth: depth > 0)
            last_at, _ = _until(channel, lambda depth: depth >= expected)
            cpu = {worker.name: worker.usage()["cpu_s"] for worker in fleet.workers}
            after = _server_cpu(servers)
        _purge_sellers(channel)
    cpu |= {name: after[name] - before[name] for name in after}
    return {"carts": count, "messages": expected, "seconds": last_at - begun_at,
            "carts_per_s": count * (1 - first / expected) / (last_at - first_at),
            "carts_per_s_with_start": count / (last_at - begun_at),
            "cpu_ms_per_cart": {name: 1000 * seconds / count for name, seconds in cpu.items()}}


def latency(servers: Servers, market: Market, rate: int, seconds: int, preset: str, config: Path | None = None,
            elsewhere: frozenset[str] | set[str] = frozenset()) -> dict:
    """p50_ms and p99_ms of the messages to sellers on shared queues, counted from when their cart was due."""
    carts = market.carts(rate * (seconds + WARM_UP_S))
    messages = [cart_submitted(cart) for cart in carts]
    expected = sum(parts_of(cart, elsewhere) for cart in carts)
    arrivals, listening = multiprocessing.Queue(), multiprocessing.Event()
    listener = multiprocessing.Process(target=_listen, args=(servers.urls["AMQP_URL"], expected, arrivals, listening))
    with Fleet(servers, preset) as fleet:
        fleet.config = config or fleet.config
        fleet.start_all({"reserver": 1, "splitter": 1, "router": 1})
        listener.start()
        listening.wait(30)
        due = _publish_at(servers.urls["AMQP_URL"], messages, rate)
        arrived = arrivals.get(timeout=60)
        listener.join(10)
    if len(arrived) < expected:
        raise Trouble(f"{expected - len(arrived)} of {expected} messages did not arrive")
    by_order = {cart["order_id"]: at for cart, at in zip(carts, due)}
    warm = due[rate * WARM_UP_S]
    times = sorted(1000 * (at - by_order[order_id]) for order_id, at in arrived if by_order[order_id] >= warm)
    return {"rate": rate, "p50_ms": times[len(times) // 2], "p99_ms": times[int(len(times) * 0.99)], "max_ms": times[-1]}


def violations(servers: Servers) -> list[str]:
    """What the databases say against P1, P3 and P5, one sentence each."""
    checks = {
        "P1: positions with more reserved than on hand": "select count(*) from stock_position where reserved > on_hand or reserved < 0",
        "P1: positions whose reserved is not the sum of their open reservations":
            "select count(*) from stock_position p left join (select seller_id, sku, warehouse, sum(open) as open from "
            "reservation group by 1, 2, 3) r using (seller_id, sku, warehouse) where p.reserved <> coalesce(r.open, 0)",
        "P3: positions that are not the fold of their ledger":
            "select count(*) from stock_position p left join (select seller_id, sku, warehouse, sum(on_hand_delta) as on_hand, "
            "sum(reserved_delta) as reserved, max(version) as version, count(*) as events from stock_event group by 1, 2, 3) e "
            "using (seller_id, sku, warehouse) where (p.on_hand, p.reserved, p.version, p.version) is distinct from "
            "(coalesce(e.on_hand, 0), coalesce(e.reserved, 0), coalesce(e.version, 0), coalesce(e.events, 0))",
        "P5: streams with a gap": "select count(*) from seller_stream s left join (select seller_id, stream, count(*) as messages, "
            "max(number) as last from seller_message group by 1, 2) m using (seller_id, stream) "
            "where (s.last_assigned, s.last_assigned) is distinct from (m.messages, m.last)",
        "P5: streams not delivered to their end": "select count(*) from seller_stream s left join seller_delivery d "
            "using (seller_id, stream) where s.last_assigned is distinct from d.last_delivered",
    }
    with postgres_connection(servers) as connection, connection.cursor() as cursor:
        return [f"{what}: {found}" for what, sql in checks.items() if (found := _number(cursor, sql))]


def _publish_at(url: str, messages: list[Message], rate: int) -> list[float]:
    """Publishes each message when it is due, however slow the others were; returns the due times."""
    due = []
    with Publisher(url) as publisher:
        begin = time.monotonic() + 0.2
        for index, message in enumerate(messages):
            due.append(begin + index / rate)
            if (pause := due[-1] - time.monotonic()) > 0:
                time.sleep(pause)
            publisher.publish(message)
    return due


def _listen(url: str, expected: int, arrivals, listening) -> None:
    """The sellers' consumer, a process of its own: order id and time of each message."""
    connection = pika.BlockingConnection(pika.URLParameters(url))
    channel = connection.channel()
    channel.basic_qos(prefetch_count=500)
    seen: list[tuple[str, float]] = []
    marker = b'"order_id":"'

    def arrived(_channel, method, _properties, body):
        at = time.monotonic()
        begin = body.index(marker) + len(marker)
        seen.append((body[begin:body.index(b'"', begin)].decode(), at))
        channel.basic_ack(method.delivery_tag)
        if len(seen) >= expected:
            channel.stop_consuming()

    for number in range(SELLERS_QUEUES):
        channel.basic_consume(f"sellers.{number:02d}", arrived)
    connection.call_later(120, channel.stop_consuming)
    listening.set()
    channel.start_consuming()
    connection.close()
    arrivals.put(seen)


def _purge_sellers(channel) -> None:
    for number in range(SELLERS_QUEUES):
        channel.queue_purge(f"sellers.{number:02d}")


def _depth(channel) -> int:
    return sum(channel.queue_declare(f"sellers.{number:02d}", passive=True).method.message_count
               for number in range(SELLERS_QUEUES))


def _until(channel, enough) -> tuple[float, int]:
    """When the sellers' queues held enough, and how much that was."""
    give_up_at = time.monotonic() + GIVE_UP_AFTER_S
    while time.monotonic() < give_up_at:
        depth, at = _depth(channel), time.monotonic()
        if enough(depth):
            return at, depth
        time.sleep(0.02)
    raise Trouble(f"after {GIVE_UP_AFTER_S} s the sellers' queues hold {_depth(channel)} messages",
                  "look into the workers' logs under the run directory")


def _server_cpu(servers: Servers) -> dict[str, float]:
    names = {"rabbitmq": servers.rabbitmq, "postgres": servers.postgres, "mariadb": servers.mariadb}
    return {name: server.process.usage()["cpu_s"] for name, server in names.items()}


def _number(cursor, sql: str) -> int:
    cursor.execute(sql)
    return cursor.fetchone()[0]


def _wait(condition, what: str, timeout_s: float = 120) -> None:
    give_up_at = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > give_up_at:
            raise Trouble(f"after {timeout_s:.0f} s still not: {what}")
        time.sleep(0.05)
