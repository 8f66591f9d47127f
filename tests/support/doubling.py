"""Has every message of the fleet's queues delivered twice, and in another order, while the fleet works.

    with Doubling(environment, seed=1) as doubling:
        …
        doubling.doubled["splitter.orders"]      # how many messages so far

A shadow takes the place of each queue at its exchange; a consumer takes what comes there a handful at a time and
puts it into the queue twice, shuffled.
"""

from __future__ import annotations

import collections
import random
import threading

from environment import Environment
from lib.reset import amqp_connection

# What a worker may hold of each queue at once: its prefetch.
HOPS = {"reserver.carts": ("carts", ("#",), 600), "reserver.movements": ("movements", ("#",), 600),
        "reserver.fill": ("stock", ("stock.fill",), 32), "reserver.retry": ("retry", ("reserver.retry",), 32),
        "splitter.orders": ("orders", ("order.ready", "order.cancelled"), 32),
        "splitter.retry": ("retry", ("splitter.retry",), 32),
        "router.seller-messages": ("seller-messages", ("#",), 32), "router.retry": ("retry", ("router.retry",), 32)}
_GATHERS_S = 0.1


class Doubling:
    """`with` binds the shadows and at the end the queues again; the topology is then as it was."""

    def __init__(self, environment: Environment, seed: int):
        self._environment = environment
        self._seed = seed
        self._stop = threading.Event()
        self.doubled: collections.Counter = collections.Counter()
        self.troubles: list[Exception] = []
        self._threads = [threading.Thread(target=self._watch, args=(queue,), name=f"doubling {queue}")
                         for queue in HOPS]

    def __enter__(self) -> Doubling:
        channel = self._environment.amqp().channel()
        for queue, (exchange, keys, _) in HOPS.items():
            channel.queue_declare(shadow(queue), durable=True, arguments={"x-queue-type": "quorum"})
            for key in keys:
                channel.queue_bind(shadow(queue), exchange, key)
                channel.queue_unbind(queue, exchange, key)
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()
        channel = self._environment.amqp().channel()
        for queue, (exchange, keys, _) in HOPS.items():
            for key in keys:
                channel.queue_bind(queue, exchange, key)
            channel.queue_delete(shadow(queue))

    def left(self) -> dict[str, int]:
        """Messages that still wait to be doubled."""
        channel = self._environment.amqp().channel()
        depths = {queue: channel.queue_declare(shadow(queue), passive=True).method.message_count for queue in HOPS}
        return {queue: depth for queue, depth in depths.items() if depth}

    def _watch(self, queue: str) -> None:
        try:
            self._double(queue, random.Random(f"{self._seed}/{queue}"), HOPS[queue][2])
        except Exception as error:  # pylint: disable=broad-except
            self.troubles.append(error)

    def _double(self, queue: str, chance: random.Random, window: int) -> None:
        connection = amqp_connection(self._environment.servers)
        channel = connection.channel()
        channel.basic_qos(prefetch_count=window)
        taken: list = []
        for method, properties, body in channel.consume(shadow(queue), inactivity_timeout=_GATHERS_S):
            if method is not None:
                taken.append((method, properties, body))
            if taken and (method is None or len(taken) >= window // 2):
                copies = taken * 2
                chance.shuffle(copies)
                for _, properties, body in copies:
                    channel.basic_publish("", queue, body, properties)
                channel.basic_ack(taken[-1][0].delivery_tag, multiple=True)
                self.doubled[queue] += len(taken)
                taken = []
            if self._stop.is_set() and method is None:
                break
        connection.close()


def shadow(queue: str) -> str:
    return f"shadow.{queue}"
