"""Every program may do what it needs and nothing else: each tries, with its own account, what it must not do."""

import base64
import urllib.error
import urllib.request

import pika
import psycopg2
import pymysql

from environment import EnvironmentTest
from lib.console import Trouble

WORKERS = ("reserver", "splitter", "router")
MAY_PUBLISH_TO = {"reserver": {"orders", "stock", "events", "retry", "parking", ""},
                  "splitter": {"seller-messages", "retry", "parking"},
                  "router": {"sellers", "seller-messages", "retry", "parking"},
                  "operator": {"retry", "seller-messages"}}
MAY_CHANGE = {  # table: who may insert, update, delete
    "orders": ("reserver", "reserver", ""), "stock_position": ("reserver", "reserver", ""),
    "stock_event": ("reserver", "", ""), "reservation": ("reserver", "reserver", ""),
    "held_line": ("reserver", "", "reserver"),
    "inbox": ("reserver splitter", "reserver", "reserver"),
    "attempt": ("reserver splitter router",) * 3,
    "seller_stream": ("splitter", "splitter", ""), "seller_message": ("splitter", "operator", ""),
    "seller_delivery": ("router", "router operator", ""), "seller_switch": ("router operator", "", ""),
    "seller_void": ("operator", "", ""), "rules_version": ("router", "router", ""), "schema_version": ("", "", "")}


class Database(EnvironmentTest):
    def test_every_table_may_be_changed_by_those_who_have_to(self):
        tables = {table for (table,) in self.environment.rows(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'public'")}
        self.assertEqual(set(MAY_CHANGE), tables)
        for program in (*WORKERS, "operator"):
            for table, allowed in MAY_CHANGE.items():
                for verb, who in zip(("INSERT", "UPDATE", "DELETE"), allowed):
                    has = self.has(program, table, verb)
                    self.assertEqual(program in who.split(), has, f"{program}: {verb} on {table}")
                self.assertFalse(self.has(program, table, "TRUNCATE"), table)

    def test_what_nobody_may(self):
        forbidden = ("DROP TABLE orders", "CREATE TABLE x (a int)", "ALTER TABLE orders ADD x int",
                     "UPDATE stock_event SET version = 0", "DELETE FROM stock_event", "TRUNCATE stock_event",
                     "UPDATE schema_version SET version = 9", "DELETE FROM seller_message",
                     "DELETE FROM reservation", "ALTER ROLE cartwright_router SUPERUSER",
                     "SET ROLE postgres", "COPY orders TO PROGRAM 'cat'")
        for program in (*WORKERS, "operator"):
            with self.environment.postgres(program).cursor() as cursor:
                for statement in forbidden:
                    with self.subTest(f"{program}: {statement}"), \
                            self.assertRaises(psycopg2.errors.InsufficientPrivilege):
                        cursor.execute(statement)
                cursor.execute("SHOW enable_hashjoin")
                self.assertEqual("off", cursor.fetchone()[0])

    def test_nobody_reads_what_does_not_concern_it(self):
        for program, table in (("splitter", "stock_position"), ("splitter", "orders"), ("router", "orders"),
                               ("router", "reservation"), ("reserver", "seller_message"), ("operator", "orders")):
            with self.subTest(f"{program}: {table}"), self.environment.postgres(program).cursor() as cursor:
                with self.assertRaises(psycopg2.errors.InsufficientPrivilege):
                    cursor.execute(f"SELECT * FROM {table}")

    def has(self, program: str, table: str, verb: str) -> bool:
        return self.environment.rows("SELECT has_table_privilege(%s, %s, %s)",
                                     (f"cartwright_{program}", table, verb))[0][0]


class Catalogue(EnvironmentTest):
    def test_it_is_only_read(self):
        for statement in ("INSERT INTO seller (seller_id) VALUES ('x')", "UPDATE offer SET price_minor = 1",
                          "DELETE FROM warehouse", "DROP TABLE seller", "CREATE TABLE x (a int)",
                          "SELECT * FROM mysql.user"):
            with self.subTest(statement), self.environment.mariadb(admin=False).cursor() as cursor:
                with self.assertRaises(pymysql.err.MySQLError) as caught:
                    cursor.execute(statement)
                self.assertIn(caught.exception.args[0], (1142, 1044), caught.exception)
        with self.environment.mariadb(admin=False).cursor() as cursor:
            cursor.execute("SELECT count(*) FROM offer")

    def test_only_the_reserver_has_an_account(self):
        with self.environment.mariadb().cursor() as cursor:
            cursor.execute("SELECT user FROM mysql.user WHERE user LIKE 'cartwright%'")
            self.assertEqual([("cartwright_reserver",)], list(cursor.fetchall()))


class Broker(EnvironmentTest):
    def setUp(self):
        super().setUp()
        listed = self.environment.servers.rabbitmq.management("GET", "/api/exchanges/%2F?columns=name")
        self.exchanges = {one["name"] for one in listed if not one["name"].startswith(("amq.", "topology."))}
        queues = self.environment.servers.rabbitmq.management("GET", "/api/queues/%2F?columns=name,exclusive")
        self.queues = {one["name"] for one in queues if not one.get("exclusive")}

    def test_who_publishes_where(self):
        for program, allowed in MAY_PUBLISH_TO.items():
            for exchange in sorted(self.exchanges):
                with self.subTest(f"{program} to {exchange or 'the default exchange'}"):
                    self.assertEqual(exchange in allowed, self.may(
                        program, lambda channel, to=exchange: channel.basic_publish(to, "nobody", b"")))

    def test_who_consumes_what(self):
        for program in (*WORKERS, "operator"):
            for queue in sorted(self.queues):
                own = queue.startswith(program + ".") and not queue.startswith(f"{program}.retry.")
                with self.subTest(f"{program} from {queue}"):
                    self.assertEqual(own or (program, queue) == ("operator", "parking"), self.may(
                        program, lambda channel, name=queue: channel.basic_get(name)))

    def test_who_declares_what(self):
        for program in (*WORKERS, "operator"):
            with self.subTest(program):
                self.assertFalse(self.may(program, lambda channel: channel.queue_declare("mine", durable=True)))
                self.assertFalse(self.may(program, lambda channel: channel.queue_delete("sellers.00")))
                self.assertFalse(self.may(program, lambda channel: channel.queue_purge("parking"))
                                 and program != "operator")
                self.assertFalse(self.may(program, lambda channel: channel.exchange_delete("carts")))
                self.assertFalse(self.may(program, lambda channel: channel.queue_bind("sellers.00", "carts", "#")))
                self.assertEqual(program == "router", self.may(
                    program, lambda channel: channel.queue_declare(
                        "seller.privileges", durable=True, arguments={"x-queue-type": "quorum"})))
        self.environment.amqp().channel().queue_delete("seller.privileges")

    def test_nobody_uses_the_management_api(self):
        address = self.environment.servers.rabbitmq.management_url.split("@")[1]
        for program, password in zip((*WORKERS, "operator"), self.environment.servers.passwords.values()):
            secret = base64.b64encode(f"cartwright_{program}:{password}".encode()).decode()
            asked = urllib.request.Request(f"http://{address}/api/overview",
                                           headers={"Authorization": f"Basic {secret}"})
            with self.subTest(program), self.assertRaises(urllib.error.HTTPError) as refused:
                urllib.request.urlopen(asked, timeout=10)
            self.assertEqual(401, refused.exception.code)

    def test_a_permission_that_was_widened_is_a_difference_and_apply_mends_it(self):
        api = self.environment.servers.rabbitmq.management
        api("PUT", "/api/permissions/%2F/cartwright_splitter", {"configure": ".*", "write": ".*", "read": ".*"})
        with self.assertRaisesRegex(Trouble, "user cartwright_splitter may do something else"):
            self.environment.cartwright("topology", "check")
        self.environment.cartwright("topology", "apply")
        self.assertIn("is as it should be", self.environment.cartwright("topology", "check"))

    def test_a_user_that_is_missing_is_a_difference(self):
        self.environment.servers.rabbitmq.management("DELETE", "/api/users/cartwright_operator")
        with self.assertRaisesRegex(Trouble, "set CARTWRIGHT_OPERATOR_PASSWORD and apply again"):
            self.environment.cartwright("topology", "check")
        self.environment.cartwright("topology", "apply")
        self.assertIn("is as it should be", self.environment.cartwright("topology", "check"))

    def may(self, program: str, act) -> bool:
        """False when the broker refuses for want of a permission; anything else but success is an error."""
        channel = self.environment.amqp(program).channel()
        channel.confirm_delivery()
        try:
            act(channel)
            return True
        except pika.exceptions.ChannelClosedByBroker as closed:
            self.assertEqual(403, closed.reply_code, closed)
            return False
        finally:
            self.environment.close_connections()
