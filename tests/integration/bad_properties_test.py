"""AMQP properties and headers that are wrong or strange: what counts is the body, and nothing around it
may harm the fleet or be lost on the way to parking."""

import datetime
import decimal
import gzip
import unittest

import pika

from bad_input import CANCELLATION, PARKED, READY, BadInputTest, Case, raw
from environment import wait_for
from lib.messages import Message
from market import REPLIES

FLEET_QUEUES = ("splitter.orders", "router.seller-messages", "sellers.00", "parking", "reserver.carts",
                "reserver.movements",
                "reserver.retry", "reserver.retry.1s", "splitter.retry", "reserver.fill")
NESTED = {"a": {"b": [1, "x", {"c": True}]}, "d": []}
HEADERS = {
    "a table": {"table": NESTED}, "a list": {"list": [1, [2, ["three"]], NESTED]}, "nothing": {"none": None},
    "bytes": {"bytes": b"\xff\x00"}, "a fraction": {"price": decimal.Decimal("12.34")},
    "a time": {"at": datetime.datetime(2026, 1, 2, 3, 4, 5)}, "10 kB": {"long": "x" * 10_000},
    "100 kB": {"long": "x" * 100_000},
    "many": {f"h{number}": number for number in range(500)}, "no name": {"": "x"},
    "a strange name": {"\U0001f6d2 '\"": "x"},
    "an attempt that is text": {"x-attempt": "many"}, "a negative attempt": {"x-attempt": -5},
    "a huge attempt": {"x-attempt": 2 ** 63 - 1}, "an attempt that is a table": {"x-attempt": NESTED},
    "a first failure that is none": {"x-first-failed-at": "yesterday"},
    "a first failure in 2099": {"x-first-failed-at": 4070908800},
    "an error": {"x-error": NESTED}}
OF_THE_BROKER = {
    "given back 5 times": {"x-delivery-count": 5}, "given back -3 times": {"x-delivery-count": -3},
    "given back 2^63 - 1 times": {"x-delivery-count": 2 ** 63 - 1},
    "given back as text": {"x-delivery-count": "often"},
    "a death": {"x-death": [{"queue": "reserver.carts", "reason": "expired", "count": 5}]},
    "a death that is text": {"x-death": "x"},
    "first death": {"x-first-death-queue": "router.retry", "x-first-death-reason": "maxlen"},
    "parked before": {"x-parked-reason": "poison", "x-parked-worker": "router", "x-parked-attempts": NESTED}}
MORE = {"priority": {"priority": 9}, "the highest priority": {"priority": 255},
        "encoding": {"content_encoding": "gzip"},
        "a time": {"timestamp": 2 ** 63}, "an application": {"app_id": "\U0001f6d2" * 60},
        "a cluster": {"cluster_id": "x"},
        "a long time to live": {"expiration": "86400000"}}
CONTENT_TYPES = {"text": "text/plain", "of a batch": "application/cloudevents-batch+json", "none": None,
                 "strange": "\U0001f6d2" * 60}
MESSAGE_IDS = {"none": None, "255 bytes": "x" * 255, "emoji": "\U0001f6d2" * 60, "a null character": "a\0b",
               "quotes": "'\"{}\\"}


class PropertiesTest(BadInputTest):
    def each(self, make) -> dict[str, Case]:
        """A case for every strange property; `make` is given it as keywords for `raw`."""
        strange = {what: {"headers": headers} for what, headers in {**HEADERS, **OF_THE_BROKER}.items()}
        strange |= {f"more: {what}": more for what, more in MORE.items()}
        strange |= {f"content type: {what}": {"content_type": value} for what, value in CONTENT_TYPES.items()}
        strange |= {f"message id: {what}": {"message_id": value} for what, value in MESSAGE_IDS.items()}
        return {what: make(number, **properties) for number, (what, properties) in enumerate(strange.items())}

    def test_the_body_counts(self):
        self.send_mixed(self.each(lambda number, **more: Case(raw(self.event(self.one_line(f"o{number}")),
                                                                  **more), READY)))

    def test_they_are_parked_with_the_body(self):
        self.send_mixed(self.each(lambda number, **more: Case(raw(b'{"number":%d}' % number, **more), PARKED,
                                                              "malformed")))

    def test_a_compressed_body_is_parked_and_keeps_saying_so(self):
        body = gzip.compress(self.event(self.one_line("o1")))
        self.send_mixed({"gzip": Case(raw(body, content_encoding="gzip"), PARKED, "malformed")})

    def test_what_was_forged_makes_nobody_work_alone(self):
        """Only a message that the broker really gave back is looked at by itself."""
        self.send_mixed({str(number): Case(raw(self.event(self.one_line(f"o{number}")),
                                               headers={"x-delivery-count": 50}), READY)
                         for number in range(40)})

    def test_headers_that_fill_a_frame(self):
        """There is no room for the reason then: the largest header gives way, and the detail says so."""
        full = {"large": "x" * 70_000, "larger": "y" * 60_000}
        self.send_mixed({"full": Case(raw(self.event(self.one_line("o1")), headers=full), READY)})
        sent = self.market.send(raw(b"{", headers=full), "fault", "", None)
        self.assertEqual("malformed", self.market.answer(sent)[1]["reason"])
        parked, = self.market.collect_parked(at_least=1)
        self.assertEqual((b"{", "malformed", full["larger"], None),
                         (parked.body, parked.reason, parked.headers.get("larger"),
                          parked.headers.get("large")))
        self.assertIn("large", parked.headers["x-parked-detail"])
        self.assertEqual("ready", self.outcome(self.cart("behind", [("1", "A", 1)])))

    def test_a_forged_attempt_does_not_end_the_ladder(self):
        """A cancellation of lines waits on the ladder for its cart, however often it claims it did."""
        sent = []
        for number, attempt in enumerate((1000, 2 ** 63 - 1, -1, "many")):
            data = {"order_id": f"late{number}", "reason": "r", "lines": [{"line_id": "1", "quantity": 1}]}
            message = raw(self.event(data, CANCELLATION, id=f"x{number}"), CANCELLATION,
                          headers={"x-attempt": attempt, "x-first-failed-at": "never"})
            sent.append(self.market.send(message, "fault", "", None))
        self.market.flush()
        wait_for(lambda: self.reserver.metrics().total("cartwright_events_total", verdict="later") >= 4,
                 what="the ladder")
        for number in range(4):
            self.cart(f"late{number}", [("1", "A", 2)])
        for correlation_id in sent:
            self.assertEqual("ready", self.outcome(correlation_id))
        self.assertEqual((10_000, 4, 0), self.position("s1", "A"))
        self.assertEqual([], self.market.collect_parked())


class ExpiredTest(BadInputTest):
    """The sender's own time limit: what it ends is parked by the broker, not lost."""

    def test_what_expired_is_parked_and_can_be_replayed(self):
        self.reserver.stop()
        message = raw(self.event(self.one_line("o1")), message_id="short-lived", expiration="1")
        self.market.send(message, "cart", "o1", None, answered=False)
        self.market.flush()
        wait_for(lambda: self.environment.depth("parking") == 1, what="the broker to park it")
        self.reserver.start()
        self.assertIn('"broker:expired"', self.environment.cartwright("parked", "list", "--json"))
        self.assertIsNone(self.state("o1"))
        self.environment.cartwright("parked", "replay", "short-lived")
        self.wait_for_state("o1", "ready")
        self.assertEqual([], self.market.collect_parked())


class AnswersTest(BadInputTest):
    def send_to(self, order_id: str, reply_to: str, correlation_id: str = "mine") -> None:
        message = raw(self.event(self.one_line(order_id)))
        message.reply_to, message.correlation_id = reply_to, correlation_id
        self.market.send(message, "cart", order_id, None, answered=False)

    def test_no_answer_goes_to_a_queue_of_the_fleet(self):
        for queue in FLEET_QUEUES:
            self.send_to(f"to {queue}", queue, "forged")
            self.market.send(Message("carts", "cart.submitted", b"{", "bad", None, reply_to=queue,
                                     correlation_id="forged"),
                             "fault", "", None, answered=False)
        for queue in FLEET_QUEUES:
            self.wait_for_state(f"to {queue}", "ready")
        self.assertEqual("ready", self.outcome(self.cart("behind", [("1", "A", 1)])))
        self.reserver.stop()
        for queue in set(FLEET_QUEUES) - {"parking"}:
            self.assertEqual([], [properties.type for properties, _ in self.market._take(queue)
                                  if properties.correlation_id == "forged"], queue)
        self.assertEqual({"malformed"}, {one.reason for one in self.market.collect_parked(len(FLEET_QUEUES))})
        self.assertEqual(len(FLEET_QUEUES), len(self.market.evidence.parked))

    def test_an_answer_that_nobody_takes_holds_nothing(self):
        for number, reply_to in enumerate(("no.such.queue", "x" * 255, "\U0001f6d2", "amq.gen-nothing",
                                           "amq.rabbitmq.reply-to.x")):
            self.send_to(f"o{number}", reply_to)
            self.wait_for_state(f"o{number}", "ready")
        self.assertEqual("ready", self.outcome(self.cart("behind", [("1", "A", 1)])))
        self.assertEqual([], self.market.collect_parked())

    def test_direct_reply(self):
        connection = self.environment.amqp()
        channel, answers = connection.channel(), []
        channel.basic_consume("amq.rabbitmq.reply-to", lambda *arrival: answers.append(arrival[2:]),
                              auto_ack=True)
        message = raw(self.event(self.one_line("o1")))
        properties = pika.BasicProperties(reply_to="amq.rabbitmq.reply-to", correlation_id="mine",
                                          message_id="m")
        channel.basic_publish(message.exchange, message.routing_key, message.body, properties)
        channel.basic_publish(message.exchange, message.routing_key, b"{", properties)

        def answered() -> bool:
            connection.process_data_events(0.02)
            return len(answers) == 2
        wait_for(answered, what="both answers")
        self.assertEqual({("mine", "cartwright.order.ready.v1"), ("mine", "cartwright.message.parked.v1")},
                         {(properties.correlation_id, properties.type) for properties, _ in answers})

    def test_whoever_asked_is_gone(self):
        """A direct reply needs its channel, and that is closed before the answer comes."""
        self.reserver.stop()
        connection = self.environment.amqp()
        channel = connection.channel()
        channel.confirm_delivery()  # a channel that closes may take with it what the broker did not confirm
        channel.basic_consume("amq.rabbitmq.reply-to", lambda *_: None, auto_ack=True)
        for number in range(20):
            properties = pika.BasicProperties(reply_to="amq.rabbitmq.reply-to", correlation_id="mine",
                                              message_id="m")
            channel.basic_publish("carts", "cart.submitted", self.event(self.one_line(f"o{number}")),
                                  properties)
        connection.close()
        self.reserver.start()
        self.wait_for_orders(20)
        self.assertEqual({"ready": 20}, self.states())

    def test_correlation_ids_are_given_back_as_they_are(self):
        """255 bytes are all that the protocol has room for; they need not be text."""
        ids = ["x" * 255, "\U0001f6d2" * 63, "'; --", "a\0b", " "]
        for number, id_ in enumerate(ids):
            self.send_to(f"o{number}", REPLIES, id_)
        for number, id_ in enumerate(ids):
            self.wait_for_state(f"o{number}", "ready")
            self.assertEqual(f"o{number}", self.market.answer(id_)[1]["order_id"])

    def test_one_that_is_no_text_harms_no_neighbour(self):
        strange = {b"\xff\xfe": "no-text", b"\xed\xa0\x80": "half-a-pair"}
        good = [self.cart(f"good{number}", [("1", "A", 1)]) for number in range(10)]
        for id_, order_id in strange.items():
            self.send_to(order_id, REPLIES, id_)
        for correlation_id in good:
            self.assertEqual("ready", self.outcome(correlation_id))
        for id_, order_id in strange.items():
            self.assertEqual("order.ready", self.market.answer(id_)[0])
            self.assertEqual("ready", self.state(order_id))


if __name__ == "__main__":
    unittest.main()
