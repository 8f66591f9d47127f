"""Workers die at exact points: all promises hold all the same.

The points: a COMMIT that PostgreSQL has not got; one whose answer has not come; a message that the broker has
not got; one whose confirm has not come; an acknowledgement that the broker has not got. A gate holds just
that frame. With one replica of every worker and with three; what is held arrives late, from a dead sender, or
never.
"""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import json
import tempfile
import unittest
from pathlib import Path

from environment import wait_for
from lib.reset import postgres_connection
from market import MarketTest
from points import ACK, COMMIT, COMMITTED, CONFIRM, PUBLISH, Frame, PointGate, Stop, worker_of

SELLERS = ("s1", "s2", "s3")
SKUS = 12
HELD = 24  # carts that wait for the last three SKUs; a trade fills three
# Far below what is shipped, in its proportions; the heartbeat is a second.
LIMITS_MS = {"lock_timeout": 1_000, "idle_in_transaction_session_timeout": 1_500, "statement_timeout": 3_000}


@dataclasses.dataclass(frozen=True)
class Lane:
    """How the frames of one lane are told from others."""

    name: str
    worker: str
    session: str                     # its connection to PostgreSQL
    writes: str                      # a statement that its transactions have
    takes: str                       # the routing key of what it acknowledges
    tells: str                       # the routing key of what it publishes
    about: tuple[str, ...] = ()      # texts, one of which is in what it publishes

    def where(self, point: str):
        if point in (COMMIT, COMMITTED):
            return lambda frame: frame.who == self.session and self.writes in frame.statements
        if point in (PUBLISH, CONFIRM):
            return lambda frame: frame.who == f"{self.worker}-publisher" and self._told(frame)
        return lambda frame: frame.who == self.worker and frame.carries(self.takes)

    def _told(self, frame: Frame) -> bool:
        if self.tells:
            return frame.carries(self.tells, *self.about)
        return any(message.exchange == "sellers" for message in frame.messages)


CARTS = Lane("carts", "reserver", "reserver-carts", "take_units", "cart.submitted", "order.ready",
             ('"cart-',))
MOVEMENTS = Lane("movements", "reserver", "reserver-movements", "set_positions", "stock.moved", "stock.fill")
FILL = Lane("fill", "reserver", "reserver-fill", "decide_orders", "stock.fill", "order.ready", ('"held-',))
SPLITTER = Lane("splitter", "splitter", "splitter-orders", "split_take_numbers", "order.ready",
                "seller.message")
ROUTER = Lane("router", "router", "router-messages", "router_claim_streams", "seller.message", "")
LANES = (CARTS, MOVEMENTS, FILL, SPLITTER, ROUTER)
POINTS = (COMMIT, COMMITTED, PUBLISH, CONFIRM, ACK)
# With one replica a worker's lanes are in one process: it is lost once for each of them.
ROUNDS = {1: ((CARTS, SPLITTER, ROUTER), (MOVEMENTS,), (FILL,)), 3: (LANES,)}


class PointsTest(MarketTest):
    workers: dict[str, int] = {}

    def setUp(self) -> None:
        super().setUp()
        urls = self.environment.servers.urls
        self.gates = {name: PointGate(urls[name]) for name in ("AMQP_URL", "POSTGRES_URL")}
        self.fleet.environment.update({name: gate.url for name, gate in self.gates.items()})
        self.addCleanup(self.fleet.environment.clear)
        for gate in self.gates.values():
            self.addCleanup(gate.close)
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        config = Path(folder.name) / "cartwright.yaml"
        config.write_text(json.dumps({"broker": {"heartbeat_s": 1, "reconnect_delay_max_ms": 200},
                                      "router": {"sweep_interval_ms": 500, "confirm_timeout_ms": 1000,
                                                 "retry_delay_min_ms": 50, "retry_delay_max_ms": 200}}))
        self.addCleanup(setattr, self.fleet, "config", self.fleet.config)
        self.fleet.config = config
        self._rounds = 0

    # The load

    def begin(self) -> None:
        """Stock, and carts that wait for some of which there is none."""
        self._rounds += 1
        self.market.offers([(SELLERS[number % 3], self.sku(number)) for number in range(SKUS)])
        for number in range(SKUS - 3):
            self.move("receipt", SELLERS[number % 3], self.sku(number), 40, answered=False)
        self.held = [self.cart(f"held-{self._rounds}-{number}", [("1", self.sku(SKUS - 1 - number % 3), 1)],
                               policy="hold") for number in range(HELD)]
        for one in self.held:
            self.assertEqual("pending", self.outcome(one))

    def trade(self, part: str) -> None:
        """Carts, some of them twice, cancellations, and receipts that the held carts wait for."""
        for number in range(9):
            order_id = f"cart-{self._rounds}-{part}-{number}"
            lines = [(str(line), self.sku((number + line) % (SKUS - 3)), 1 + line)
                     for line in range(1 + number % 3)]
            data = self.cart_data(order_id, lines, policy=("all_or_nothing", "partial", "hold")[number % 3])
            for copy in range(1 + (number % 3 == 0)):
                self.send_cart(data, f"{order_id}/{copy}", answered=False)
            if number % 5 == 0:
                self.cancel(order_id, answered=False)
            if number % 3 == 0:
                place = SKUS - 1 - number // 3 % 3
                self.move("receipt", SELLERS[place % 3], self.sku(place), 1, answered=False)
        self.market.flush()

    def sku(self, number: int) -> str:
        return f"k{self._rounds}-{number}"

    # What is done at a point

    def shorten_limits(self) -> None:
        """For sessions from now on; workers look at them when they start, and the last ones are put back."""
        rows = self.environment.rows("SELECT unnest(setconfig) FROM pg_db_role_setting JOIN pg_roles r "
                                     "ON r.oid = setrole WHERE rolname = 'cartwright_reserver'")
        before = dict(setting.split("=", 1) for setting, in rows)
        for name, time_ms in LIMITS_MS.items():
            self.set_limit(name, f"{time_ms}ms")
            self.addCleanup(self.set_limit, name, before[name])
        self.environment.rows("SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                              "WHERE usename ~ '^cartwright_'")

    def set_limit(self, name: str, value: str) -> None:
        with contextlib.closing(postgres_connection(self.environment.servers)) as connection:
            for program in ("reserver", "splitter", "router"):
                connection.cursor().execute(f"ALTER ROLE cartwright_{program} IN DATABASE cartwright "
                                            f"SET {name} = '{value}'")

    def stop_at(self, lanes: tuple[Lane, ...], point: str) -> list[Stop]:
        gate = self.gates["POSTGRES_URL" if point in (COMMIT, COMMITTED) else "AMQP_URL"]
        return [gate.stop_at(point, where=lane.where(point)) for lane in lanes]

    def crash(self, lanes: tuple[Lane, ...], point: str, late: bool) -> None:
        """Each of these lanes loses its process at the point; a new one is started."""
        stops = self.stop_at(lanes, point)
        self.trade("a")
        for stop in stops:
            stop.wait()
            worker = worker_of(stop, self.fleet)
            if worker is not None:  # else it died with another lane of its process
                worker.kill()
            if late:
                stop.release()
            else:
                stop.drop()
            if worker is not None:
                worker.start()
        self.trade("b")


class CrashTest(PointsTest):
    def run_with(self, replicas: int) -> None:
        self.fleet.start_all({name: replicas for name in ("reserver", "splitter", "router")})
        for point, late, lanes in itertools.product(POINTS, (False, True), ROUNDS[replicas]):
            with self.subTest(point=point, lanes=[lane.name for lane in lanes], late=late):
                self.begin()
                self.crash(lanes, point, late)
                self.assert_promises(drain=False)
        self.assert_promises()

    def test_the_only_replica_crashes(self):
        self.run_with(1)

    def test_one_of_three_crashes(self):
        self.run_with(3)


class LateCommitTest(PointsTest):
    def test_a_doorbell_finds_what_its_dead_worker_fills_only_now(self):
        """The other one has looked for what the dead one filled before the dead one's COMMIT arrives."""
        self.fleet.start_all({"reserver": 2, "splitter": 1, "router": 1})
        self.begin()
        stop, = self.stop_at((FILL,), COMMIT)
        self.move("receipt", SELLERS[(SKUS - 1) % 3], self.sku(SKUS - 1), 2, answered=False)
        stop.wait()
        worker_of(stop, self.fleet).kill()
        wait_for(lambda: self.market.one("SELECT count(*) FROM pg_stat_activity WHERE application_name = "
                                         "'reserver-fill' AND wait_event_type = 'Lock'"),
                 what="the other reserver to wait for the held carts")
        stop.release()
        self.assert_promises()


if __name__ == "__main__":
    unittest.main()
