"""deploy/asyncapi.yaml tells the truth: it is AsyncAPI, the broker is as it says, and so is every message."""

import collections
import json
import subprocess
import unittest

from asyncapi import DOCUMENT, Document
from endpoints import EndpointTest
from environment import EnvironmentTest, wait_for
from lib import npm
from lib.generator import Generator
from lib.messages import Message, cart_submitted, catalogue_changed
from lib.run_directory import REPOSITORY
from market import REPLIES, SELLER_QUEUES

BATCH = "application/cloudevents-batch+json"
SCHEMAS = REPOSITORY / "common/message/schema"
ERROR, WARNING = 0, 1
NO_EVENT = b"{"
UNDELIVERED = ("SELECT count(*) FROM seller_stream s LEFT JOIN seller_delivery d USING (seller_id, stream) "
               "WHERE s.last_assigned > coalesce(d.last_delivered, 0)")
TIMES = {"s": 1000, "m": 60_000}


class DocumentTest(unittest.TestCase):
    def test_the_parser_has_no_objection(self):
        try:
            folder = npm.install(REPOSITORY / "tests/asyncapi")
        except npm.Unavailable as why:
            self.skipTest(f"AsyncAPI's own parser was not asked: {why}")
        result = subprocess.run(["node", folder / "check.mjs", DOCUMENT], capture_output=True, text=True,
                                timeout=120, check=True)
        said = json.loads(result.stdout)
        self.assertEqual([], [one for one in said["diagnostics"] if one["severity"] in (ERROR, WARNING)])
        document = Document()
        self.assertEqual((len(document.channels), len(document.messages) + 1),
                         (said["channels"], said["messages"]))

    def test_it_names_every_schema_there_is(self):
        document = Document()
        named = {message["payload"]["schema"]["$ref"].rsplit("/", 1)[1] for message
                 in document.messages.values()}
        self.assertEqual({path.name for path in SCHEMAS.glob("*.json")}, named)
        for type_ in document.messages:
            self.assertEqual(type_, document.validator(type_).schema["properties"]["type"]["const"])

    def test_every_message_is_said_somewhere(self):
        document = Document()
        said = set().union(*(channel.types for channel in document.channels.values()))
        self.assertEqual(set(document.messages), said)
        sent_or_taken = {operation["channel"]["$ref"].rsplit("/", 1)[1] for operation
                         in document.content["operations"].values()}
        exchanges = {name for name, channel in document.channels.items() if channel.exchange}
        queues = {name for name, channel in document.channels.items() if channel.queue}
        by_others = {"carts", "movements", "cancellations"}  # who sends them is no part of the fleet
        read_by_others = {"sellers-queues", "seller-queues", "parking", "rungs"}
        self.assertEqual(set(), ((exchanges - by_others) | (queues - read_by_others)) - sent_or_taken)


class TopologyTest(EnvironmentTest):
    """What `cartwright topology apply` made of the shipped configuration, as the broker tells it."""

    def setUp(self):
        super().setUp()
        self.document = Document()
        self.management = self.environment.servers.rabbitmq.management

    def named(self, kind: str) -> dict[str, dict]:
        return {one["name"]: one for one in self.management("GET", f"/api/{kind}/%2F")}

    def test_exchanges(self):
        there = {name: one for name, one in self.named("exchanges").items() if name
                 and not name.startswith("amq.")}
        marker = self.document.content["x-marker"]
        markers = [one for name, one in there.items() if name.startswith(marker["prefix"])]
        self.assertEqual([marker["type"]], [one["type"] for one in markers])
        found = {name: (one["type"], one["durable"], one["auto_delete"],
                        one["arguments"].get("alternate-exchange"))
                 for name, one in there.items() if one not in markers}
        self.assertEqual(self.document.exchanges(), found)

    def test_queues(self):
        own = self.document.channels["seller-queues"]
        there = {name: one for name, one in self.named("queues").items()
                 if not one["exclusive"] and not own.fits(name) and not name.startswith("test.")}
        described = {name: amqp for name, amqp, _, _ in self.document.queues()}
        self.assertEqual(sorted(described), sorted(there))
        for name, one in there.items():
            expected = (described[name]["durable"], described[name]["autoDelete"], "quorum")
            self.assertEqual(expected, (one["durable"], one["auto_delete"], one["arguments"]["x-queue-type"]),
                             name)

    def test_bindings(self):
        described = {(name, *binding) for name, _, bindings, _ in self.document.queues()
                     for binding in bindings}
        there = {(one["destination"], one["source"], one["routing_key"])
                 for one in self.management("GET", "/api/bindings/%2F") if one["source"]}
        self.assertEqual(described, there)

    def test_limits(self):
        there = {one["pattern"].strip("^$").replace("\\", ""): one["definition"]
                 for one in self.management("GET", "/api/policies/%2F")}
        described = {}
        for name, _, _, policy in self.document.queues():
            if isinstance(delay := policy.get("message-ttl"), str):
                policy["message-ttl"] = int(delay[:-1]) * TIMES[delay[-1]]
            described[name] = policy
        self.maxDiff = None
        self.assertEqual(described, there)


class RunTest(EndpointTest):
    """Every way is listened at while a market trades, and every kind of message is said at least once."""

    def setUp(self):
        super().setUp()
        self.document = Document()
        self.seen: dict[str, set[str]] = collections.defaultdict(set)  # types by channel
        self.objections: list[str] = []
        with open(self.fleet.config, "a") as config:
            config.write("\nreserver: {public_events: true}\n")
        self.listen()
        self._take = self.market._take
        self.market._take = self.take

    def listen(self) -> None:
        """A queue of our own at every exchange."""
        self.listener = self.environment.amqp().channel()
        self.queues = []
        keys = collections.defaultdict(set)
        for _, _, bindings, _ in self.document.queues():
            for exchange, key in bindings:
                keys[exchange].add(key)
        for exchange, (kind, *_) in self.document.exchanges().items():
            queue = self.listener.queue_declare("", exclusive=True).method.queue
            for key in keys[exchange] if kind == "direct" else {"#"}:
                self.listener.queue_bind(queue, exchange, key)
            self.queues.append(queue)

    def take(self, queue: str):
        """What the test itself reads is looked at as well."""
        for properties, body in self._take(queue):
            if queue == REPLIES:
                self.look([self.document.channels["answers"]], properties, body, queue)
            elif queue in SELLER_QUEUES:
                self.look(self.document.of_queue(queue), properties, body, queue)
            yield properties, body

    def look(self, channels: list, properties, body: bytes, where: str) -> None:
        """Every event of a message against the channel that it went through."""
        if len(channels) != 1:
            self.objections.append(f"{where}: not one channel: {[one.name for one in channels]}")
            return
        channel, = channels
        if channel.name in ("parked", "parking"):
            self.look_at_headers("parked-headers", properties, where)
            return
        events = json.loads(body)
        many = isinstance(events, list)
        if many != (properties.content_type == BATCH) or many > channel.batches:
            self.objections.append(f"{where}: {properties.content_type}, {body[:80]!r}")
        if not many and properties.type != events["type"]:
            self.objections.append(f"{where}: type {properties.type} of {body[:80]!r}")
        if channel.name in ("sellers", "sellers-queues", "seller-queues"):
            self.look_at_headers("seller-headers", properties, where)
            self.objections += [f"{where}: no {name}" for name in ("seller", "stream", "number")
                                if name not in (properties.headers or {})]
        for event in events if many else [events]:
            self.look_at(event, channel, where)

    def look_at_headers(self, name: str, properties, where: str) -> None:
        errors = self.document.headers(name).iter_errors(plain(properties.headers))
        self.objections += [f"{where}: {error.message}" for error in errors]

    def look_at(self, event: dict, channel, where: str) -> None:
        type_ = event["type"]
        self.seen[channel.name].add(type_)
        if type_ not in self.document.messages:
            self.objections.append(f"{where}: {type_} is not in the document")
            return
        if channel.types and type_ not in channel.types:
            self.objections.append(f"{where}: {type_} is not said there, as the document has it")
        self.objections += [f"{where}: {type_}: {error.message} in {event['id']}" for error
                            in self.document.validator(type_).iter_errors(event)]

    def look_at_captures(self) -> None:
        for queue in self.queues:
            while True:
                method, properties, body = self.listener.basic_get(queue, auto_ack=True)
                if method is None:
                    break
                where = f"{method.exchange} {method.routing_key}"
                if body != NO_EVENT or method.exchange == "parking":
                    self.look(self.document.of_exchange(method.exchange, method.routing_key), properties,
                              body, where)

    def look_at_everything(self) -> None:
        self.look_at_captures()
        self.market.collect_answers()
        self.market.collect_arrivals()
        for properties, body in self._take("seller.s2"):
            self.look(self.document.of_queue("seller.s2"), properties, body, "seller.s2")
        for properties, body in self._take("seller.s3"):
            self.look(self.document.of_queue("seller.s3"), properties, body, "seller.s3")

    def test_every_message_is_as_the_document_says(self):
        self.rules(s1="picky", s2="own", s3="picky")
        self.fleet.start_all({"reserver": 2, "splitter": 1, "router": 1})
        self.addCleanup(self.delete_own_queues)
        self.trade()
        self.get_into_trouble()
        self.void_and_switch("s1", "shared")
        self.void_and_switch("s3", "own")
        self.trade_at_random()
        wait_for(lambda: self.market.one(UNDELIVERED) == 0, timeout_s=60, what="everything to be delivered")
        self.fleet.stop()
        self.look_at_everything()
        self.maxDiff = None
        self.assertEqual([], self.objections[:20])
        self.assert_everything_was_said()

    def delete_own_queues(self) -> None:
        self.fleet.kill()
        for seller_id in ("s2", "s3"):
            self.market.channel.queue_delete(f"seller.{seller_id}")

    def assert_everything_was_said(self) -> None:
        for name, channel in self.document.channels.items():
            listened_at = channel.exchange or name == "answers" or name in ("sellers-queues", "seller-queues")
            if listened_at and channel.types:
                with self.subTest(name):
                    self.assertEqual(channel.types, self.seen[name])
        self.assertTrue(self.seen["retries"])

    def trade(self) -> None:
        """Orders of every state, cancellations, movements, held carts, a shortfall."""
        for seller_id, sku in (("s1", "A"), ("s2", "B"), ("s3", "C")):
            self.sell(seller_id, sku, 10)
        for state, order_id, lines, more in (
                ("ready", "o1", [("1", "A", 2), ("2", "B", 1), ("3", "C", 1)], {}),
                ("ready", "o2", [("1", "B", 50)], {"policy": "partial"}),
                ("rejected", "o3", [("1", "A", 500)], {}), ("rejected", "o4", [("1", "unknown", 1)], {}),
                ("pending", "o5", [("1", "C", 40)], {"policy": "hold"}),
                ("reserved", "o6", [("1", "A", 1)], {"paid": False})):
            self.assertEqual(state, self.outcome(self.cart(order_id, lines, **more)), order_id)
        self.assertEqual("ready", self.outcome(self.cancel("o2", {"1": 1})))
        self.assertEqual("cancelled", self.outcome(self.cancel("o2")))
        self.move("receipt", "s3", "C", 100)
        self.wait_for_state("o5", "ready")
        self.assertEqual("applied", self.outcome(self.move("count", "s3", "C", 3)))

    def get_into_trouble(self) -> None:
        """What waits on a ladder, what is parked, and a change of the catalogue."""
        early = self.cancel("late", {"1": 1})
        reservers = self.fleet.named("reserver")
        wait_for(lambda: sum(one.metrics().total("cartwright_events_total", verdict="later") for one
                             in reservers), what="the ladder")
        self.cart("late", [("1", "A", 2)])
        self.assertEqual("ready", self.outcome(early))
        bad = self.market.send(Message("carts", "cart.submitted", NO_EVENT, "bad", None), "fault", "", None)
        self.assertEqual("message.parked", self.market.answer(bad)[0])
        self.market.send(catalogue_changed("k1", ["A"], ["s1"]), "fault", "", None, answered=False)

    def void_and_switch(self, seller_id: str, destination: str) -> None:
        """A message that its endpoint refuses is voided, and the rest goes elsewhere."""
        self.receiver.behave("picky", status=400)
        sku = {"s1": "A", "s3": "C"}[seller_id]
        self.assertEqual("applied", self.outcome(self.move("receipt", seller_id, sku, 500)))
        for order_id in (f"void-{seller_id}", f"behind-{seller_id}"):
            self.assertEqual("ready", self.outcome(self.cart(order_id, [("1", sku, 1)])))
        self.wait_held(seller_id, "refused")
        stream = ("--by", "t", "--reason", "r")
        number = self.stream(seller_id)["delivered"] + 1
        self.environment.cartwright("stream", "void", seller_id, "main", str(number), *stream)
        self.wait_held(seller_id, "refused")
        self.environment.cartwright("stream", "--config", str(self.fleet.config), "switch", seller_id, "--to",
                                    destination, *stream)
        self.assertEqual("cancelled", self.outcome(self.cancel(f"behind-{seller_id}")))

    def trade_at_random(self) -> None:
        generator = Generator(7, 300, sellers=20, skus=100)
        generator.world.write_catalogue(self.environment.mariadb())
        for message in generator.world.initial_stock():
            self.outcome(self.market.send(message, "movements", message.message_id, None))
        carts = [self.market.send(cart_submitted(cart), "cart", cart["order_id"], cart) for cart
                 in generator.carts(300)]
        for correlation_id in carts:
            self.outcome(correlation_id)


def plain(headers: dict | None) -> dict:
    """Numbers as JSON has them; pika has a type of its own for long ones."""
    return {name: int(value) if isinstance(value, int) and not isinstance(value, bool) else value
            for name, value in (headers or {}).items()}


if __name__ == "__main__":
    unittest.main()
