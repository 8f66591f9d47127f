"""What the fleet's tests share: a small catalogue, carts and movements sent to the fleet, and what came of them.

    class ReserveTest(MarketTest):
        def test_a_cart_is_answered(self):
            self.sell("s1", "A", 5)
            self.assertEqual("ready", self.state_of_answer(self.cart("o1", [("1", "A", 2)])))
            self.assert_promises()

Everything sent through a Market is remembered, so that `assert_promises` can judge the run as the checker does.
"""

from __future__ import annotations

import collections
import json

import pika

from environment import EnvironmentTest, wait_for
from lib import checker, messages
from lib.evidence import Evidence, Parked, Publication, Reply, digest_of_data, read_databases
from lib.messages import Message, cart_submitted, now, order_cancellation, stock_moved
from lib.publisher import Publisher
from lib.reset import amqp_connection
from lib.sellers import read_arrival

REPLIES = "test.replies"
SELLER_QUEUES = tuple(f"sellers.{number:02d}" for number in range(8))
WORKERS = {"reserver": 1, "splitter": 1, "router": 1}


class Market:
    """A catalogue, a sender and the logs of whoever receives; one for each test."""

    def __init__(self, environment):
        self.environment = environment
        self.evidence = Evidence()
        self.answers: dict[str, list[tuple[str, dict]]] = collections.defaultdict(list)  # by correlation id
        self._sent = 0
        self._catalogue = environment.mariadb()
        self._connection = None
        self._channel = None
        self._publisher = Publisher(environment.servers.urls["AMQP_URL"], name="tests")
        self._publisher.__enter__()
        self._inner_queues = self._list_inner_queues()
        self.channel.queue_declare(REPLIES, durable=True)
        self.channel.queue_purge(REPLIES)

    def close(self) -> None:
        self._publisher.__exit__(RuntimeError, None, None)
        self.environment.servers.ensure_running()
        self.channel.queue_delete(REPLIES)
        self._connection.close()

    @property
    def channel(self):
        """A pika channel with auto-acknowledging readers; opened again after the broker was away."""
        if self._connection is None or not self._connection.is_open or not self._channel.is_open:
            self._connection = amqp_connection(self.environment.servers)
            self._channel = self._connection.channel()
        return self._channel

    def kill_broker(self) -> None:
        """kill -9, once the broker has written down where the logs of its quorum queues are.

        It does so twice a second; a queue that is younger when it dies never comes back to life.
        """
        def written_down() -> bool:
            folder = self.environment.servers.rabbitmq.folder
            known = b"".join(path.read_bytes() for path in folder.rglob("names.dets"))
            return all(f"%2F_{name}".encode() in known for name in (*self._inner_queues, *SELLER_QUEUES, "parking"))
        wait_for(written_down, what="the broker to write its queues down")
        self.environment.servers.rabbitmq.kill()

    def reconnect(self) -> None:
        """After the broker was killed: our connection may not have noticed, and our queue may be gone."""
        self._connection = None
        self.channel.queue_declare(REPLIES, durable=True)

    # The catalogue

    def seller(self, seller_id: str, status: str = "active") -> None:
        self._catalogue.cursor().execute(
            "REPLACE INTO seller (seller_id, status, region, tags) VALUES (%s, %s, 'north', 'a,b')", (seller_id, status))

    def offer(self, seller_id: str, sku: str, price_minor: int = 100, currency: str = "BRL",
              status: str = "active") -> None:
        self._catalogue.cursor().execute(
            "REPLACE INTO offer (seller_id, sku, price_minor, currency, status, category) "
            "VALUES (%s, %s, %s, %s, %s, 'things')", (seller_id, sku, price_minor, currency, status))

    def offers(self, offers: list[tuple[str, str]]) -> None:
        """Many offers of (seller, SKU) at once."""
        self._catalogue.cursor().executemany(
            "REPLACE INTO offer (seller_id, sku, price_minor, currency, status, category) "
            "VALUES (%s, %s, 100, 'BRL', 'active', 'things')", offers)

    # Sending

    def send(self, message: Message, kind: str, key: str, data: dict | None, answered: bool = True,
             must_park: tuple[str, ...] = (), may_park: tuple[str, ...] = ()) -> str:
        """Publishes and remembers; the correlation id under which an answer comes."""
        self._sent += 1
        if answered:
            message.reply_to, message.correlation_id = REPLIES, f"c{self._sent}"
        self.evidence.publications.append(Publication(
            message.correlation_id or "", kind, key, message.message_id, message.type, message.content_type,
            message.reply_to, message.body, data=data, must_park=frozenset(must_park),
            may_park=frozenset(may_park)))
        self._publisher.publish(message)
        return message.correlation_id or ""

    def flush(self) -> None:
        """Returns when the broker has everything that was sent."""
        self._publisher.flush()

    # Reading

    def answer(self, correlation_id: str, timeout_s: float = 20) -> tuple[str, dict]:
        """The first answer (noun.verb of its type, data) to what was sent under this correlation id."""
        def first():
            self.collect_answers()
            return self.answers[correlation_id][0] if self.answers[correlation_id] else None
        return wait_for(first, timeout_s, f"an answer to {correlation_id}")

    def collect_answers(self) -> None:
        for properties, body in self._take(REPLIES):
            event = json.loads(body)
            data = event["data"]
            self.answers[properties.correlation_id].append((event["type"].split(".", 1)[1].rsplit(".", 1)[0], data))
            self.evidence.replies.append(Reply(properties.correlation_id, event["type"],
                                               data.get("order_id") or data.get("event_id") or "",
                                               digest_of_data(data), data))

    def collect_arrivals(self) -> list:
        """All that the sellers got so far, in order queue by queue."""
        for queue in SELLER_QUEUES:
            for properties, body in self._take(queue):
                self.evidence.arrivals.append(
                    read_arrival(queue, properties.message_id or "", json.loads(body), body))
        return self.evidence.arrivals

    def collect_parked(self, at_least: int = 0) -> list[Parked]:
        """All that was parked so far, once that are so many."""
        if at_least:
            wait_for(lambda: len(self.collect_parked()) >= at_least, what=f"{at_least} messages to be parked")
        for properties, body in self._take("parking"):
            self.evidence.parked.append(
                Parked(body, properties.message_id, properties.type, properties.content_type, properties.reply_to,
                       properties.correlation_id, properties.headers or {}, properties.content_encoding))
        return self.evidence.parked

    def left_inside(self) -> dict[str, int]:
        """Messages ready in the fleet's own queues, by queue."""
        depths = {name: self.channel.queue_declare(name, passive=True).method.message_count
                  for name in self._inner_queues}
        return {name: depth for name, depth in depths.items() if depth}

    def one(self, sql: str, parameters: tuple = ()):
        """The first column of the only row of a query."""
        ((value, *_),) = self.environment.rows(sql, parameters)
        return value

    def violations(self) -> list[str]:
        """What the checker says about everything so far."""
        self.collect_answers()
        self.collect_arrivals()
        self.collect_parked()
        self.evidence.queues_left = self.left_inside()
        read_databases(self.evidence, self.environment.servers.urls["POSTGRES_ADMIN_URL"], self._catalogue)
        return [str(violation) for violation in checker.check(self.evidence)]

    def _take(self, queue: str):
        """What is in a queue now, removed."""
        channel = self.channel
        while True:
            method, properties, body = channel.basic_get(queue, auto_ack=True)
            if method is None:
                return
            yield properties, body

    def _list_inner_queues(self) -> list[str]:
        listed = self.environment.servers.rabbitmq.management("GET", "/api/queues?columns=name,exclusive")
        return [queue["name"] for queue in listed if not queue.get("exclusive") and
                queue["name"].split(".")[0] in ("reserver", "splitter", "router")]


class MarketTest(EnvironmentTest):
    """A test with a market of three active sellers, s1 to s3, and the workers of `workers` running."""

    workers: dict[str, int] = WORKERS

    def setUp(self) -> None:
        super().setUp()
        self.market = Market(self.environment)
        self.addCleanup(self.market.close)
        for seller_id in ("s1", "s2", "s3"):
            self.market.seller(seller_id)
        if self.workers:
            self.fleet.start_all(self.workers)

    # Short ways to say what many tests say

    def configure(self, text: str) -> None:
        """The topology and the workers to come follow this configuration until the test ends."""
        config = self.environment.servers.run.path / "test.yaml"
        config.write_text(text)
        self.environment.cartwright("topology", "--config", str(config), "apply")
        self.addCleanup(self.environment.cartwright, "topology", "apply", "--prune")
        self.addCleanup(setattr, self.fleet, "config", self.fleet.config)
        self.addCleanup(self.fleet.stop)
        self.fleet.config = config

    def sell(self, seller_id: str, sku: str, units: int = 0, warehouse: str = "main", price_minor: int = 100) -> None:
        """An offer, and units of it where there are any; returns when they are booked."""
        self.market.offer(seller_id, sku, price_minor)
        if units:
            self.assertEqual("applied", self.outcome(self.move("receipt", seller_id, sku, units, warehouse=warehouse)))

    def cart(self, order_id: str, lines: list[tuple], event_id: str = "", answered: bool = True, **more) -> str:
        """Sends a cart, paid unless said otherwise; lines are (line id, SKU, quantity)."""
        return self.send_cart(self.cart_data(order_id, lines, **more), event_id, answered)

    def cart_data(self, order_id: str, lines: list[tuple], **more) -> dict:
        return {"order_id": order_id, "channel": "web", "currency": "BRL", "paid": True,
                "lines": [{"line_id": line_id, "sku": sku, "quantity": quantity} for line_id, sku, quantity in lines],
                **more}

    def send_cart(self, data: dict, event_id: str = "", answered: bool = True, **more) -> str:
        return self.market.send(cart_submitted(data, event_id), "cart", data.get("order_id", ""), data, answered,
                                **more)

    def move(self, kind: str, seller_id: str, sku: str, quantity: int, event_id: str = "", warehouse: str = "main",
             answered: bool = True, occurred_at: str = "", **more) -> str:
        event_id = event_id or f"{kind}-{len(self.market.evidence.publications)}"
        movement = {"kind": kind, "seller_id": seller_id, "sku": sku, "warehouse": warehouse, "quantity": quantity,
                    "occurred_at": occurred_at or now(), **more}
        return self.send_movements(event_id, [movement], answered)

    def send_movements(self, event_id: str, movements: list[dict], answered: bool = True, **more) -> str:
        return self.market.send(stock_moved(event_id, movements), "movements", event_id, {"movements": movements},
                                answered, **more)

    def cancel(self, order_id: str, lines: dict[str, int] | None = None, event_id: str = "",
               answered: bool = True) -> str:
        event_id = event_id or f"cancel-{len(self.market.evidence.publications)}"
        wanted = [{"line_id": line_id, "quantity": units} for line_id, units in lines.items()] if lines else None
        message = order_cancellation(event_id, order_id, "no longer wanted", wanted)
        return self.market.send(message, "cancellation", order_id, json.loads(message.body)["data"], answered)

    def outcome(self, correlation_id: str) -> str:
        """The state a cart or cancellation was answered with, or the status of the only movement."""
        type_, data = self.market.answer(correlation_id)
        if type_ == "stock.applied":
            return data["results"][0]["status"]
        return type_.split(".")[1]

    def codes(self, correlation_id: str) -> set[tuple[str, str]]:
        """(line id, code) of the rejection that was answered."""
        type_, data = self.market.answer(correlation_id)
        self.assertEqual("order.rejected", type_, data)
        return {(reason.get("line_id", ""), reason["code"]) for reason in data["reasons"]}

    def state(self, order_id: str) -> str | None:
        rows = self.environment.rows("SELECT state::text FROM orders WHERE order_id = %s", (order_id,))
        return rows[0][0] if rows else None

    def states(self) -> dict[str, int]:
        """How many orders there are of each state."""
        return dict(self.environment.rows("SELECT state::text, count(*) FROM orders GROUP BY state"))

    def wait_for_orders(self, count: int, timeout_s: float = 60) -> None:
        """Until so many orders are decided."""
        wait_for(lambda: sum(self.states().values()) >= count, timeout_s, f"{count} orders")

    def wait_for_state(self, order_id: str, state: str) -> None:
        wait_for(lambda: self.state(order_id) == state, what=f"order {order_id} to be {state}")

    def position(self, seller_id: str, sku: str, warehouse: str = "main") -> tuple[int, int, int] | None:
        """on_hand, reserved, shortfall."""
        rows = self.environment.rows("SELECT on_hand, reserved, shortfall FROM stock_position WHERE seller_id = %s "
                                     "AND sku = %s AND warehouse = %s", (seller_id, sku, warehouse))
        return rows[0] if rows else None

    def assert_promises(self, timeout_s: float = 40, drain: bool = True) -> None:
        """Waits until the fleet is done and nothing is violated; drains it and looks once more."""
        violations: list[str] = []

        def clean() -> bool:
            violations[:] = self.market.violations()
            return not violations

        self.market.flush()
        try:
            wait_for(clean, timeout_s)
        except AssertionError:
            self.fail(f"{len(violations)} violations:\n" + "\n".join(violations[:20]))
        if drain:
            self.assert_drained(self.market)


def envelope(**more) -> dict:
    """The attributes of an event, to be bent."""
    return {"specversion": "1.0", "id": "e1", "source": messages.SOURCE, "time": now(), **more}
