"""Every statement that locks rows finds them in the order of their keys, whatever the planner knows.

The statements are found in the sources, so that a new one cannot be forgotten: it needs a line in EXPECTED.
Each is explained as the workers' role runs it, with a custom and with a generic plan, for arrays of several
lengths, on tables that were analysed with one row and then grew, on large ones, and on those of one seller.
What holds is that role's settings: without them the same check finds most statements at fault.
"""

import contextlib
import json
import re
import unittest
from pathlib import Path
from typing import Iterator, NamedTuple

from environment import EnvironmentTest
from lib.run_directory import REPOSITORY

ROWS = 20_000
LENGTHS = (1, 150, 3000)
DEFINITION = re.compile(r'\bStatement\s+(\w+)\s*\{\s*"(\w+)"\s*,\s*((?:"(?:[^"\\]|\\.)*"\s*)+)\}')
LOCKING = re.compile(r"\b(update|insert into|delete from|for (no key )?(update|share)|lock table)\b", re.I)
NO_STATEMENT = {"list_streams", "find_stream"}  # put together from pieces; they read


class Expected(NamedTuple):
    """How rows are found: `array`: one after the other, led by a sorted array; `insert`: they are written in
    its order; `one`: by the key that the statement names, one row or those of one order."""

    how: str
    table: str
    index: str = ""


def _by_key(how: str, table: str, *names: str) -> dict[str, Expected]:
    return {name: Expected(how, table, f"{table}_pkey") for name in names}


EXPECTED = {
    **_by_key("insert", "orders", "claim_orders"),
    **_by_key("array", "orders", "lock_orders", "decide_orders"),
    **_by_key("insert", "stock_position", "insert_positions"),
    **_by_key("array", "stock_position", "take_units", "set_reserved", "lock_positions", "set_positions"),
    **_by_key("array", "reservation", "lock_reservations", "set_reservations"),
    **_by_key("insert", "held_line", "insert_held"),
    "delete_held": Expected("array", "held_line", "held_line_order"),  # a row for each of the array's keys
    "delete_held_order": Expected("one", "held_line", "held_line_order"),
    **_by_key("insert", "inbox", "claim_items"),
    **_by_key("array", "inbox", "release_items", "answer_items"),
    **_by_key("insert", "seller_stream", "split_take_numbers"),
    **_by_key("insert", "seller_delivery", "router_insert_streams"),
    **_by_key("array", "seller_delivery", "router_claim_streams", "router_mark_streams", "router_lock_routes",
              "router_write_routes", "router_lease_streams", "router_release_streams"),
    **_by_key("one", "seller_delivery", "router_hold_stream", "operator_lock_stream",
              "operator_resume_stream",
              "operator_mark_replaced", "operator_write_route"),
    **_by_key("insert", "seller_switch", "router_record_switches", "operator_record_switch"),
    **_by_key("insert", "rules_version", "router_register_rules", "router_activate_rules"),
    **_by_key("insert", "seller_void", "operator_keep_voided"),
    **_by_key("one", "seller_message", "operator_replace_message"),
    **_by_key("insert", "attempt", "begin_attempts"),
    **_by_key("one", "attempt", "end_attempts"),
}
# The columns of a row number i of each table; {seller} is another in every row, or the same in all.
FILL = {
    "orders": "(order_id, state, answer) SELECT {key}, 'ready', '{{}}'",
    "stock_position": "(seller_id, sku, warehouse) SELECT {seller}, {key}, 'main'",
    "reservation": "(seller_id, order_id, line_id, warehouse, sku, reserved, open) "
                   "SELECT {seller}, {key}, {key}, 'main', 'k', 1, 1",
    "stock_event": "(seller_id, sku, warehouse, version, kind, on_hand_delta, reserved_delta, "
                   "shortfall_delta, cause, source, occurred_at) "
                   "SELECT {seller}, {key}, 'main', 1, 'receipt', 1, 0, 0, 'c', 's', now()",
    "held_line": "(seller_id, sku, held_at, order_id) SELECT {seller}, {key}, now(), {key}",
    "inbox": "(id, item) SELECT {key}, 'split/ready'",
    "seller_stream": "(seller_id, stream, last_assigned) SELECT {seller}, {key}, 1",
    "seller_message": "(seller_id, stream, number, order_id, kind, body) "
                      "SELECT {seller}, {key}, 1, {key}, 'k', 'b'",
    "seller_delivery": "(seller_id, stream) SELECT {seller}, {key}",
    "attempt": "(worker, message_key, deaths) SELECT {seller}, {key}, 1",
}
SCENES = {"analysed small": False, "analysed large": False, "of one seller": True}


def sources() -> Iterator[Path]:
    for folder in ("workers", "common"):
        yield from sorted(path for path in (REPOSITORY / folder).rglob("*") if path.suffix
                          in (".cpp", ".hpp"))


def statements() -> dict[str, str]:
    """SQL of every prepared statement of the sources, by name."""
    found = {}
    for path in sources():
        for _, name, literals in DEFINITION.findall(path.read_text()):
            found[name] = "".join(re.findall(r'"((?:[^"\\]|\\.)*)"', literals))
    return found


def argument(kind: str, is_array: bool, length: int) -> str:
    """An SQL literal for a parameter of this type; texts are sorted keys."""
    ones = {"bigint": "1", "timestamptz": "2026-01-01", "boolean": "t"}
    if not is_array:
        return f"'{ones.get(kind, 'x-00001')}'"
    values = (ones.get(kind) or f"x-{number:05d}" for number in range(length))
    return "'{" + ",".join(values) + "}'"


def arguments(sql: str, length: int) -> str:
    kinds: dict[int, tuple[str, bool]] = {}
    for number, kind, brackets in re.findall(r"\$(\d+)(?:::(\w+)(\[\])?)?", sql):
        if kind or int(number) not in kinds:
            kinds[int(number)] = (kind, bool(brackets))
    return ", ".join(argument(*kinds[number], length) for number in sorted(kinds))


def leaves(node: dict) -> Iterator[dict]:
    """The scans of a join in the order in which they lead; questions asked on the side are none of them."""
    inner = [child for child in node.get("Plans", []) if child["Parent Relationship"] not
             in ("InitPlan", "SubPlan")]
    if not inner:
        yield node
    for child in inner:
        yield from leaves(child)


def joins(node: dict) -> Iterator[dict]:
    for child in node.get("Plans", []):
        if child["Parent Relationship"] not in ("InitPlan", "SubPlan"):
            yield child
            yield from joins(child)


def faults(plan: dict, expected: Expected) -> list[str]:
    """What is wrong about the order in which this plan locks rows."""
    found = []
    if plan["Node Type"] != "ModifyTable" or plan["Relation Name"] != expected.table:
        found.append(f"it changes {plan.get('Relation Name')}")
    allowed = {"Nested Loop", "Function Scan", "Index Scan", "Index Only Scan", "Materialize", "Memoize",
               "Result", "Subquery Scan"}
    found += [f"{node['Node Type']}" for node in joins(plan) if node["Node Type"] not in allowed]
    scans = list(leaves(plan))
    for scan in scans:
        if scan.get("Relation Name") == expected.table:
            if scan.get("Index Name") != expected.index or scan.get("Scan Direction") != "Forward":
                found.append(f"{expected.table} is found by {scan.get('Index Name', scan['Node Type'])}")
    first = scans[0]
    if expected.how in ("array", "one") and expected.table not in {scan.get("Relation Name") for scan
                                                                   in scans}:
        found.append(f"{expected.table} is not looked at")
    if expected.how == "array" and "Function Scan" not in {scan["Node Type"] for scan in scans}:
        found.append("no array leads")
    by_key = first.get("Index Name", "").endswith("_pkey")
    if expected.how == "array" and first["Node Type"] != "Function Scan" and not by_key:
        found.append(f"{first['Node Type']} {first.get('Index Name', '')} leads")
    return found


def program_of(statement: str) -> str:
    """Whose statement it is."""
    return next((program for prefix, program in (("router_", "router"), ("split_", "splitter"), ("operator_", "operator"))
                 if statement.startswith(prefix)), "reserver")


class PlansTest(EnvironmentTest):
    maxDiff = None

    def setUp(self):
        super().setUp()
        self.admin = self.environment.postgres().cursor()
        self.locking = {name: sql for name, sql in statements().items() if LOCKING.search(sql)}
        for table in FILL:  # statistics are those of the scene, and remain so
            self.admin.execute(f"ALTER TABLE {table} SET (autovacuum_enabled = off)")
        self.addCleanup(self.leave)

    def leave(self) -> None:
        with contextlib.closing(self.environment.postgres()) as connection, connection.cursor() as cursor:
            for table in FILL:
                cursor.execute(f"TRUNCATE {table} CASCADE; ALTER TABLE {table} RESET (autovacuum_enabled)")
                cursor.execute(f"ANALYZE {table}")

    def fill(self, scene: str) -> None:
        for table, columns in FILL.items():
            insert = f"INSERT INTO {table} " + columns.format(
                key="'x-' || lpad(i::text, 5, '0')",
                seller="'s'" if SCENES[scene] else "'x-' || lpad(i::text, 5, '0')")
            self.admin.execute(f"TRUNCATE {table} CASCADE")
            if scene == "analysed small":
                self.admin.execute(f"{insert} FROM generate_series(0, 0) i; ANALYZE {table}")
                self.admin.execute(f"{insert} FROM generate_series(1, {ROWS}) i")
            else:
                self.admin.execute(f"{insert} FROM generate_series(1, {ROWS}) i; ANALYZE {table}")

    @contextlib.contextmanager
    def session(self, program: str, *settings: str):
        """As that program's role; every statement of `settings` is run first."""
        connection = self.environment.postgres(program)
        with contextlib.closing(connection), connection.cursor() as cursor:
            for setting in settings:
                cursor.execute(setting)
            yield cursor

    def plan(self, cursor, sql: str, generic: bool, length: int) -> dict:
        cursor.execute(f"SET plan_cache_mode = force_{'generic' if generic else 'custom'}_plan")
        cursor.execute(f"PREPARE explained AS {sql}")
        try:
            cursor.execute(f"EXPLAIN (FORMAT JSON) EXECUTE explained ({arguments(sql, length)})")
            (document,), = cursor.fetchall()
        finally:
            cursor.execute("DEALLOCATE explained")
        document = json.loads(document) if isinstance(document, str) else document
        return document[0]["Plan"]

    def all_faults(self, *settings: str) -> dict[str, list[str]]:
        """By statement and circumstances."""
        found = {}
        for scene in SCENES:
            self.fill(scene)
            for name, expected in EXPECTED.items():
                with self.session(program_of(name), *settings) as cursor:
                    for generic in (False, True):
                        for length in LENGTHS:
                            wrong = faults(self.plan(cursor, self.locking[name], generic, length), expected)
                            if wrong:
                                found[f"{name}, {scene}, {'generic' * generic}, {length}"] = wrong
        return found

    def test_no_locking_statement_is_forgotten(self):
        self.assertEqual(sorted(EXPECTED), sorted(self.locking))

    def test_every_statement_is_found_and_there_are_no_others(self):
        """One that the pattern does not find, or SQL that is no statement, would go unseen."""
        unseen = []
        for path in sources():
            text = path.read_text()
            defined = set(re.findall(r"\bStatement\s+(\w+)\s*\{", text)) - NO_STATEMENT - {"const"}
            unseen += [f"{path.name}: {name}" for name in defined - {name for name, _,
                                                                     _ in DEFINITION.findall(text)}]
            rest = DEFINITION.sub("", text)
            if path.name != "migrate.cpp":
                unseen += [f"{path.name}: {literal}" for literal in re.findall(r'"((?:[^"\\\n]|\\.)*)"', rest)
                           if re.match(r"(update \w+ |insert into |delete from |lock table )", literal,
                                       re.I) or
                           re.search(r"\bfor (no key )?(update|share)\b", literal, re.I)]
        self.assertEqual([], unseen)

    def test_rows_are_locked_in_the_order_of_their_keys(self):
        self.assertEqual({}, self.all_faults())

    def test_without_the_roles_settings_they_would_not_be(self):
        found = self.all_faults("SET enable_hashjoin = on", "SET enable_mergejoin = on",
                                "SET enable_seqscan = on")
        at_fault = {key.split(",")[0] for key in found}
        led_by_arrays = {name for name, expected in EXPECTED.items() if expected.how == "array"}
        self.assertLessEqual(3 * len(led_by_arrays) // 4, len(at_fault & led_by_arrays), sorted(at_fault))


if __name__ == "__main__":
    unittest.main()
