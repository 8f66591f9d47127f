"""Waits until a run has settled: everything answered, every queue empty, every numbered message arrived."""

from __future__ import annotations

import time
from typing import Callable

import pika
import psycopg2

from ..listener import ListenerProcess
from ..servers import Servers
from .endpoints import Endpoints
from .stage import Stage

# Without a change for so long it is given up: while messages wait in queues (a rung of the retry ladder holds them
# for up to two minutes), and when there are none that could still change anything.
_STUCK_IN_QUEUES_AFTER_S = 150
_STUCK_AFTER_S = 20
_STABLE_S = 1.0
_POLL_S = 0.1


class Settling:
    """Looks at queues, databases and listeners; `wait` until all agree that nothing is under way."""

    def __init__(self, servers: Servers, stage: Stage, sellers: ListenerProcess, answers: ListenerProcess,
                 endpoints: Endpoints):
        self._stage, self._sellers, self._answers, self._endpoints = stage, sellers, answers, endpoints
        listed = servers.rabbitmq.management("GET", "/api/queues?columns=name,exclusive")
        self.queues = sorted(queue["name"] for queue in listed
                             if not queue.get("exclusive") and not queue["name"].startswith("demo.")
                             and queue["name"] != "parking")
        parameters = pika.URLParameters(servers.urls["AMQP_URL"])
        parameters.heartbeat = 0  # it is not served while carts are published
        self._connection = pika.BlockingConnection(parameters)
        self._channel = self._connection.channel()
        self._database = psycopg2.connect(servers.urls["POSTGRES_ADMIN_URL"])
        self._database.autocommit = True

    def wait(self, show: Callable[[str], None]) -> str:
        """Returns "" when settled, else what is still missing when nothing changes any more."""
        changed_at, before = time.monotonic(), None
        settled_since = None
        while True:
            self._stage.hear()
            self._endpoints.tend()
            missing = self._missing()
            now = time.monotonic()
            if not missing:
                settled_since = settled_since or now
                if now - settled_since >= _STABLE_S:
                    return ""
            else:
                settled_since = None
            if missing != before:
                changed_at, before = now, missing
            if now - changed_at > (_STUCK_IN_QUEUES_AFTER_S if "in queues" in missing else _STUCK_AFTER_S):
                return missing
            if dead := self._dead():
                return dead
            show(missing or "settled")
            time.sleep(_POLL_S)

    def messages_left(self) -> dict[str, int]:
        """Messages by queue, parking not among them. Exact only for what no consumer holds."""
        left = {name: self._depth(name) for name in self.queues}
        return {name: depth for name, depth in left.items() if depth}

    def take_parked(self) -> list[tuple]:
        """(properties, body) of everything in parking, which stays there."""
        channel = self._connection.channel()
        found = []
        while True:
            method, properties, body = channel.basic_get("parking")
            if method is None:
                break
            found.append((properties, body))
        channel.close()
        return found

    def close(self) -> None:
        self._connection.close()
        self._database.close()

    def answered(self) -> tuple[int, int]:
        """Publications that were answered, and those that asked."""
        asked = self._stage.asked + self._sellers.status.get("sent", 0)
        answered = (self._answers.status.get("answered", 0) + self._stage.answered_scenes()
                    + self._sellers.status.get("answered", 0))
        return answered, asked

    def _missing(self) -> str:
        answered, asked = self.answered()
        left = self.messages_left()
        assigned, unconfirmed = self._numbered()
        arrived = self._sellers.status.get("arrived", 0) + self._endpoints.arrived()
        parts = []
        if answered < asked:
            parts.append(f"{asked - answered:,} answers to come")
        if left:
            name, depth = max(left.items(), key=lambda entry: entry[1])
            parts.append(f"{sum(left.values()):,} messages in queues, {depth:,} of them in {name}")
        if arrived < assigned:
            parts.append(f"{assigned - arrived:,} of {assigned:,} seller messages to arrive")
        elif unconfirmed:  # an endpoint has them, its answer did not come in time: they are sent again
            parts.append(f"{unconfirmed:,} messages not known to have arrived")
        if self._stage.scenes_waiting:
            parts.append(f"{self._stage.scenes_waiting} scenes not at their end")
        return ", ".join(parts)

    def _numbered(self) -> tuple[int, int]:
        """Numbers given to messages, and those of them that no router has recorded as delivered."""
        with self._database.cursor() as cursor:
            cursor.execute(
                "SELECT coalesce(sum(last_assigned), 0)::bigint, "
                "coalesce(sum(last_assigned - coalesce(last_delivered, 0)), 0)::bigint "
                "FROM seller_stream LEFT JOIN seller_delivery USING (seller_id, stream)")
            return cursor.fetchone()

    def _depth(self, name: str) -> int:
        return self._channel.queue_declare(name, passive=True).method.message_count

    def _dead(self) -> str:
        for listener in (self._sellers, self._answers):
            if not listener.alive():
                return f"a listener of the demonstration ended: {listener.log}"
        return ""
