"""scripts/publish-orders and its publisher: confirmed, complete, in spite of a broker that goes away."""

import json
import subprocess
import threading
from unittest import mock

from environment import EnvironmentTest, wait_for
from lib.console import Trouble
from lib.generator import Generator
from lib.messages import Message, cart_submitted
from lib.publisher import Publisher
from lib.run_directory import REPOSITORY

QUEUE = "publishing-test"


def message(number: int, exchange: str = "", key: str = QUEUE) -> Message:
    return Message(exchange, key, str(number).encode(), str(number), "test")


class PublisherTest(EnvironmentTest):
    def setUp(self):
        super().setUp()
        self.url = self.environment.servers.urls["AMQP_URL"]
        channel = self.environment.amqp().channel()
        channel.queue_declare(QUEUE, durable=True)
        self.addCleanup(lambda: self.environment.amqp().channel().queue_delete(QUEUE))

    def arrived(self) -> list[int]:
        channel = self.environment.amqp().channel()
        numbers = []
        while True:
            method, _, body = channel.basic_get(QUEUE, auto_ack=True)
            if method is None:
                return numbers
            numbers.append(int(body))

    def test_everything_arrives_in_order(self):
        with Publisher(self.url, window_max=50) as publisher:
            for number in range(3000):
                publisher.publish(message(number))
            publisher.flush()
            self.assertEqual(publisher.confirmed, 3000)
        self.assertEqual(self.arrived(), list(range(3000)))

    def test_what_nobody_takes_is_an_error(self):
        with self.assertRaisesRegex(Trouble, "nobody takes 1"):
            with Publisher(self.url) as publisher:
                publisher.publish(message(1, key="no-such-queue"))

    def test_an_exchange_that_is_not_there_is_an_error(self):
        with self.assertRaisesRegex(Trouble, "no exchange"):
            with Publisher(self.url) as publisher:
                publisher.publish(message(1, exchange="no-such-exchange"))

    def test_the_insistent_publish_what_nobody_takes_until_somebody_does(self):
        channel = self.environment.amqp().channel()
        channel.queue_delete(QUEUE)
        with Publisher(self.url, insistent=True) as publisher:
            for number in range(20):
                publisher.publish(message(number))
            wait_for(lambda: publisher.published_again >= 20, what="the broker to return them")
            self.assertEqual(publisher.confirmed, 0)
            channel.queue_declare(QUEUE, durable=True)
            publisher.flush()
        self.assertEqual(set(self.arrived()), set(range(20)))

    def test_what_was_refused_before_the_connection_was_lost_is_not_forgotten(self):
        arguments = {"x-max-length": 1, "x-overflow": "reject-publish"}
        channel = self.environment.amqp().channel()
        channel.queue_delete(QUEUE)
        channel.queue_declare(QUEUE, durable=True, arguments=arguments)
        with mock.patch("lib.publisher._AGAIN_AFTER_S", 3600), Publisher(self.url) as publisher:
            for number in range(10):
                publisher.publish(message(number))
            wait_for(lambda: publisher.published_again, what="the broker to refuse some")
            channel.queue_delete(QUEUE)
            channel.queue_declare(QUEUE, durable=True)
            self.environment.servers.rabbitmq.control("close_all_connections", "test")
            publisher.flush(timeout_s=20)
        self.assertGreaterEqual(set(self.arrived()), set(range(1, 10)))

    def test_no_broker_is_an_error(self):
        with self.assertRaisesRegex(Trouble, "no connection"):
            with Publisher("amqp://guest:guest@127.0.0.1:1/", patience_s=1) as publisher:
                publisher.publish(message(1))

    def test_a_refused_message_goes_out_again(self):
        channel = self.environment.amqp().channel()
        channel.queue_delete(QUEUE)
        channel.queue_declare(QUEUE, durable=True,
                              arguments={"x-max-length": 10, "x-overflow": "reject-publish"})
        taken: set[int] = set()
        with Publisher(self.url) as publisher:
            for number in range(50):
                publisher.publish(message(number))
            while len(taken) < 50:
                taken.update(self.arrived())
            publisher.flush()
            self.assertGreater(publisher.published_again, 0)
        self.assertEqual(taken, set(range(50)))

    def test_a_broker_that_restarts_loses_nothing(self):
        rabbitmq = self.environment.servers.rabbitmq
        restart = threading.Thread(target=rabbitmq.restart)
        with Publisher(self.url, window_max=100, patience_s=60) as publisher:
            for number in range(20_000):
                if number == 2000:
                    restart.start()
                publisher.publish(message(number))
            publisher.flush()
        restart.join()
        self.assertEqual(set(self.arrived()), set(range(20_000)))


class PublishOrdersTest(EnvironmentTest):
    def publish_orders(self, *arguments: str, text: str | None = None) -> subprocess.CompletedProcess:
        return subprocess.run([REPOSITORY / "scripts/publish-orders", *arguments], text=True, input=text,
                              timeout=120, capture_output=True, check=False,
                              env=self.environment.servers.urls)

    def test_made_up_carts_and_their_outcomes(self):
        self.fleet.start_all({"reserver": 1, "splitter": 1, "router": 1})
        result = self.publish_orders("--generate", "200", "--with-world", "--wait")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("200 carts published and confirmed", result.stdout)
        outcomes = [line.split() for line in result.stdout.splitlines() if line.startswith("made-up-1-")]
        self.assertGreaterEqual(len(outcomes), 200)
        ready = {outcome[0] for outcome in outcomes if outcome[1] == "ready"}
        stored = {order_id for order_id,
                  in self.environment.rows("SELECT order_id FROM orders WHERE state = 'ready'")}
        self.assertEqual(ready, stored)
        self.assertGreater(len(ready), 100)

    def test_a_file(self):
        cart = next(Generator(1, 10).carts(1, "filed"))
        result = self.publish_orders("-", text=json.dumps(cart) + "\n\n")
        self.assertEqual(result.returncode, 0, result.stderr)
        method, properties, body = self.environment.amqp().channel().basic_get("reserver.carts",
                                                                               auto_ack=True)
        self.assertIsNotNone(method)
        self.assertEqual(json.loads(body)["data"], cart)
        self.assertEqual(json.loads(body)["id"], properties.message_id)
        self.assertEqual(properties.delivery_mode, 2)
        self.assertEqual(properties.content_type, cart_submitted(cart).content_type)

    def test_what_is_no_cart_names_its_line(self):
        result = self.publish_orders("-", text='{"order_id": "a"}\n[1]\n')
        self.assertEqual(result.returncode, 1)
        self.assertIn("line 2: not a cart", result.stderr)
