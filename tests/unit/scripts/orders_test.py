"""Where the demonstration's carts come from: the generator, the real orders, and how a repeat is written."""

import csv
import gzip
import json
import tempfile
import unittest
from pathlib import Path

from lib.console import Trouble
from lib.demonstration.faults import unreadable
from lib.demonstration.replay import withhold
from lib.evidence import digest_of_cart
from lib.generator import Generator
from lib.messages import cart_submitted, re_serialised
from lib.olist import Olist
from lib.world import MOVEMENTS_IN_A_MESSAGE_MAX

ITEMS = [("o1", 1, "p1", "s1", "59.9"), ("o2", 1, "p2", "s2", "10.00"), ("o2", 2, "p2", "s2", "10.00"),
         ("o3", 1, "p1", "s1", "61.505"), ("o3", 2, "p3", "s3", "0.29")]


class GeneratorTest(unittest.TestCase):
    def test_the_same_seed_gives_the_same(self):
        first, second, other = Generator(5, 300), Generator(5, 300), Generator(6, 300)
        self.assertEqual(first.world, second.world)
        carts = list(first.carts(300))
        self.assertEqual(carts, list(second.carts(300)))
        self.assertNotEqual(carts, list(other.carts(300)))

    def test_the_mix(self):
        generator = Generator(1, 5000)
        carts = list(generator.carts(5000))
        self.assertEqual(len({cart["order_id"] for cart in carts}), 5000)
        several = sum(len({line.get("seller_id", line["line_id"]) for line in cart["lines"]}) > 1
                      for cart in carts)
        self.assertTrue(0.27 < several / 5000 < 0.40, several)
        wanted: dict[str, int] = {}
        for cart in carts:
            for line in cart["lines"]:
                wanted[line["sku"]] = wanted.get(line["sku"], 0) + line["quantity"]
                self.assertIn((line.get("seller_id"), line["sku"]),
                              generator.world.offers | {(None, line["sku"]): 0})
        hottest = max(wanted.values())
        self.assertGreater(hottest, 20 * sum(wanted.values()) / len(wanted))

    def test_initial_stock_in_bounded_messages(self):
        world = Generator(1, 1000).world
        messages = [json.loads(message.body)["data"]["movements"] for message in world.initial_stock()]
        self.assertLessEqual(max(map(len, messages)), MOVEMENTS_IN_A_MESSAGE_MAX)
        self.assertEqual(sum(movement["quantity"] for movements in messages for movement in movements),
                         sum(world.stock.values()))


class OlistTest(unittest.TestCase):
    def setUp(self):
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.write("products", ("product_id", "product_category_name"), [("p1", "perfumaria")])
        self.write("sellers", ("seller_id", "seller_state"), [("s1", "SP")])

    def write(self, name: str, columns: tuple, rows: list[tuple], packed: bool = False) -> None:
        opened = gzip.open if packed else open
        path = self.folder / (f"{name}.csv.gz" if packed else f"{name}.csv")
        with opened(path, "wt", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([columns, *rows])

    def write_items(self, packed: bool) -> None:
        self.write("order_items", ("order_id", "order_item_id", "product_id", "seller_id", "price"), ITEMS,
                   packed)

    def test_orders_in_their_order_with_a_line_a_unit(self):
        for packed in (False, True):
            self.write_items(packed)
            carts = list(Olist(self.folder).carts())
            self.assertEqual([cart["order_id"] for cart in carts], ["o1", "o2", "o3"])
            self.assertEqual([(line["line_id"], line["sku"], line["quantity"], line["unit_price_minor"])
                              for line in carts[1]["lines"]], [("1", "p2", 1, 1000), ("2", "p2", 1, 1000)])
            self.assertEqual(carts[0]["lines"][0]["unit_price_minor"], 5990)
            self.assertEqual(carts[2]["lines"][1]["unit_price_minor"], 29)
            self.assertTrue(all(cart["paid"] for cart in carts))
            (self.folder / "order_items.csv").unlink(missing_ok=True)

    def test_facts(self):
        self.write_items(packed=True)
        facts = Olist(self.folder).facts()
        self.assertEqual((facts.orders, facts.units, facts.several_sellers, facts.repeated_pairs, facts.pairs,
                          facts.pairs_of_several_prices), (3, 5, 1, 1, 3, 1))

    def test_joined_orders_keep_every_line_apart(self):
        self.write_items(packed=False)
        carts = list(Olist(self.folder).carts(join=2))
        self.assertEqual([cart["order_id"] for cart in carts], ["o1+1", "o3"])
        self.assertEqual([line["line_id"] for line in carts[0]["lines"]], ["1.1", "2.1", "2.2"])

    def test_stock_is_enough_with_what_comes_late(self):
        self.write_items(packed=False)
        olist = Olist(self.folder)
        world = olist.world(1, olist.carts())
        late = withhold(world, 1)
        self.assertTrue(late)
        units: dict[tuple[str, str], int] = {}
        for (seller_id, sku, warehouse), count in [*world.stock.items(), *late.items()]:
            self.assertIn(warehouse, world.sellers[seller_id].warehouses)
            units[seller_id, sku] = units.get((seller_id, sku), 0) + count
        self.assertGreaterEqual(units["s2", "p2"], 2)
        self.assertGreaterEqual(units["s1", "p1"], 2)
        self.assertGreaterEqual(units["s3", "p3"], 1)
        self.assertEqual(world.offers["s1", "p1"].category, "perfumaria")

    def test_a_folder_without_the_files(self):
        with self.assertRaisesRegex(Trouble, "order_items"):
            Olist(self.folder)


class MessagesTest(unittest.TestCase):
    def test_a_repeat_has_other_bytes_and_the_same_meaning(self):
        cart = next(Generator(1, 10).carts(1))
        message = cart_submitted(cart)
        again = re_serialised(message)
        self.assertNotEqual(message.body, again.body)
        self.assertEqual(message.message_id, again.message_id)
        self.assertEqual(json.loads(again.body)["data"], cart)

    def test_the_digest_of_a_cart_is_of_its_meaning(self):
        cart = {"order_id": "1", "channel": "c", "currency": "BRL", "lines": [
            {"line_id": "1", "sku": "a", "quantity": 1}, {"line_id": "2", "sku": "b", "quantity": 1}]}
        same = {**cart, "paid": False, "policy": "all_or_nothing", "lines": cart["lines"][::-1]}
        self.assertEqual(digest_of_cart(cart), digest_of_cart(same))
        self.assertNotEqual(digest_of_cart(cart), digest_of_cart({**cart, "paid": True}))

    def test_faults_differ_from_each_other_and_from_play_to_play(self):
        bodies = [message.body for number in (1, 2, 3) for _, message in unreadable(number)]
        self.assertEqual(len(bodies), len(set(bodies)))


if __name__ == "__main__":
    unittest.main()
