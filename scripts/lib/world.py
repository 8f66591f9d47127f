"""What exists before the first cart: sellers, their offers and warehouses, and the stock they begin with."""

from __future__ import annotations

import dataclasses
import json
import random
from pathlib import Path
from typing import Iterator

from .messages import Message, now, stock_moved

REGIONS = ("SP", "RJ", "MG", "PR", "SC", "RS", "BA")
CATEGORIES = ("books", "toys", "garden", "kitchen", "sports", "music", "pets", "tools")
CURRENCY = "BRL"
MOVEMENTS_IN_A_MESSAGE_MAX = 500


@dataclasses.dataclass(slots=True)
class Seller:
    seller_id: str
    region: str
    tags: tuple[str, ...] = ()
    suspended: bool = False
    warehouses: tuple[str, ...] = ("main",)  # in the order in which they are used


@dataclasses.dataclass(slots=True)
class Offer:
    seller_id: str
    sku: str
    price_minor: int
    category: str
    inactive: bool = False
    currency: str = CURRENCY


@dataclasses.dataclass
class World:
    """`stock` holds units by (seller, SKU, warehouse)."""

    sellers: dict[str, Seller] = dataclasses.field(default_factory=dict)
    offers: dict[tuple[str, str], Offer] = dataclasses.field(default_factory=dict)
    stock: dict[tuple[str, str, str], int] = dataclasses.field(default_factory=dict)

    def add_seller(self, seller: Seller) -> Seller:
        self.sellers[seller.seller_id] = seller
        return seller

    def add_offer(self, offer: Offer) -> Offer:
        self.offers[offer.seller_id, offer.sku] = offer
        return offer

    def put(self, seller_id: str, sku: str, warehouse: str, units: int) -> None:
        """Adds units to the stock a position begins with."""
        position = (seller_id, sku, warehouse)
        self.stock[position] = self.stock.get(position, 0) + units

    def spread(self, offer: Offer, units: int, rng: random.Random) -> None:
        """Puts units into the seller's warehouses, uneven shares, so that a larger line needs several."""
        warehouses = self.sellers[offer.seller_id].warehouses
        for warehouse in warehouses[:-1]:
            share = rng.randint(0, units) if units > 1 else units
            units -= share
            if share:
                self.put(offer.seller_id, offer.sku, warehouse, share)
        if units or len(warehouses) == 1:
            self.put(offer.seller_id, offer.sku, warehouses[-1], units)

    def initial_stock(self) -> Iterator[Message]:
        """The receipts that fill the shelves, through the front door: the ledger is true from row one."""
        movements = [{"kind": "receipt", "seller_id": seller_id, "sku": sku, "warehouse": warehouse,
                      "quantity": units}
                     for (seller_id, sku, warehouse), units in sorted(self.stock.items()) if units > 0]
        for begin in range(0, len(movements), MOVEMENTS_IN_A_MESSAGE_MAX):
            batch = movements[begin:begin + MOVEMENTS_IN_A_MESSAGE_MAX]
            occurred_at = now()
            yield stock_moved(f"initial-stock/{begin // MOVEMENTS_IN_A_MESSAGE_MAX}",
                              [{**movement, "occurred_at": occurred_at} for movement in batch],
                              source="urn:cartwright:warehouses")

    def write_catalogue(self, connection) -> None:
        """Writes sellers, offers and warehouses into MariaDB (a pymysql connection), in one transaction."""
        with connection.cursor() as cursor:
            cursor.execute("START TRANSACTION")
            cursor.executemany(
                "INSERT INTO seller (seller_id, status, region, tags) VALUES (%s, %s, %s, %s)",
                [(seller.seller_id, "suspended" if seller.suspended else "active", seller.region,
                  ",".join(seller.tags)) for seller in self.sellers.values()])
            cursor.executemany(
                "INSERT INTO warehouse (seller_id, warehouse, priority) VALUES (%s, %s, %s)",
                [(seller.seller_id, warehouse, priority) for seller in self.sellers.values()
                 for priority, warehouse in enumerate(seller.warehouses, 1)])
            cursor.executemany(
                "INSERT INTO offer (seller_id, sku, price_minor, currency, status, category) "
                "VALUES (%s, %s, %s, %s, %s, %s)",
                [(offer.seller_id, offer.sku, offer.price_minor, offer.currency,
                  "inactive" if offer.inactive else "active", offer.category)
                 for offer in self.offers.values()])
            cursor.execute("COMMIT")

    def save(self, path: Path) -> None:
        """Writes the world down as JSON, for whoever looks at a run later."""
        content = {"sellers": [dataclasses.asdict(seller) for seller in self.sellers.values()],
                   "offers": [dataclasses.asdict(offer) for offer in self.offers.values()],
                   "stock": [[*position, units] for position, units in self.stock.items()]}
        path.write_text(json.dumps(content))


def connect_catalogue(url: str):
    """A pymysql connection for mysql://user:password@host:port/database, with autocommit."""
    import urllib.parse

    import pymysql
    parts = urllib.parse.urlsplit(url)
    return pymysql.connect(host=parts.hostname, port=parts.port or 3306, user=parts.username,
                           password=urllib.parse.unquote(parts.password or ""),
                           database=parts.path.lstrip("/"), autocommit=True, charset="utf8mb4")
