"""The checker reads a real database: nothing wrong in an honest run, and each broken promise by its name."""

import contextlib

from environment import EnvironmentTest
from honest_run import ordinary_run
from lib.checker import check
from lib.evidence import read_databases, read_postgres
from lib.messages import cart_submitted

DROPPED = ("ALTER TABLE stock_position DROP CONSTRAINT reserved_within_on_hand",
           "ALTER TABLE stock_position DROP CONSTRAINT shortfall_within_on_hand",
           "ALTER TABLE reservation DROP CONSTRAINT every_unit_is_somewhere",
           "ALTER TABLE stock_event DROP CONSTRAINT stock_event_pkey")


class CheckerTest(EnvironmentTest):
    def setUp(self):
        super().setUp()
        self.run_ = ordinary_run()
        connection = self.environment.postgres()
        connection.autocommit = False  # everything here, dropped constraints too, is rolled back
        self.cursor = connection.cursor()
        self.addCleanup(connection.rollback)
        for statement in DROPPED:
            self.cursor.execute(statement)
        self.run_.write(self.cursor)

    def violations(self):
        read_postgres(self.run_.evidence, self.cursor)
        return check(self.run_.evidence)

    def assert_broken(self, promise: str, what: str, *statements: str) -> None:
        for statement in statements:
            self.cursor.execute(statement)
            self.assertGreater(self.cursor.rowcount, 0, f"nothing planted by: {statement}")
        found = self.violations()
        self.assertEqual({one.promise for one in found}, {promise}, [str(one) for one in found])
        self.assertTrue(any(what in one.what for one in found), [str(one) for one in found])

    def test_an_honest_run(self):
        self.assertEqual([str(one) for one in self.violations()], [])

    def test_more_reserved_than_on_hand(self):
        cart = {"order_id": "late", "channel": "web", "currency": "BRL", "paid": False,
                "lines": [{"line_id": "1", "seller_id": "s2", "sku": "C", "quantity": 8}]}
        self.run_.publish(cart_submitted(cart), "cart", "late", cart).reply_to = None
        self.assert_broken(
            "P1", "reserved 9 of 5 on hand",
            "UPDATE stock_position SET reserved = reserved + 8, version = version + 1 WHERE sku = 'C'",
            "INSERT INTO stock_event SELECT seller_id, sku, warehouse, version, 'reservation', 0, 8, 0, "
            "'late', "
            "'late', 'test', null, now() FROM stock_position WHERE sku = 'C'",
            "INSERT INTO reservation VALUES ('s2', 'late', '1', 'main', 'C', 8, 8)",
            "INSERT INTO orders VALUES ('late', 'reserved', '1', '{\"order_id\": \"late\"}')")

    def test_a_reservation_that_no_counter_knows(self):
        self.assert_broken("P1", "its open reservations are",
                           "UPDATE stock_position SET reserved = reserved - 1, version = version + 1 WHERE "
                           "sku = 'C'",
                           "INSERT INTO stock_event SELECT seller_id, sku, warehouse, version, 'release', "
                           "0, -1, 0, "
                           "cause, null, 'test', null, now() FROM stock_position JOIN LATERAL (SELECT cause "
                           "FROM stock_event e "
                           "WHERE e.kind = 'release' LIMIT 1) AS known ON true WHERE sku = 'C'")

    def test_an_order_that_vanished(self):
        self.assert_broken("P2", "there is no order", "DELETE FROM orders WHERE order_id = 'none'")

    def test_a_message_to_a_seller_that_was_never_delivered(self):
        self.assert_broken("P2", "was numbered and did not arrive",
                           "INSERT INTO seller_message VALUES ('s1', 'main', 99, 'one', 'cancellation', "
                           "'{}')",
                           "UPDATE seller_stream SET last_assigned = last_assigned + 1 WHERE seller_id = "
                           "'s1'",
                           "UPDATE seller_delivery SET last_delivered = last_delivered + 1 WHERE seller_id "
                           "= 's1'")

    def test_a_number_that_was_given_and_never_written(self):
        self.assert_broken("P2", "numbers were given",
                           "UPDATE seller_stream SET last_assigned = last_assigned + 1 WHERE seller_id = "
                           "'s1'")

    def test_other_bytes_than_the_seller_got(self):
        self.assert_broken("P2", "not what was stored",
                           "UPDATE seller_message SET body = body || ' ' WHERE seller_id = 's2' AND number "
                           "= 1")

    def test_a_stream_that_went_elsewhere_than_recorded(self):
        self.assert_broken("P5", "it went to shared, recorded is own",
                           "UPDATE seller_delivery SET destination = 'own' WHERE seller_id = 's1'")

    def test_a_switch_that_was_not_followed(self):
        self.assert_broken("P5", "it went to shared, recorded is api",
                           "INSERT INTO seller_switch (seller_id, stream, from_number, previous, destination, decided_by, "
                           "reason) VALUES ('s1', 'main', 2, 'shared', 'api', 'operator kim', 'it moves')")

    def test_a_switch_that_is_still_to_come(self):
        self.cursor.execute("INSERT INTO seller_switch (seller_id, stream, from_number, previous, destination, decided_by, "
                            "reason) VALUES ('s1', 'main', 99, 'shared', 'api', 'operator kim', 'it moves')")
        self.assertEqual([str(one) for one in self.violations()], [])

    def test_a_number_that_two_places_got(self):
        one = next(one for one in self.run_.evidence.arrivals if one.seller_id == "s1" and one.number == 2)
        self.run_.evidence.arrivals.append(one._replace(queue="endpoint:api"))
        doubled = ("INSERT INTO seller_switch (seller_id, stream, from_number, previous, destination, decided_by, reason, "
                   "may_double) VALUES ('s1', 'main', 99, 'shared', 'api', 'operator kim', 'it moves', '{%s,%s}')")
        self.cursor.execute(doubled, (2, 2))
        self.assertEqual([str(one) for one in self.violations()], [])
        self.cursor.execute("UPDATE seller_switch SET may_double = '{3,3}'")
        found = [one.what for one in self.violations()]
        self.assertIn("it arrived at sellers.00 too", found)

    def test_a_position_that_left_its_ledger(self):
        self.assert_broken("P3", "its ledger",
                           "UPDATE stock_position SET on_hand = on_hand + 1 WHERE sku = 'E'")

    def test_a_ledger_row_with_a_wrong_version(self):
        self.assert_broken("P3", "version 2 is missing", "UPDATE stock_event SET version = 77 "
                                                         "WHERE sku = 'E' AND version = 2")

    def test_a_line_with_too_few_units(self):
        self.assert_broken(
            "P4", "asks for 1 and has 0",
            "DELETE FROM reservation WHERE order_id = 'unpaid'",
            "DELETE FROM stock_event WHERE cause = 'unpaid'",
            "UPDATE stock_event SET version = version - 1 WHERE sku = 'E' AND version > 2",
            "UPDATE stock_position SET reserved = reserved - 1, version = version - 1 WHERE sku = 'E'")

    def test_units_left_in_a_cancelled_order(self):
        self.cursor.execute("UPDATE reservation SET open = open + 1, released = released - 1 WHERE order_id "
                            "= 'gone'")
        self.assertIn("P4", {one.promise for one in self.violations()})


class ReadingTest(EnvironmentTest):
    def test_both_databases_are_read(self):
        run = ordinary_run()
        with contextlib.closing(self.environment.postgres()) as connection, connection.cursor() as cursor:
            run.write(cursor)
        with contextlib.closing(self.environment.mariadb()) as catalogue:
            with catalogue.cursor() as cursor:
                cursor.executemany("INSERT INTO seller (seller_id, status) VALUES (%s, %s)",
                                   [("s1", "active"), ("s2", "active"), ("s3", "suspended")])
                cursor.executemany("INSERT INTO offer (seller_id, sku, price_minor, currency) VALUES (%s, "
                                   "%s, 1, 'BRL')",
                                   list(run.evidence.offers))
            before = run.evidence.ledger
            read_databases(run.evidence, self.environment.servers.urls["POSTGRES_ADMIN_URL"], catalogue)
        self.assertEqual(sorted(run.evidence.ledger), sorted(before))
        self.assertFalse(run.evidence.offers["s3", "E"])
        self.assertTrue(run.evidence.offers["s1", "A"])
        self.assertEqual([str(one) for one in check(run.evidence)], [])
