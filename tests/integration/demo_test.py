"""The demonstration from one command: it starts everything, every promise holds, it stops everything."""

import csv
import json
import os
import subprocess
import tempfile
import unittest
from pathlib import Path

from lib import processes
from lib.run_directory import REPOSITORY

# (order, item, product, seller, price): the third order has two sellers, the second two units of one product.
ITEMS = [("o1", 1, "p1", "s1", "59.90"), ("o2", 1, "p2", "s2", "10.00"), ("o2", 2, "p2", "s2", "10.00"),
         ("o3", 1, "p1", "s1", "61.50"), ("o3", 2, "p3", "s3", "5.05"), ("o4", 1, "p4", "s3", "1.00")]


class DemoTest(unittest.TestCase):
    def setUp(self):
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory(prefix="cartwright-demo-test-")))
        self.run_directory = self.folder / "run"

    def demo(self, *arguments: str) -> tuple[subprocess.CompletedProcess, dict]:
        result = subprocess.run(
            [REPOSITORY / "scripts/demo", "--no-build", "--preset",
             os.environ.get("CARTWRIGHT_PRESET", "release"), "--run-dir", self.run_directory, "--json",
             self.folder / "summary.json", *arguments],
            capture_output=True, text=True, timeout=280, check=False)
        self.assertEqual(result.returncode, 0, result.stdout[-6000:] + result.stderr[-2000:])
        return result, json.loads((self.folder / "summary.json").read_text())

    def test_made_up_carts(self):
        result, summary = self.demo("--carts", "250", "--seed", "3")
        self.assertIn("Every promise held.", result.stdout)
        self.assertTrue(summary["held"])
        self.assertEqual(set(summary["promises"]), {"P1", "P2", "P3", "P4", "P5", "P7"})
        counts = summary["counts"]
        self.assertGreater(counts["carts"]["orders asked for"], 250)
        for code in ("short_stock", "unknown_sku", "seller_suspended", "offer_inactive", "price_changed",
                     "currency_mismatch", "quantity_invalid", "empty_cart", "too_many_lines",
                     "repeated_line_id", "seller_mismatch"):
            self.assertGreater(counts["rejections"][code], 0, code)
        for reason in ("malformed", "unknown_type", "unsupported_version", "body_too_large", "id_conflict",
                       "movement_rejected", "corrected and replayed"):
            self.assertGreater(counts["parked"][reason], 0, reason)
        self.assertGreater(counts["held"]["filled when stock came"], 0)
        self.assertGreater(counts["held"]["still waiting"], 0)
        self.assertGreater(counts["sellers"]["lines from 2 or more warehouses"], 0)
        self.assertGreater(counts["cancellations"]["orders cancelled before a unit was reserved"], 0)
        self.assertGreater(counts["cancellations"]["sellers told, some units"], 0)
        self.assertEqual(processes.marked(self.run_directory), [], "it left processes running")

    def test_endpoints(self):
        """Every seller beside the shared queues has its story, and every part of it happened."""
        result, summary = self.demo("--carts", "600", "--seed", "5")
        told = {what: text for what, _, text in summary["told"]}
        for what, said in (("a queue of its own", "in seller.seller-"), ("busy for a while", "503 three times"),
                           ("slow for a while", "answered too late twice"), ("dead and back", "nobody listened for"),
                           ("gone for a while", "until it was resumed by command"),
                           ("refused for good", "was voided by command"),
                           ("moved by changed rules", "to its endpoint"),
                           ("rules changed", "refused by 4 replicas")):
            self.assertIn(said, told.get(what, ""), what)
            self.assertIn(told[what], result.stdout)
        counts = summary["counts"]["endpoints"]
        self.assertEqual(counts["messages that were voided"], 1)
        self.assertEqual(counts["streams that were switched"], 1)
        self.assertGreaterEqual(counts["calls that did not take the message"], 5)
        self.assertEqual(counts["calls whose signature fits"], counts["calls"])

    def test_real_orders(self):
        self.write("order_items", ("order_id", "order_item_id", "product_id", "seller_id", "price"), ITEMS)
        self.write("products", ("product_id", "product_category_name"),
                   [("p1", "perfumaria"), ("p2", "artes")])
        self.write("sellers", ("seller_id", "seller_state"), [("s1", "SP"), ("s2", "RJ"), ("s3", "MG")])
        result, summary = self.demo("--olist", str(self.folder))
        self.assertIn("Made up: the stock", result.stdout)
        self.assertEqual(summary["counts"]["carts"]["rejected"], 0)
        self.assertEqual(summary["counts"]["rejections"], {})
        self.assertEqual(summary["counts"]["stock"]["prices changed"], 1)
        self.assertIn("a queue of its own", [what for what, *_ in summary["told"]])

    def write(self, name: str, columns: tuple, rows: list[tuple]) -> None:
        with open(self.folder / f"{name}.csv", "w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([columns, *rows])
