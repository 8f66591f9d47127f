"""Destinations of every kind, on the whole fleet: endpoints that do what endpoints do, rules that change, commands."""

import base64
import random
import subprocess
import unittest

from endpoints import CALL_TIMEOUT_S, SECRET, EndpointTest
from environment import wait_for
from lib.console import Trouble
from lib.receiver import ReceiverProcess

WORKERS = {"reserver": 1, "splitter": 1, "router": 2}


class MisbehavingTest(EndpointTest):
    """One seller's endpoint misbehaves; s2 is on the shared queues and gets everything meanwhile."""

    def setUp(self):
        super().setUp()
        self.rules(s1="api")
        self.fleet.start_all(WORKERS)
        self.sell("s1", "A", 1000)
        self.sell("s2", "B", 1000)

    def trade(self, count: int, name: str = "o") -> None:
        for number in range(count):
            self.cart(f"{name}{number}", [("1", "A", 1), ("2", "B", 1)], answered=False)
        self.market.flush()

    def misbehave(self, **behaviour) -> None:
        """Through a time of it, then right again: everything arrived, in sequence, and s2 did not wait."""
        self.receiver.behave("api", **behaviour)
        self.trade(30)
        self.wait_delivered("s2", 30)
        wait_for(lambda: self.calls("api") > 0, what="the endpoint to be called")
        wait_for(lambda: (self.stream("s1") or {}).get("held_for") in ("failing", "refused"), what="the stream to be held")
        self.receiver.behave("api")
        if self.stream("s1")["until_resumed"]:
            self.environment.cartwright("stream", "resume", "s1")
        self.wait_delivered("s1", 30)
        self.assertEqual(sorted(set(self.accepted("api"))), list(range(1, 31)))
        self.assert_promises()

    def test_it_answers_500(self):
        self.misbehave(status=500)

    def test_it_is_busy_and_says_for_how_long(self):
        self.misbehave(status=503, retry_after=1)

    def test_it_is_not_called_again_before_the_time_that_it_said(self):
        self.receiver.behave("api", status=429, retry_after=2, times=2)
        self.trade(5)
        self.wait_delivered("s1", 5)
        calls = self.calls_of("api")
        self.assertEqual([429, 429, 204, 204, 204, 204, 204], [call.status for call in calls])
        for before, after in zip(calls[:2], calls[1:]):
            self.assertGreaterEqual(after.at_s - before.at_s, 2)
        self.assert_promises()

    def test_it_refuses_for_good(self):
        self.misbehave(status=422)

    def test_it_is_slow(self):
        self.misbehave(stall_s=1.5 * CALL_TIMEOUT_S)

    def test_it_is_cut_in_the_middle_of_its_answer(self):
        self.misbehave(cut=True)

    def test_its_answer_is_lost(self):
        """It took the message and nobody knows: it gets an exact repeat, signed anew."""
        self.receiver.behave("api", lose=True, times=3)
        self.trade(5)
        self.wait_delivered("s1", 5)
        self.assertEqual([1, 1, 1, 1, 2, 3, 4, 5], self.accepted("api"))
        self.assertEqual(1, len({call.digest for call in self.calls_of("api")[:4]}))
        self.assert_promises()

    def test_it_redirects(self):
        self.misbehave(redirect="http://127.0.0.1:1/other")

    def test_a_huge_answer_is_no_trouble(self):
        self.receiver.behave("api", huge=True)
        self.trade(5)
        self.wait_delivered("s1", 5)
        self.assert_promises()

    def test_it_is_gone_until_it_is_resumed(self):
        self.receiver.behave("api", status=410)
        self.trade(5)
        self.wait_held("s1", "gone")
        self.trade(5, "later")
        self.wait_delivered("s2", 10)
        self.assertEqual(1, self.calls("api"))
        self.receiver.behave("api")
        self.environment.cartwright("stream", "resume", "s1")
        self.wait_delivered("s1", 10)
        self.assert_promises()

    def test_it_dies_and_returns(self):
        self.trade(10)
        self.wait_delivered("s1", 10)
        self.receiver.kill()
        self.trade(200, "later")
        self.wait_held("s1", "failing")
        self.wait_delivered("s2", 210)
        self.receiver.start()
        self.wait_delivered("s1", 210)
        self.assert_promises()

    def test_the_router_is_killed_while_a_call_is_out(self):
        """The lease runs out, what it may have sent is sent again by another, exactly."""
        self.receiver.behave("api", stall_s=0.9 * CALL_TIMEOUT_S)
        self.trade(3)
        wait_for(lambda: self.environment.rows("SELECT 1 FROM seller_delivery WHERE lease_until > now()"), what="a lease")
        for router in self.fleet.named("router"):
            router.kill()
        self.receiver.behave("api")
        self.environment.rows("UPDATE seller_delivery SET lease_until = now() RETURNING 1")
        for router in self.fleet.named("router"):
            router.start()
        self.wait_delivered("s1", 3)
        self.assert_promises()

    def test_the_router_is_frozen_while_a_call_is_out(self):
        """It wakes up when another has gone on: it repeats exactly, and commits nothing."""
        self.receiver.behave("api", stall_s=0.9 * CALL_TIMEOUT_S)
        self.trade(3)
        wait_for(lambda: self.environment.rows("SELECT 1 FROM seller_delivery WHERE lease_until > now()"), what="a lease")
        for router in self.fleet.named("router"):
            router.freeze()
        self.receiver.behave("api")
        self.environment.rows("UPDATE seller_delivery SET lease_until = now() RETURNING 1")
        third, = self.fleet.start("router")
        self.trade(5, "later")
        self.wait_delivered("s1", 8)
        for router in self.fleet.named("router"):
            router.thaw()
        self.trade(5, "last")
        self.wait_delivered("s1", 13)
        self.assert_promises()


class RotationTest(EndpointTest):
    """The receiver is the seller, who knows one secret at a time; the rules sign with one or two."""

    def setUp(self):
        super().setUp()
        self.new = self.folder / "new"
        self.new.write_text("whsec_" + base64.b64encode(b"n" * 32).decode())
        self.old = self.folder / "secret"

    def sign_with(self, *secrets) -> None:
        """Returns when every router does."""
        self.rules(s1="api", more={"api": {"secrets": [f"file:{secret}" for secret in secrets]}})
        routers = self.fleet.named("router")
        if routers:
            self.loaded += 1
            wait_for(lambda: all(worker.metrics().total("cartwright_rules_loaded_total") == self.loaded
                                 for worker in routers), what="the rules to be taken up")
        else:
            self.fleet.start_all(WORKERS)
            self.loaded = 1
            self.sell("s1", "A", 10)

    def test_a_secret_changes_step_by_step(self):
        self.sign_with(self.old)
        self.cart("o1", [("1", "A", 1)])
        self.wait_delivered("s1", 1)
        self.sign_with(self.new, self.old)
        self.cart("o2", [("1", "A", 1)])
        self.wait_delivered("s1", 2)
        self.receiver.stop()
        self.receiver = ReceiverProcess(self.folder / "arrivals.jsonl", self.new.read_text(), self.folder / "errors.log",
                                        port=self.receiver.port)
        self.addCleanup(self.receiver.stop)
        self.cart("o3", [("1", "A", 1)])
        self.wait_delivered("s1", 3)
        self.sign_with(self.new)
        self.cart("o4", [("1", "A", 1)])
        self.wait_delivered("s1", 4)
        self.assertEqual([1, 2, 3, 4], self.accepted("api"))
        self.assert_promises()

    def test_a_secret_that_the_seller_does_not_know_yet(self):
        self.sign_with(self.new)
        self.cart("o1", [("1", "A", 1)])
        self.wait_held("s1", "failing")
        self.assertEqual([], self.accepted("api"))
        self.assertEqual({401}, {call.status for call in self.calls_of("api")})
        self.sign_with(self.old)
        self.wait_delivered("s1", 1)
        self.assertIn("its signature does not fit", "".join(self.market.violations()))


class CertificateTest(EndpointTest):
    def test_only_a_certificate_that_is_trusted_gets_messages(self):
        certificate, key = self.folder / "certificate.pem", self.folder / "key.pem"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                        "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
                        "-out", certificate, "-keyout", key], check=True, capture_output=True)
        self.receiver.stop()
        self.receiver = ReceiverProcess(self.folder / "arrivals.jsonl", SECRET, self.folder / "errors.log",
                                        tls=(certificate, key))
        self.addCleanup(self.receiver.stop)
        self.rules(s1="api")
        self.fleet.start_all(WORKERS)
        self.sell("s1", "A", 10)
        self.cart("o1", [("1", "A", 1)])
        wait_for(lambda: "certificate" in ((self.stream("s1") or {}).get("trouble") or ""),
                 what="the certificate to be refused")
        self.assertEqual([], self.accepted("api"))
        self.rules(s1="api", more={"api": {"ca_file": str(certificate)}})
        self.wait_delivered("s1", 1)
        self.assert_promises()


class ChangingTest(EndpointTest):
    def trade(self, count: int, name: str) -> None:
        for number in range(count):
            self.cart(f"{name}{number}", [(str(line), sku, 1) for line, sku in enumerate("ABC")], answered=False)

    def setUp(self):
        super().setUp()
        self.rules()
        self.fleet.start_all({"reserver": 1, "splitter": 2, "router": 3})
        for seller, sku in (("s1", "A"), ("s2", "B"), ("s3", "C")):
            self.sell(seller, sku, 5000)

    def test_rules_change_under_load_with_a_broken_file_in_between(self):
        chance = random.Random(5)
        for round_ in range(12):
            self.trade(60, f"o{round_}-")
            if round_ % 4 == 3:
                refused = self.refused()
                self.write_rules("20-broken.yaml", "deliveries: [{name: x, to: nowhere}]\n&")
                wait_for(lambda: self.refused() > refused, what="the broken rules to be refused")
            elif round_ % 4 == 0:
                (self.folder / "rules/20-broken.yaml").unlink(missing_ok=True)
            self.rules(**{seller: chance.choice(("own", "shared", "one", "two")) for seller in ("s1", "s2", "s3")})
            self.market.flush()
            self.wait_for_orders(60 * (round_ + 1))
        (self.folder / "rules/20-broken.yaml").unlink(missing_ok=True)
        self.collect_own_queues()
        self.assert_promises()

    def refused(self) -> float:
        return self.fleet.metrics("router").total("cartwright_rules_refused_total")

    def collect_own_queues(self) -> None:
        """From now on the market reads the sellers' own queues too."""
        import market
        before = market.SELLER_QUEUES
        self.addCleanup(setattr, market, "SELLER_QUEUES", before)
        wait_for(lambda: all(one == all_ for all_, one in
                             [self.delivered(seller) for seller in ("s1", "s2", "s3")]), what="everything to be delivered")
        declared = self.environment.servers.rabbitmq.management("GET", "/api/queues?columns=name")
        own = tuple(queue["name"] for queue in declared if queue["name"].startswith("seller."))
        for name in own:
            self.addCleanup(self.environment.servers.rabbitmq.management, "DELETE", f"/api/queues/%2F/{name}")
        market.SELLER_QUEUES = before + own

    def test_switch_and_void_under_load(self):
        self.rules(s1="picky", s2="dead", more={"dead": {"fallback": {"to": "shared", "after_ms": 3_600_000}}})
        self.wait_for_rules()
        self.receiver.behave("picky", status=400)
        self.receiver.behave("dead", status=500)
        for round_ in range(6):
            self.trade(40, f"o{round_}-")
            self.market.flush()
            self.wait_held("s1", "refused")
            number = self.stream("s1")["delivered"] + 1
            with self.assertRaisesRegex(Trouble, "only that one can be voided"):
                self.environment.cartwright("stream", "void", "s1", "main", str(number + 1), "--by", "t", "--reason", "r")
            self.receiver.behave("picky")
            self.environment.cartwright("stream", "void", "s1", "main", str(number), "--by", "t", "--reason", "r")
            wait_for(lambda: self.delivered("s1")[0] > number, what="the stream to go on")
            self.receiver.behave("picky", status=400)
            self.trade(1, f"more{round_}-")
            if round_ == 3:
                self.wait_held("s2", "failing")
                said = self.switch("s2")
                self.assertIn("goes to shared", said)
                if "stay" in said:  # it was being called
                    self.assertIn("from number 1 on", self.switch("s2", "--to", "shared", "--from", "1", "--may-double"))
        self.receiver.behave("picky")
        wait_for(lambda: not self.stream("s1") or self.environment.cartwright("stream", "resume", "s1") is None,
                 what="s1 to be delivered")
        self.assert_promises()
        self.assertEqual(6, self.market.one("SELECT count(*) FROM seller_void"))
        self.assertIn("by operator t: it is dead", self.environment.cartwright("stream", "show", "s2"))

    def switch(self, seller_id: str, *how: str) -> str:
        return self.environment.cartwright("stream", "--config", str(self.fleet.config), "switch", seller_id, *how,
                                           "--by", "t", "--reason", "it is dead")

    def test_a_switch_in_the_middle_of_a_call_says_what_stays_and_how_to_move_it(self):
        self.rules(s1="slow", more={"slow": {"total_timeout_ms": 60_000}})
        self.wait_for_rules()
        self.receiver.behave("slow", hold=True)
        self.trade(2, "o")
        self.market.flush()
        wait_for(lambda: self.delivered("s1")[1] == 2 and "being delivered" in self.environment.cartwright(
            "stream", "show", "s1"), what="the endpoint to be called")
        said = self.switch("s1", "--to", "shared")
        self.assertRegex(said, "numbers? 1 .*stays? with slow")
        self.assertIn("--to shared --from 1", said)
        with self.assertRaisesRegex(Trouble, "may have been taken"):
            self.switch("s1", "--to", "shared", "--from", "1")
        self.receiver.behave("slow", status=500, retry_after=600)
        self.wait_held("s1", "failing")
        self.assertNotIn("stay", self.switch("s1", "--to", "shared", "--from", "1"))
        self.wait_delivered("s1", 2)
        self.assertEqual([], self.accepted("slow"))
        self.assert_promises()

    def test_a_call_that_ends_after_its_stream_was_moved_holds_nothing(self):
        self.rules(s1="slow", more={"slow": {"total_timeout_ms": 60_000}})
        self.wait_for_rules()
        self.receiver.behave("slow", hold=True)
        self.trade(1, "o")
        wait_for(lambda: self.delivered("s1")[1] == 1 and "being delivered" in self.environment.cartwright(
            "stream", "show", "s1"), what="the endpoint to be called")
        self.switch("s1", "--to", "shared", "--from", "1", "--may-double")
        self.wait_delivered("s1", 1)
        self.receiver.behave("slow", status=410)
        wait_for(lambda: self.fleet.metrics("router").total("cartwright_endpoint_calls_total") == 1,
                 what="the call to end")
        for number in range(2, 7):
            self.trade(1, f"more{number}-")
            self.wait_delivered("s1", number)
        self.assert_promises()

    def wait_for_rules(self) -> None:
        wait_for(lambda: all(worker.metrics().total("cartwright_rules_loaded_total") > 1
                             for worker in self.fleet.named("router")), what="the rules to be taken up")

    def test_a_void_of_what_may_have_arrived_needs_to_be_taken_on(self):
        self.rules(s1="slow")
        self.wait_for_rules()
        self.receiver.behave("slow", stall_s=1.5 * CALL_TIMEOUT_S)
        self.trade(2, "o")
        self.wait_held("s1", "failing")
        void = ("stream", "void", "s1", "main", "1", "--by", "t", "--reason", "r")
        with self.assertRaisesRegex(Trouble, "--may-double|being called"):
            self.environment.cartwright(*void)
        with self.assertRaisesRegex(Trouble, "may have been taken"):
            self.environment.cartwright("stream", "switch", "s1", "--to", "shared", "--from", "1", "--by", "t", "--reason", "r")
        self.environment.cartwright("stream", "switch", "s1", "--to", "shared", "--from", "1", "--by", "t", "--reason",
                                    "the seller never saw it", "--may-double")
        self.wait_delivered("s1", 2)


class WaitingTest(EndpointTest):
    """Orders wait for their endpoints; nothing but doorbells rings."""

    router_settings = {"sweep_interval_ms": 3_600_000}

    def test_what_waits_is_delivered_without_a_sweep(self):
        sellers = [f"w{number:02d}" for number in range(40)]
        self.rules(**{seller: seller for seller in sellers})
        self.fleet.start_all({"reserver": 1, "splitter": 1})
        for seller in sellers:
            self.market.seller(seller)
            self.sell(seller, f"of-{seller}", 1000)
        for number in range(50 * len(sellers)):
            self.cart(f"o{number}", [("1", f"of-{sellers[number % len(sellers)]}", 1)], answered=False)
        self.market.flush()
        wait_for(lambda: self.market.one("SELECT coalesce(sum(last_assigned), 0) FROM seller_stream") == 50 * len(sellers),
                 what="everything to be numbered")
        self.fleet.start("router", 2)
        for seller in sellers:
            self.wait_delivered(seller, 50)
        self.assert_promises()


class ManyTest(EndpointTest):
    """3,000 streams on four routers, 50 of them broken in every way there is."""

    router_settings = {"sweep_interval_ms": 2000}

    def test_every_other_seller_gets_everything_while_they_are_still_broken(self):
        sellers = [f"m{number:04d}" for number in range(3000)]
        broken, healthy = sellers[:50], sellers[50:250]
        behaviours = ({"status": 500}, {"status": 410}, {"status": 422}, {"stall_s": 30}, {"cut": True})
        self.rules(**{seller: seller for seller in broken + healthy})
        self.market._catalogue.cursor().executemany(
            "REPLACE INTO seller (seller_id, status, region, tags) VALUES (%s, 'active', 'north', '')",
            [(seller,) for seller in sellers])
        self.market.offers([(seller, f"of-{seller}") for seller in sellers])
        for place, seller in enumerate(broken):
            self.receiver.behave(seller, **behaviours[place % len(behaviours)])
        self.fleet.start_all({"reserver": 1, "splitter": 1, "router": 4})
        for begin in range(0, len(sellers), 500):
            movements = [{"kind": "receipt", "seller_id": seller, "sku": f"of-{seller}", "warehouse": "main", "quantity": 9,
                          "occurred_at": "2026-01-01T00:00:00Z"} for seller in sellers[begin:begin + 500]]
            self.send_movements(f"stock-{begin}", movements)
        self.market.flush()
        wait_for(lambda: self.market.one("SELECT count(*) FROM stock_position") == len(sellers), 60, "stock")
        for round_ in range(2):
            for place in range(0, len(sellers), 3):
                lines = [(str(line), f"of-{seller}", 1) for line, seller in enumerate(sellers[place:place + 3])]
                self.cart(f"o{round_}-{place}", lines, answered=False)
        self.market.flush()
        self.wait_for_orders(2 * len(sellers) // 3)
        behind = ("SELECT count(*) FROM seller_stream LEFT JOIN seller_delivery USING (seller_id, stream) "
                  "WHERE last_assigned > coalesce(last_delivered, 0) AND seller_id >= 'm0050'")
        wait_for(lambda: sum(row[0] for row in self.environment.rows("SELECT last_assigned FROM seller_stream"))
                 == 2 * len(sellers), 60, "everything to be numbered")
        wait_for(lambda: self.market.one(behind) == 0, 60, "all others to be delivered")
        still = self.market.one("SELECT count(*) FROM seller_stream LEFT JOIN seller_delivery USING (seller_id, stream) "
                                "WHERE last_assigned > coalesce(last_delivered, 0)")
        self.assertEqual(len(broken), still)
        for seller in broken:
            self.receiver.behave(seller)
        self.environment.cartwright("stream", "resume", "--all")
        self.assert_promises(timeout_s=90)


class OwnQueueTest(EndpointTest):
    """A queue of the seller's own that somebody made otherwise than the fleet does."""

    def test_one_of_another_type_holds_its_seller_alone(self):
        self.market.channel.queue_declare("seller.s1", durable=True)  # a classic one
        self.addCleanup(self.environment.servers.rabbitmq.management, "DELETE", "/api/queues/%2F/seller.s1")
        self.rules(s1="own")
        self.fleet.start_all(WORKERS)
        self.sell("s1", "A", 100)
        self.sell("s2", "B", 100)
        for number in range(10):
            self.cart(f"o{number}", [("1", "A", 1), ("2", "B", 1)], answered=False)
        self.market.flush()
        self.wait_delivered("s2", 10)
        trouble = "SELECT trouble FROM seller_delivery WHERE seller_id = 's1'"
        wait_for(lambda: "can't be declared" in (self.market.one(trouble) or ""), what="the router to say what is wrong")
        self.assertEqual(0, self.delivered("s1")[0])
        self.market.channel.queue_delete("seller.s1")
        self.wait_delivered("s1", 10)
        self.assertEqual(10, self.environment.depth("seller.s1"))


if __name__ == "__main__":
    unittest.main()
