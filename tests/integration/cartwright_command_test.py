"""The operator's command: schema, topology and parked messages, against real servers."""

import concurrent.futures
import json
import shutil
import tempfile
import unittest
from pathlib import Path

import pika

from environment import EnvironmentTest, wait_for
from lib.console import Trouble

MIGRATIONS = Path(__file__).resolve().parents[2] / "deploy" / "migrations"


class Migrate(EnvironmentTest):
    def test_twice_and_several_at_once(self):
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            said = list(pool.map(lambda _: self.environment.cartwright("migrate"), range(4)))
        for one in said:
            self.assertIn("0 to be applied", one)
        count = len(list((MIGRATIONS / "postgres").glob("*.sql")))
        self.assertEqual([(count,)], self.environment.rows("SELECT count(*) FROM schema_version"))

    def test_a_file_that_was_changed_after_it_was_applied_is_refused(self):
        with tempfile.TemporaryDirectory() as folder:
            shutil.copytree(MIGRATIONS, f"{folder}/m")
            with open(f"{folder}/m/postgres/001_main_job.sql", "a", encoding="utf-8") as file:
                file.write("-- changed\n")
            with self.assertRaisesRegex(Trouble, "was changed after it was applied"):
                self.environment.cartwright("migrate", "--migrations", f"{folder}/m")

    def test_a_gap_in_the_numbers_is_refused(self):
        with tempfile.TemporaryDirectory() as folder:
            shutil.copytree(MIGRATIONS, f"{folder}/m")
            Path(f"{folder}/m/mariadb/003_later.sql").write_text("select 1;\n", encoding="utf-8")
            with self.assertRaisesRegex(Trouble, "migration 2 is missing"):
                self.environment.cartwright("migrate", "--migrations", f"{folder}/m")


class Topology(EnvironmentTest):
    def management(self, method: str, path: str, body=None):
        return self.environment.servers.rabbitmq.management(method, path, body)

    def tearDown(self):
        self.environment.cartwright("topology", "apply")

    def test_check_sees_every_kind_of_difference_and_apply_mends_it(self):
        self.assertIn("is as it should be", self.environment.cartwright("topology", "check"))
        self.management("DELETE", "/api/policies/%2F/reserver.carts")
        self.management("DELETE", "/api/queues/%2F/splitter.retry.5s")
        self.management("DELETE", "/api/exchanges/%2F/events")
        self.management("POST", "/api/bindings/%2F/e/carts/q/splitter.orders", {"routing_key": "cart.submitted"})
        policy, = [one for one in self.management("GET", "/api/policies/%2F") if one["name"] == "router.retry"]
        self.management("PUT", "/api/policies/%2F/router.retry", {**policy, "pattern": "^router"})
        with self.assertRaises(Trouble) as caught:
            self.environment.cartwright("topology", "check")
        for what in ("the policy of queue reserver.carts is missing", "queue splitter.retry.5s is missing",
                     "exchange events is missing", "the policy of queue router.retry has other limits",
                     "queue splitter.orders is bound to carts"):
            self.assertIn(what, str(caught.exception))
        self.environment.cartwright("topology", "apply")
        self.assertIn("is as it should be", self.environment.cartwright("topology", "check"))

    def test_another_version_is_another_marker_and_workers_refuse_it(self):
        with tempfile.TemporaryDirectory() as folder:
            other = Path(folder) / "other.yaml"
            other.write_text("topology: {sellers_queues: 9}\n", encoding="utf-8")
            self.environment.cartwright("topology", "--config", str(other), "apply")
            markers = [one["name"] for one in self.management("GET", "/api/exchanges/%2F")
                       if one["name"].startswith("topology.")]
            self.assertEqual(1, len(markers))
            with self.assertRaisesRegex(Trouble, "run `cartwright topology apply`"):
                self.fleet.start("splitter")
        self.environment.cartwright("topology", "apply", "--prune")


class ParkedMessages(EnvironmentTest):
    def park(self, message_id: str, body: bytes) -> None:
        channel = self.environment.amqp().channel()
        channel.confirm_delivery()
        channel.basic_publish("parking", "reserver", body, pika.BasicProperties(
            delivery_mode=2, message_id=message_id, type="t", content_type="application/cloudevents+json",
            headers={"x-parked-reason": "malformed", "x-parked-detail": "d", "x-parked-worker": "reserver",
                     "x-parked-queue": "reserver.carts", "tenant": "a"}))

    def test_looking_costs_nothing(self):
        self.park("m-1", b"not JSON \x01\xff")
        for _ in range(12):
            listed = json.loads(self.environment.cartwright("parked", "list", "--json"))
            self.assertEqual(["m-1"], [one["id"] for one in listed])
        shown = self.environment.cartwright("parked", "show", "m-1")
        self.assertIn("\\x01\\xff", shown)
        self.assertIn("x-parked-reason malformed", " ".join(shown.split()))
        wait_for(lambda: self.environment.depth("parking") == 1, what="it is still parked")

    def test_what_was_looked_at_is_there_for_whoever_looks_next(self):
        parking = self.parking_with(300)
        for _ in range(20):
            self.environment.cartwright("parked", "list", "--limit", "1000")
            self.assertEqual(300, parking())
            self.environment.cartwright("parked", "show", "m-299")
            self.assertEqual(300, parking())

    def parking_with(self, count: int):
        """Parks so many; how many are there now, asked of a connection that is open already."""
        for number in range(count):
            self.park(f"m-{number}", b"{}")
        channel = self.environment.amqp().channel()
        return lambda: channel.queue_declare("parking", passive=True).method.message_count

    def test_a_replay_goes_to_its_worker_without_the_marks_of_parking(self):
        self.park("m-2", b"{}")
        with tempfile.NamedTemporaryFile() as corrected:
            corrected.write(b'{"corrected": true}')
            corrected.flush()
            self.environment.cartwright("parked", "replay", "m-2", "--body", corrected.name)
        wait_for(lambda: self.environment.depth("reserver.retry") == 1, what="it is at its worker's")
        channel = self.environment.amqp().channel()
        _, properties, body = channel.basic_get("reserver.retry", auto_ack=True)
        self.assertEqual(b'{"corrected": true}', body)
        self.assertEqual("m-2", properties.message_id)
        self.assertEqual("a", properties.headers["tenant"])
        self.assertFalse([name for name in properties.headers if name.startswith("x-parked")])
        self.assertEqual(0, self.environment.depth("parking"))

    def test_a_replay_leaves_the_others_for_whoever_looks_next(self):
        parking = self.parking_with(100)
        for left, number in enumerate(range(99, -1, -10)):
            self.environment.cartwright("parked", "replay", f"m-{number}")
            self.assertEqual(99 - left, parking())
        self.environment.cartwright("parked", "replay", "--all")
        self.assertEqual(0, parking())

    def test_an_unknown_id_says_what_to_do(self):
        with self.assertRaisesRegex(Trouble, "cartwright parked list"):
            self.environment.cartwright("parked", "show", "nobody")


if __name__ == "__main__":
    unittest.main()
