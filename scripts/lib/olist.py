"""Real orders as carts: the files of the "Brazilian E-Commerce Public Dataset by Olist".

What is real: the orders in their order of sale, their sellers, products, prices and units (one row a unit,
kept as one line each), the sellers' states, the products' categories. What is made up, because the data set
has none: the stock (what was sold and a little more) and the warehouses (one to three a seller). Orders
were paid, so no cart may be rejected. With join = N, N neighbouring orders become one cart: real baskets
with several sellers.
"""

from __future__ import annotations

import csv
import dataclasses
import gzip
import io
import itertools
import random
from decimal import Decimal
from pathlib import Path
from typing import Iterable, Iterator

from .console import Trouble
from .world import CURRENCY, Offer, Seller, World

_SLACK_MAX = 3


@dataclasses.dataclass(slots=True)
class Item:
    """One unit sold."""

    number: str
    sku: str
    seller_id: str
    price_minor: int


@dataclasses.dataclass(slots=True)
class Order:
    order_id: str
    items: list[Item]


@dataclasses.dataclass
class Facts:
    """What the orders are like, to compare with what is known of the data set."""

    orders: int
    units: int
    several_sellers: int
    repeated_pairs: int
    pairs: int
    pairs_of_several_prices: int


class Olist:
    """The data set in a folder, the CSV files gzipped or not."""

    def __init__(self, folder: Path | str):
        self._folder = Path(folder)
        if not self._folder.is_dir():
            raise Trouble(f"there is no folder {self._folder}", "give the folder with order_items.csv(.gz)")
        self.orders = list(self._read_orders())

    def facts(self) -> Facts:
        prices: dict[tuple[str, str], set[int]] = {}
        several = repeated = 0
        for order in self.orders:
            pairs = [(item.seller_id, item.sku) for item in order.items]
            several += len({seller for seller, _ in pairs}) > 1
            repeated += len(set(pairs)) < len(pairs)
            for pair, item in zip(pairs, order.items):
                prices.setdefault(pair, set()).add(item.price_minor)
        return Facts(len(self.orders), sum(len(order.items) for order in self.orders), several, repeated,
                     len(prices), sum(len(seen) > 1 for seen in prices.values()))

    def carts(self, join: int = 1) -> Iterator[dict]:
        """The carts in the order of sale; `join` neighbouring orders make one."""
        orders = iter(self.orders)
        while group := list(itertools.islice(orders, join)):
            yield _cart(group)

    def world(self, seed: int, carts: Iterable[dict]) -> World:
        """Sellers and offers of the data set, and made-up stock that is enough for these carts."""
        world, rng = World(), random.Random(f"{seed}/olist")
        states = {row["seller_id"]: row["seller_state"] for row in self._rows("sellers")}
        categories = {row["product_id"]: row["product_category_name"] for row in self._rows("products")}
        sold: dict[tuple[str, str], int] = {}
        for cart in carts:
            for line in cart["lines"]:
                pair = (line["seller_id"], line["sku"])
                sold[pair] = sold.get(pair, 0) + line["quantity"]
                if pair not in world.offers:
                    world.add_offer(Offer(*pair, line["unit_price_minor"], categories.get(line["sku"], "")))
        for seller_id in sorted({seller_id for seller_id, _ in sold}):
            count = rng.choices((1, 2, 3), (6, 3, 1))[0]
            world.add_seller(Seller(seller_id, states.get(seller_id, ""),
                                    warehouses=tuple(f"made-up-{number}" for number in range(1, count + 1))))
        for pair, units in sold.items():
            world.spread(world.offers[pair], units + rng.randint(0, _SLACK_MAX), rng)
        return world

    def _read_orders(self) -> Iterator[Order]:
        """Rows of one order stand together, and orders in their order of sale."""
        rows = self._rows("order_items")
        for order_id, group in itertools.groupby(rows, key=lambda row: row["order_id"]):
            yield Order(order_id, [Item(row["order_item_id"], row["product_id"], row["seller_id"],
                                        int(Decimal(row["price"]) * 100)) for row in group])

    def _rows(self, name: str) -> Iterator[dict]:
        packed, plain = self._folder / f"{name}.csv.gz", self._folder / f"{name}.csv"
        if packed.exists():
            with gzip.open(packed, "rt", encoding="utf-8", newline="") as file:
                yield from csv.DictReader(file)
        elif plain.exists():
            with io.open(plain, encoding="utf-8-sig", newline="") as file:
                yield from csv.DictReader(file)
        else:
            raise Trouble(f"there is neither {packed} nor {plain.name}",
                          "give the folder with the data set's files")


def _cart(orders: list[Order]) -> dict:
    """Line ids are the item numbers, behind the place of their order where several are joined."""
    joined = len(orders) > 1
    lines = [{"line_id": f"{place}.{item.number}" if joined else item.number, "sku": item.sku,
              "seller_id": item.seller_id, "quantity": 1, "unit_price_minor": item.price_minor}
             for place, order in enumerate(orders, 1) for item in order.items]
    order_id = orders[0].order_id + (f"+{len(orders) - 1}" if joined else "")
    return {"order_id": order_id, "channel": "olist", "currency": CURRENCY, "paid": True, "lines": lines}
