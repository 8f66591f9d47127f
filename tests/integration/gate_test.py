"""Connections to the servers are cut, refused, stalled, swallowed, slowed, truncated, half-closed under load.

Afterwards every promise holds and no good message is parked; while a server is silent, readiness says which one,
and when it answers again, that all is well.
"""

from __future__ import annotations

import json
import time
import unittest

from environment import wait_for
from gate import TO_CLIENT, TO_SERVER, Gate
from points import COMMIT, COMMITTED, CONFIRM, DELIVER, PUBLISH
from points_test import PointsTest

CONFIG = {
    "broker": {"heartbeat_s": 1, "stall_timeout_ms": 2_000, "connect_timeout_ms": 1_000,
               "reconnect_delay_max_ms": 200, "publish_retry_delay_max_ms": 200},
    "postgres": {"stall_timeout_ms": 3_000},
    "catalogue": {"age_max_ms": 0},  # every cart asks MariaDB
    "router": {"sweep_interval_ms": 500, "confirm_timeout_ms": 1_000, "retry_delay_min_ms": 50,
               "retry_delay_max_ms": 200},
}


class GateTest(PointsTest):
    """One replica of each worker, so that it is known who has to notice."""

    def setUp(self) -> None:
        super().setUp()
        self.gates["MARIADB_URL"] = Gate(self.environment.servers.urls["MARIADB_URL"])
        self.addCleanup(self.gates["MARIADB_URL"].close)
        self.fleet.environment["MARIADB_URL"] = self.gates["MARIADB_URL"].url
        self.fleet.config.write_text(json.dumps(CONFIG))
        self.fleet.start_all({"reserver": 1, "splitter": 1, "router": 1})
        self.reserver, = self.fleet.named("reserver")

    # What happens to a gate while load flows

    def cut(self, gate: Gate) -> None:
        for part in range(5):
            self.trade(f"cut{part}")
            gate.cut()

    def refuse(self, gate: Gate) -> None:
        gate.refuse()
        gate.cut()
        self.trade("refused")
        self.wait_unready()
        gate.go_on()

    def stall(self, gate: Gate) -> None:
        gate.stall()
        self.trade("stalled")
        self.wait_unready()
        gate.go_on()

    def stall_answers(self, gate: Gate) -> None:
        gate.stall(TO_CLIENT)
        self.trade("unanswered")
        self.wait_unready()
        gate.go_on()

    def black_hole(self, gate: Gate) -> None:
        gate.black_hole()
        self.trade("swallowed")
        self.wait_unready()
        gate.go_on()

    def slow(self, gate: Gate) -> None:
        gate.slow(20_000)
        end = time.monotonic() + 3
        for part in range(5):
            self.trade(f"slow{part}")
        wait_for(lambda: time.monotonic() > end)  # the fault has to last
        gate.go_on()

    def truncate(self, gate: Gate) -> None:
        for direction in (TO_CLIENT, TO_SERVER):
            for after_bytes in (3, 70, 700):
                gate.truncate(after_bytes, direction, times=2)
                self.trade(f"{direction}{after_bytes}")
                wait_for(lambda: self.trade_until(lambda: not gate.truncations_left(direction)))
        gate.go_on()

    def half_close(self, gate: Gate) -> None:
        for direction in (TO_CLIENT, TO_SERVER):
            self.trade(direction)
            gate.half_close(direction)
            self.wait_all_ready()

    def cut_inside(self, gate: Gate) -> None:
        points = (COMMIT, COMMITTED) if gate is self.gates["POSTGRES_URL"] else (PUBLISH, CONFIRM, DELIVER)
        for point in points:
            for nth in (1, 4):
                stop = gate.stop_at(point, nth)
                self.trade(f"{point}{nth}")
                stop.wait()
                stop.cut_inside()

    # How it is seen

    def trade_until(self, condition) -> bool:
        """A little more, so that bytes flow."""
        if not condition():
            self.parts += 1
            self.trade(f"more{self.parts}")
        return condition()

    def wait_unready(self) -> None:
        """Fails for PostgreSQL where a session waits for a silent server without a limit of its own."""
        wait_for(lambda: self.reserver.health()[0] == 503 and self.named in self.reserver.health()[1],
                 what=f"the reserver to say what {self.named} does: {self.reserver.health()}")

    def wait_all_ready(self) -> None:
        for worker in self.fleet.running():
            wait_for(worker.ready, what=f"{worker.label} to be ready: {worker.health()}")

    def run_faults(self, url: str, named: str, *faults) -> None:
        self.named, self.parts = named, 0
        for fault in faults:
            with self.subTest(fault=fault.__name__):
                self.begin()
                fault(self.gates[url])
                self.wait_all_ready()
                self.trade("after")
                self.assert_promises(timeout_s=60, drain=False)
                self.assertEqual([], self.market.evidence.parked)
        self.assert_promises()

    def test_rabbitmq(self):
        self.run_faults("AMQP_URL", "broker", self.cut, self.refuse, self.stall, self.stall_answers,
                        self.black_hole, self.slow, self.truncate, self.half_close, self.cut_inside)

    def test_postgres(self):
        self.run_faults("POSTGRES_URL", "PostgreSQL", self.cut, self.refuse, self.stall, self.stall_answers,
                        self.black_hole, self.slow, self.truncate, self.half_close, self.cut_inside)

    def test_mariadb(self):
        self.run_faults("MARIADB_URL", "catalogue", self.cut, self.refuse, self.stall, self.black_hole,
                        self.slow, self.truncate, self.half_close)


if __name__ == "__main__":
    unittest.main()
