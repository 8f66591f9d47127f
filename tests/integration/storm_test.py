"""A storm of faults over a fleet at work: afterwards every promise holds, everything is delivered, nobody is stuck.

CARTWRIGHT_STORM_SEED=7 throws the faults of seed 7 again, CARTWRIGHT_STORM_SECONDS=600 for so long. Run by itself
(`PYTHONPATH=tests/support /usr/bin/python3 tests/integration/storm_test.py`) it takes three minutes, as one of all
tests half a minute.
"""

import os
import random
import re
import time
import unittest
from pathlib import Path

from environment import EnvironmentTest, wait_for
from lib.fleet import CONFIG, with_rules
from storm import Storm
from storm_broker import BrokerFaults
from storm_endpoints import EndpointFaults
from storm_faults import CatalogueFaults, PostgresFaults, WorkerFaults
from storm_market import StormMarket
from storm_network import NetworkFaults

CARTS_PER_S = 40
SETTLED_WITHIN_S = 120
ASKED_AGAIN_AFTER_S = 3
RESIDENT_BYTES_MAX = 300 << 20
SECONDS = 25 if os.environ.get("CARTWRIGHT_RUN_DIR") else 180


class StormTest(EnvironmentTest):
    def setUp(self):
        super().setUp()
        seed = int(os.environ.get("CARTWRIGHT_STORM_SEED") or random.randrange(1_000_000))
        self.storm = Storm(seed, float(os.environ.get("CARTWRIGHT_STORM_SECONDS") or SECONDS))
        self.postgres = PostgresFaults(self.storm, self.environment)
        self.catalogue = CatalogueFaults(self.storm, self.environment)
        self.network = NetworkFaults(self.storm, self.environment.servers)
        self.addCleanup(self.network.close)
        self.postgres.install()
        self.addCleanup(self.postgres.remove)
        self.market = StormMarket(self.environment, seed, CARTS_PER_S, self.storm.seconds)
        self.addCleanup(self.market.close)
        self.endpoints = EndpointFaults(self.storm, self.environment.servers.run, self.market.busy_sellers[:3])
        self.addCleanup(self.endpoints.close)
        self.market.read_more = self.endpoints.read
        config = self._configure()
        self.workers = self._start_workers(config, random.Random(f"{seed}/fleet"))
        self.people = WorkerFaults(self.storm, self.workers)
        self.broker = BrokerFaults(self.storm, self.environment, self.workers, config)
        self.addCleanup(self.environment.servers.ensure_running)
        self.addCleanup(self.fleet.kill)

    def _configure(self) -> Path:
        """Memory of the catalogue ages fast, so that MariaDB is missed when it is away; nobody waits for minutes."""
        run = self.environment.servers.run.path
        rules, config = run / "storm-rules", run / "storm.yaml"
        rules.mkdir(exist_ok=True)
        self.endpoints.write_rules(rules)
        shipped = re.sub(r"ladder_ms: .*", "ladder_ms: [1000, 3000, 10000]", with_rules(rules))
        config.write_text(shipped + "  endpoints: {lease_ms: 10000, retry_delay_max_ms: 3000}\n"
                          "catalogue: {age_max_ms: 500}\n")
        self.environment.cartwright("topology", "--config", str(config), "apply")
        self.addCleanup(self.environment.cartwright, "topology", "--config", str(CONFIG), "apply", "--prune")
        return config

    def _start_workers(self, config: Path, chance: random.Random) -> list:
        workers = [self.fleet.add(name, environment=self.network.environment, config=config)
                   for name in ("reserver", "splitter", "router") for _ in range(chance.choice((2, 3)))]
        for worker in workers:
            worker.launch()
        for worker in workers:
            worker.wait_ready()
        return workers

    def test_everything_at_once(self):
        try:
            self._blow()
        except BaseException:
            print(f"{self.storm.story()}\n{self.market.summary()}", flush=True)
            raise
        finally:
            (self.environment.servers.run.log / "storm.log").write_text(self.storm.story())
        print(f"storm of seed {self.storm.seed}, {self.storm.last}: {self.market.summary()}, workers of at most "
              f"{self.people.resident_bytes_max >> 20} MiB", flush=True)

    def _blow(self) -> None:
        self.market.begin()
        self.storm.run([self.broker, self.postgres, self.catalogue, self.network, self.endpoints,
                        self.people])
        self.broker.restore()
        self.market.end()
        self.storm.log("no more carts")
        self.assertIsNone(self.market.trouble)
        self.assertFalse(self.storm.troubles, "\n".join(self.storm.troubles))
        self._settle()
        self.assertEqual([], self.people.ended_by_themselves, "workers that ended though nobody killed them")
        self.assertLess(self.people.resident_bytes_max, RESIDENT_BYTES_MAX)
        self.assert_drained(self.market)

    def _settle(self) -> None:
        """Every worker is ready, every promise holds; answers that were lost are asked for again."""
        problems: list[str] = []
        asked_at = time.monotonic()

        def settled() -> bool:
            nonlocal asked_at
            self.people.look_after()
            if time.monotonic() > asked_at + ASKED_AGAIN_AFTER_S:
                asked = 0 if self.market.left_inside() else self.market.ask_again()
                self.storm.log(f"{len(problems)} problems, {asked} answers asked for again: {problems[:2]}")
                asked_at = time.monotonic()
            problems[:] = [f"{worker.label}: {worker.health()[1]}" for worker in self.workers if not worker.ready()]
            problems.extend(self.market.violations())
            return not problems

        began = time.monotonic()
        try:
            wait_for(settled, SETTLED_WITHIN_S)
        except AssertionError:
            self.fail(f"not settled, {len(problems)} problems:\n" + "\n".join(problems[:30]))
        self.storm.log(f"settled after {time.monotonic() - began:.1f} s")


if __name__ == "__main__":
    unittest.main()
