"""A made-up marketplace and its carts, the same for the same seed.

A few SKUs are hot (Zipf's law) and sell out; about 30 % of the carts have several sellers; some SKUs are sold
by two or three sellers at different prices. Carts come as `data` of cartwright.cart.submitted.v1.
"""

from __future__ import annotations

import dataclasses
import itertools
import random
from typing import Iterator

from .world import CATEGORIES, CURRENCY, REGIONS, Offer, Seller, World

_CHANNELS = ("web", "app", "market-north", "market-south")
_CHUNK = 4096


@dataclasses.dataclass(frozen=True)
class Mix:
    """Shares of the carts; the rest has one seller, is paid and of policy all_or_nothing."""

    multi_seller: float = 0.30
    unpaid: float = 0.04
    partial: float = 0.03
    hold: float = 0.01
    seller_unnamed: float = 0.10  # lines that leave the choice of the seller to the reserver
    lines_max: int = 5
    zipf_exponent: float = 0.9


class Generator:
    """Makes a world for about `carts` carts, and the carts."""

    def __init__(self, seed: int, carts: int, sellers: int = 150, skus: int = 2500, mix: Mix = Mix()):
        self._rng = random.Random(f"{seed}/carts")
        self._mix = mix
        self.world = World()
        rng = random.Random(f"{seed}/world")
        self._make_sellers(rng, sellers)
        self._hot_first = self._make_offers(rng, skus)
        self._by_seller: dict[str, list[Offer]] = {}
        for offer in self._hot_first:
            self._by_seller.setdefault(offer.seller_id, []).append(offer)
        weights = [1 / rank ** mix.zipf_exponent for rank in range(1, len(self._hot_first) + 1)]
        self._cumulative = list(itertools.accumulate(weights))
        self._fill_shelves(rng, carts, weights)
        self._picks = self._pick_offers()

    def carts(self, count: int, prefix: str = "order") -> Iterator[dict]:
        """The next carts, with order ids <prefix>-000001, …"""
        for number in range(1, count + 1):
            yield self._cart(f"{prefix}-{number:06d}")

    @property
    def hot_offers(self) -> list[Offer]:
        """All offers, the most wanted first."""
        return self._hot_first

    def _make_sellers(self, rng: random.Random, count: int) -> None:
        for number in range(1, count + 1):
            names = ("north", "south", "west")[:rng.choices((1, 2, 3), (5, 3, 2))[0]]
            tags = tuple(tag for tag in ("express", "fragile", "new") if rng.random() < 0.2)
            self.world.add_seller(Seller(f"seller-{number:04d}", rng.choice(REGIONS), tags, warehouses=names))

    def _make_offers(self, rng: random.Random, skus: int) -> list[Offer]:
        """One to three sellers a SKU; returned in order of demand."""
        seller_ids = list(self.world.sellers)
        offers = []
        for number in range(1, skus + 1):
            sku, category, price = f"SKU-{number:05d}", rng.choice(CATEGORIES), rng.randint(500, 40_000)
            for seller_id in rng.sample(seller_ids, rng.choices((1, 2, 3), (80, 15, 5))[0]):
                offers.append(self.world.add_offer(
                    Offer(seller_id, sku, price + rng.randint(0, price // 10), category)))
        rng.shuffle(offers)
        return offers

    def _fill_shelves(self, rng: random.Random, carts: int, weights: list[float]) -> None:
        """Enough for most, too little for the ten hottest."""
        units_wanted = carts * 2.6
        total = sum(weights)
        for rank, (offer, weight) in enumerate(zip(self._hot_first, weights)):
            expected = units_wanted * weight / total
            share = rng.uniform(0.4, 0.7) if rank < 10 else rng.uniform(0.9, 2.0)
            self.world.spread(offer, int(expected * share) + rng.randint(1, 5), rng)

    def _pick_offers(self) -> Iterator[Offer]:
        while True:
            yield from self._rng.choices(self._hot_first, cum_weights=self._cumulative, k=_CHUNK)

    def _cart(self, order_id: str) -> dict:
        rng, mix = self._rng, self._mix
        offers = self._offers_of_several(rng) if rng.random() < mix.multi_seller else self._offers_of_one(rng)
        paid = rng.random() >= mix.unpaid
        cart = {"order_id": order_id, "channel": rng.choice(_CHANNELS), "currency": CURRENCY, "paid": paid,
                "lines": [self._line(rng, number, offer) for number, offer in enumerate(offers, 1)]}
        policy = rng.random()
        if policy < mix.partial:
            cart["policy"] = "partial"
        elif policy < mix.partial + mix.hold:
            cart["policy"] = "hold"
        return cart

    def _line(self, rng: random.Random, number: int, offer: Offer) -> dict:
        line = {"line_id": str(number), "sku": offer.sku,
                "quantity": rng.choices((1, 2, 3, 6), (80, 14, 5, 1))[0]}
        if rng.random() >= self._mix.seller_unnamed:
            line["seller_id"] = offer.seller_id
            line["unit_price_minor"] = offer.price_minor
        return line

    def _offers_of_several(self, rng: random.Random) -> list[Offer]:
        wanted, chosen = rng.randint(2, self._mix.lines_max), {}
        while len(chosen) < wanted:
            offer = next(self._picks)
            chosen.setdefault(offer.seller_id, offer)
        return list(chosen.values())

    def _offers_of_one(self, rng: random.Random) -> list[Offer]:
        first = next(self._picks)
        lines = rng.choices((1, 2, 3), (60, 30, 10))[0]
        others = self._by_seller[first.seller_id]
        return [first] + [rng.choice(others) for _ in range(lines - 1)]
