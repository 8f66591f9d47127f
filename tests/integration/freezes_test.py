"""Workers are frozen at exact points for longer than every time limit, and then go on: all promises hold.

While one is frozen, the broker misses its heartbeats and gives its messages to others, and PostgreSQL ends
its transaction; what it was about to say then arrives late, or never. The points are those of crashes.
"""

from __future__ import annotations

import contextlib
import itertools
import unittest

from environment import wait_for
from lib.fleet import Worker
from points import COMMIT, ROWS, Stop, ports_to, worker_of
from points_test import CARTS, POINTS, ROUNDS, SPLITTER, Lane, PointsTest

NO_HEARTBEAT = ("router-depth",)  # nobody serves it between two calls


class FreezeTest(PointsTest):
    def run_with(self, replicas: int, cases) -> None:
        self.fleet.start_all({name: replicas for name in ("reserver", "splitter", "router")})
        self.shorten_limits()
        for point, lanes, late in cases:
            with self.subTest(point=point, lanes=[lane.name for lane in lanes], late=late):
                self.begin()
                self.freeze(lanes, point, late)
                # A sellers' queue whose confirms a frozen router missed rests for some seconds; a message may
                # wait for it on the ladder for half a minute.
                self.assert_promises(timeout_s=60, drain=False)
        self.assert_promises()

    def freeze(self, lanes: tuple[Lane, ...], point: str, late: bool) -> None:
        """Each of these lanes, the last of a cart's way first, is frozen with its process, until both servers
        have given it up."""
        stops, frozen, ports = [], [], set()
        try:
            for lane in reversed(lanes):
                stop, worker = self.freeze_one(lane, point)
                stops.append(stop)
                frozen.append(worker)
                ports |= ports_to(self.gates["AMQP_URL"], worker.pid)
            self.trade("b")
            wait_for(lambda: self.gates["AMQP_URL"].given_up(ports, but=NO_HEARTBEAT), 60,
                     what="the broker to give them up")
            if point == COMMIT:
                held = {stop.client_port for stop in stops}
                wait_for(lambda: self.gates["POSTGRES_URL"].given_up(held), what="PostgreSQL to end transactions")
        finally:
            for stop in stops:
                if late:
                    stop.release()
                else:
                    stop.drop()
            for worker in frozen:
                worker.thaw()
        self.trade("c")

    def freeze_one(self, lane: Lane, point: str) -> tuple[Stop, Worker]:
        """A process of the lane, at the point. Where the machine is slow, a time limit may end its connection before it
        is frozen: then the next one is."""
        for number in range(5):
            stop, = self.stop_at((lane,), point)
            self.trade(f"{lane.name}{number}")
            with self.explained(lane):
                stop.wait()
            if worker := worker_of(stop, self.fleet):
                worker.freeze()
                return stop, worker
            stop.drop()
        raise AssertionError(f"no process of {lane.name} stayed long enough to be frozen")

    @contextlib.contextmanager
    def explained(self, lane: Lane):
        try:
            yield
        except AssertionError as error:
            held = self.environment.rows("SELECT seller_id, stream, held_for, trouble FROM seller_delivery "
                                         "WHERE next_attempt_at IS NOT NULL")
            orders = self.environment.rows("SELECT state, count(*) FROM orders GROUP BY state")
            sessions = self.environment.rows(
                "SELECT application_name, client_port, state, wait_event, clock_timestamp() - state_change, "
                "left(query, 60) FROM pg_stat_activity WHERE usename ~ '^cartwright_' ORDER BY 1, 2")
            workers = {worker.label: worker.process.pid for worker in self.fleet.running()}
            raise AssertionError("\n".join([
                f"{lane.name}: {error}", f"queued: {self.queued()}", f"held: {held}", f"orders: {orders}",
                f"workers: {workers}", *map(str, sessions)])) from None

    def queued(self) -> dict[str, tuple[int, int]]:
        """Messages ready and given out, by queue; not over the market's connection, which may be too old by now."""
        queues = self.environment.servers.rabbitmq.management("GET", "/api/queues")
        return {queue["name"]: (queue["messages_ready"], queue["messages_unacknowledged"])
                for queue in queues if queue.get("messages")}

    def test_the_only_replica_freezes(self):
        # What is held comes late or never, in turn: the other half is told apart with three replicas.
        cases = itertools.product(POINTS, ROUNDS[1])
        self.run_with(1, [(point, lanes, place % 2 == 0) for place, (point, lanes) in enumerate(cases)])

    def test_one_of_three_freezes(self):
        self.run_with(3, itertools.product(POINTS, ROUNDS[3], (False, True)))


class AppendingTest(PointsTest):
    def test_who_is_frozen_while_it_appends_rows_frees_what_it_has_locked(self):
        """PostgreSQL itself ends no COPY that waits for its client, whatever the limits are."""
        self.fleet.start_all({"reserver": 2, "splitter": 2, "router": 1})
        self.shorten_limits()
        for lane in (CARTS, SPLITTER):
            with self.subTest(lane.name):
                self.begin()
                stop = self.gates["POSTGRES_URL"].stop_at(
                    ROWS, where=lambda frame, lane=lane: frame.who == lane.session and lane.writes in frame.statements)
                self.trade("a")
                stop.wait()
                worker = worker_of(stop, self.fleet)
                worker.freeze()
                self.addCleanup(worker.thaw)
                self.trade("b")
                wait_for(lambda: self.gates["POSTGRES_URL"].given_up({stop.client_port}), 60,
                         what="the session to be ended by another worker")
                stop.drop()
                worker.thaw()
                self.assert_promises(timeout_s=60, drain=False)


if __name__ == "__main__":
    unittest.main()
