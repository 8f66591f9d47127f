"""Routers die or freeze at the commits around a seller's endpoint: it gets all numbers in order.

A lease is committed before a call and released after it. While a router is dead or frozen its lease runs out
and another one repeats what was tried; who wakes up finds another epoch and commits nothing.
"""

from __future__ import annotations

import itertools
import json
import unittest

from endpoints import EndpointTest
from environment import wait_for
from points import COMMIT, COMMITTED, Stop, worker_of
from points_test import Lane, PointsTest

LEASE, RELEASE = (Lane(name, "router", "router-endpoints", f"router_{name}_streams", "", "")
                  for name in ("lease", "release"))
CASES = tuple(itertools.product((COMMIT, COMMITTED), (LEASE, RELEASE), (False, True)))


class CourierTest(PointsTest, EndpointTest):
    def setUp(self) -> None:
        super().setUp()
        self.rules(s1="api", s2="api")
        endpoints = {"lease_ms": 4_000, "retry_delay_min_ms": 50, "retry_delay_max_ms": 200}
        self.fleet.config.write_text(json.dumps({
            "rules": {"directory": str(self.folder / "rules")}, "broker": {"heartbeat_s": 1},
            "router": {"sweep_interval_ms": 300, "endpoints": endpoints}}))
        self.fleet.start_all({"reserver": 1, "splitter": 1, "router": 2})
        self.begin()
        self.trade("first")  # both streams are known
        self.wait_idle()

    def test_a_router_crashes(self):
        self.run_cases(self.crash)

    def test_a_router_freezes_for_longer_than_its_lease(self):
        self.shorten_limits()
        self.run_cases(self.freeze)

    def run_cases(self, happens) -> None:
        for point, lane, late in CASES:
            with self.subTest(point=point, lane=lane.name, late=late):
                self.begin()
                happens((lane,), point, late)
                self.assert_promises(timeout_s=60, drain=False)
        self.assert_promises()

    def freeze(self, lanes: tuple[Lane, ...], point: str, late: bool) -> None:
        stop, = self.stop_at(lanes, point)
        self.trade("a")
        stop.wait()
        worker = worker_of(stop, self.fleet)
        worker.freeze()
        before = self.epochs()
        self.trade("b")
        # Where the held COMMIT would have leased or released, its row is locked until PostgreSQL gives up.
        if point == COMMIT:
            wait_for(lambda: self.gates["POSTGRES_URL"].given_up({stop.client_port}),
                     what="the transaction to end")
        wait_for(lambda: all(epoch > before[seller] for seller, epoch in self.epochs().items()),
                 what="somebody else to lease the streams")
        self.end(stop, late)
        worker.thaw()

    def end(self, stop: Stop, late: bool) -> None:
        if late:
            stop.release()
        else:
            stop.drop()

    def epochs(self) -> dict[str, int]:
        """How often the streams of endpoints were leased."""
        return dict(self.environment.rows("SELECT seller_id, lease_epoch FROM seller_delivery "
                                          "WHERE seller_id IN ('s1', 's2')"))

    def wait_idle(self) -> None:
        def delivered(seller_id: str) -> bool:
            last_delivered, last_assigned = self.delivered(seller_id)
            return last_delivered == last_assigned > 0
        wait_for(lambda: delivered("s1") and delivered("s2"), what="both streams to be delivered")


if __name__ == "__main__":
    unittest.main()
