"""Scenes: each exercises one thing on purpose, with sellers and SKUs of its own, and knows how it must end.

A scene puts what it needs into the world when it is made. `play` publishes, and yields publications whose
answers it waits for before it goes on.
"""

from __future__ import annotations

import random

from ..evidence import Race
from ..messages import now
from ..world import CURRENCY, Offer, Seller, World
from .faults import correctable, refused_movements, unreadable
from .stage import STAGED, Play, Stage, expect

READY, REJECTED = expect("ready"), ("rejected",)
SHORT = "short_stock"


class Scene:
    """`number` makes the ids of several plays of one scene different."""

    rejects = True  # some of its carts are rejected: left out where no rejection is expected

    def __init__(self, world: World, number: int, rng: random.Random):
        self.world, self.number, self.rng = world, number, rng
        self.name = type(self).__name__
        self.key = f"{self.name}-{number}"
        self.prepare()

    def prepare(self) -> None:
        """Sellers, offers and stock."""

    def play(self, stage: Stage) -> Play:
        """What happens."""
        raise NotImplementedError

    def seller(self, name: str = "a", warehouses: tuple[str, ...] = ("main",),
               suspended: bool = False) -> str:
        seller = Seller(f"stage-{self.key}-{name}", "SP", ("staged",), suspended, warehouses)
        return self.world.add_seller(seller).seller_id

    def offer(self, seller_id: str, name: str = "x", price_minor: int = 1000, **more) -> str:
        offer = Offer(seller_id, f"{self.key}-{name}", price_minor, STAGED, **more)
        return self.world.add_offer(offer).sku

    def stocked(self, units: int, seller: str = "a", sku: str = "x") -> tuple[str, str]:
        """A seller with one offer and so many units in one warehouse."""
        seller_id = self.seller(seller)
        offered = self.offer(seller_id, sku)
        if units:
            self.world.put(seller_id, offered, "main", units)
        return seller_id, offered

    def cart(self, name: str, *lines: dict, **more) -> dict:
        return {"order_id": f"{self.key}-{name}", "channel": "stage", "currency": CURRENCY, "paid": True,
                "lines": list(lines), **more}


def line(sku: str, quantity: int = 1, seller_id: str | None = None, line_id: str = "1", **more) -> dict:
    named = {"seller_id": seller_id} if seller_id else {}
    return {"line_id": line_id, "sku": sku, "quantity": quantity, **named, **more}


def movement(kind: str, seller_id: str, sku: str, quantity: int, warehouse: str = "main", **more) -> dict:
    return {"kind": kind, "seller_id": seller_id, "sku": sku, "warehouse": warehouse, "quantity": quantity,
            "occurred_at": now(), **more}


class SpillOver(Scene):
    """A line that no single warehouse can serve is taken from several."""

    rejects = False

    def prepare(self) -> None:
        self.seller_id = self.seller(warehouses=("near", "middle", "far"))
        self.sku = self.offer(self.seller_id)
        for warehouse in ("near", "middle", "far"):
            self.world.put(self.seller_id, self.sku, warehouse, 2)

    def play(self, stage: Stage) -> Play:
        yield [stage.cart(self.cart("five", line(self.sku, 5, self.seller_id)), READY)]
        stage.cart(self.cart("last", line(self.sku, 1, self.seller_id)), READY)


class ChosenSeller(Scene):
    """Nobody is named: the cheaper of two sellers is chosen while stock lasts, then the other."""

    def prepare(self) -> None:
        for name, price in (("cheap", 900), ("dear", 1100)):
            seller_id = self.seller(name)
            self.sku = self.offer(seller_id, price_minor=price)
            self.world.put(seller_id, self.sku, "main", 1)

    def play(self, stage: Stage) -> Play:
        for name in ("first", "second"):
            yield [stage.cart(self.cart(name, line(self.sku)), READY)]
        stage.cart(self.cart("third", line(self.sku)), expect("rejected", reasons=[("1", SHORT)]))
        stage.exercised["sellers chosen by price and stock"] += 2


class TwoLinesOneSku(Scene):
    """Two lines ask for one SKU: their sum has to be there."""

    def prepare(self) -> None:
        self.seller_id, self.sku = self.stocked(5)

    def play(self, stage: Stage) -> Play:
        def two(name: str, first: int, second: int) -> dict:
            return self.cart(name, line(self.sku, first, self.seller_id),
                             line(self.sku, second, self.seller_id, "2"))

        yield [stage.cart(two("six", 3, 3), expect("rejected", codes=[SHORT]))]
        stage.cart(two("five", 2, 3), READY)
        stage.exercised["carts with two lines of one SKU"] += 2


class Partial(Scene):
    """Policy partial: what is there is reserved; when nothing is, the cart is rejected."""

    def prepare(self) -> None:
        self.seller_id, self.sku = self.stocked(3)

    def play(self, stage: Stage) -> Play:
        yield [stage.cart(self.cart("some", line(self.sku, 5, self.seller_id), policy="partial"), READY)]
        stage.cart(self.cart("none", line(self.sku, 5, self.seller_id), policy="partial"),
                   expect("rejected", reasons=[("1", SHORT)]))
        stage.exercised["carts served in part"] += 1


class HoldAndFill(Scene):
    """A cart of two sellers waits for stock, gets it in two deliveries, and its sender is told."""

    rejects = False

    def prepare(self) -> None:
        self.offers = [self.stocked(0, seller, seller) for seller in ("a", "b")]

    def play(self, stage: Stage) -> Play:
        lines = [line(sku, 2, seller_id, str(number)) for number,
                 (seller_id, sku) in enumerate(self.offers, 1)]
        yield [stage.cart(self.cart("waits", *lines, policy="hold"), READY)]
        for seller_id, sku in self.offers:
            yield [stage.move([movement("receipt", seller_id, sku, 2)])]


class HeldForEver(Scene):
    """A held cart whose stock never comes keeps waiting; one that is cancelled waits no longer."""

    rejects = False

    def prepare(self) -> None:
        self.seller_id, self.sku = self.stocked(1)

    def play(self, stage: Stage) -> Play:
        wanted = line(self.sku, 2, self.seller_id)
        stage.cart(self.cart("waits", wanted, policy="hold"), expect("pending"))
        yield [stage.cart(self.cart("gives-up", wanted, policy="hold"), expect("cancelled"))]
        yield [stage.cancel(self.cart("gives-up")["order_id"])]
        stage.exercised["held carts cancelled"] += 1


class Unpaid(Scene):
    """A cart that is not paid is reserved, and no seller hears of it, not even when it is cancelled."""

    rejects = False

    def prepare(self) -> None:
        self.seller_id, self.sku = self.stocked(2)

    def play(self, stage: Stage) -> Play:
        wanted = line(self.sku, 1, self.seller_id, unit_price_minor=1000)
        stage.cart(self.cart("kept", wanted, paid=False), expect("reserved"))
        yield [stage.cart(self.cart("dropped", wanted, paid=False), expect("cancelled"))]
        stage.cancel(self.cart("dropped")["order_id"])


class Rejections(Scene):
    """Every reason for which a cart is refused; a cart with several bad lines is told all of them."""

    def prepare(self) -> None:
        self.good_seller, self.good = self.stocked(50)
        self.suspended = self.seller("suspended", suspended=True)
        self.of_suspended = self.offer(self.suspended, "of-suspended")
        self.inactive = self.offer(self.good_seller, "inactive", inactive=True)
        self.dollars = self.offer(self.good_seller, "dollars", currency="USD")

    def play(self, stage: Stage) -> Play:
        bad = {"unknown_sku": line(f"{self.key}-nobody-sells-it"),
               "seller_mismatch": line(self.good, 1, self.suspended),
               "seller_suspended": line(self.of_suspended, 1, self.suspended),
               "offer_inactive": line(self.inactive, 1, self.good_seller),
               "currency_mismatch": line(self.dollars, 1, self.good_seller),
               "price_changed": line(self.good, 1, self.good_seller, unit_price_minor=1)}
        for code, wanted in bad.items():
            stage.cart(self.cart(code, wanted, paid=code != "price_changed"),
                       expect("rejected", reasons=[("1", code)]))
        several = [{**wanted, "line_id": code} for code, wanted in bad.items() if code != "price_changed"]
        stage.cart(self.cart("several", line(self.good, 1, self.good_seller, "good"), *several),
                   expect("rejected", reasons=[(each["line_id"], each["line_id"]) for each in several]))
        good = line(self.good, 1, self.good_seller)
        stage.cart(self.cart("empty"), expect("rejected", reasons=[("", "empty_cart")]))
        stage.cart(self.cart("zero", {**good, "quantity": 0}),
                   expect("rejected", reasons=[("1", "quantity_invalid")]))
        stage.cart(self.cart("negative", {**good, "quantity": -1}),
                   expect("rejected", reasons=[("1", "quantity_invalid")]))
        stage.cart(self.cart("twice", good, good), expect("rejected", reasons=[("1", "repeated_line_id")]))
        stage.cart(self.cart("long", *[{**good, "line_id": str(number)} for number in range(600)]),
                   expect("rejected", reasons=[("", "too_many_lines")]))
        yield [stage.cart(self.cart("short", line(self.good, 51, self.good_seller)),
                          expect("rejected", reasons=[("1", SHORT)]))]
        stage.cart(self.cart("good", good), READY)


class Conflict(Scene):
    """One order id, two different carts: one counts, the other is parked and its sender is told."""

    rejects = False

    def prepare(self) -> None:
        self.seller_id, self.sku = self.stocked(9)

    def play(self, stage: Stage) -> Play:
        for name in ("at-once", "later"):
            first = stage.cart(self.cart(name, line(self.sku, 1, self.seller_id)), READY)
            if name == "later":
                yield [first]
            stage.cart(self.cart(name, line(self.sku, 2, self.seller_id)))
            stage.exercised["order ids used for two carts"] += 1


class OvertakenCart(Scene):
    """The cancellation is there before its cart: the cart is then not reserved."""

    rejects = False

    def prepare(self) -> None:
        self.seller_id, self.sku = self.stocked(2)

    def play(self, stage: Stage) -> Play:
        cart = self.cart("overtaken", line(self.sku, 1, self.seller_id))
        yield [stage.cancel(cart["order_id"])]
        stage.cart(cart, expect("cancelled"))
        stage.cancel(self.cart("never-comes")["order_id"])
        stage.exercised["cancellations before their cart"] += 2


class CancelledTwice(Scene):
    """Buyer and channel cancel one order under two ids; the units are free once, and sold once more."""

    def prepare(self) -> None:
        self.seller_id, self.sku = self.stocked(2)

    def play(self, stage: Stage) -> Play:
        wanted = line(self.sku, 1, self.seller_id)
        yield [stage.cart(self.cart("cancelled", wanted), expect("cancelled")),
               stage.cart(self.cart("stays", wanted), READY)]
        order_id = self.cart("cancelled")["order_id"]
        both = [stage.cancel(order_id, reason="buyer"), stage.cancel(order_id, reason="channel")]
        yield both
        stage.repeat(both[0])
        yield [stage.cart(self.cart("gets-it", wanted), READY)]
        rejected = stage.cart(self.cart("too-late", wanted), expect("rejected", reasons=[("1", SHORT)]))
        yield [rejected]
        stage.cancel(rejected.key)
        stage.exercised["orders cancelled under two ids"] += 1


class CancelledInPart(Scene):
    """Some units are cancelled, then more, then the whole rest; more than there is, is refused."""

    rejects = False

    def prepare(self) -> None:
        self.seller_id, self.sku = self.stocked(6)

    def play(self, stage: Stage) -> Play:
        cart = self.cart("shrinks", line(self.sku, 4, self.seller_id), line(self.sku, 2, self.seller_id, "2"))
        yield [stage.cart(cart, expect("cancelled"))]
        first = stage.cancel(cart["order_id"], {"1": 1})
        yield [first, stage.cancel(cart["order_id"], {"1": 1, "2": 2})]
        stage.repeat(first)
        yield [stage.cancel(cart["order_id"], {"1": 3}, must_park=frozenset({"movement_rejected"}))]
        stage.cancel(cart["order_id"])
        stage.exercised["orders cancelled in part"] += 1


class DispatchBeforeOrder(Scene):
    """A dispatch of an order that is not known yet waits on the retry ladder."""

    rejects = False

    def prepare(self) -> None:
        self.seller_id, self.sku = self.stocked(3)

    def play(self, stage: Stage) -> Play:
        cart = self.cart("early", line(self.sku, 3, self.seller_id))
        stage.move([movement("dispatch", self.seller_id, self.sku, 2, order_id=cart["order_id"],
                             line_id="1")])
        stage.cart(cart, READY)
        stage.exercised["dispatches before their order"] += 1
        return
        yield


class ShipAndReturn(Scene):
    """A dispatched unit comes back and is sold again; what has left cannot be cancelled."""

    rejects = False

    def prepare(self) -> None:
        self.seller_id, self.sku = self.stocked(1)

    def play(self, stage: Stage) -> Play:
        cart = self.cart("ships", line(self.sku, 1, self.seller_id))
        of_line = {"order_id": cart["order_id"], "line_id": "1"}
        yield [stage.cart(cart, READY)]
        yield [stage.move([movement("dispatch", self.seller_id, self.sku, 1, **of_line)])]
        yield [stage.cancel(cart["order_id"], must_park=frozenset({"movement_rejected"}))]
        returned = stage.move([movement("return", self.seller_id, self.sku, 1, **of_line)])
        yield [returned, stage.repeat(returned)]
        stage.cart(self.cart("again", line(self.sku, 1, self.seller_id)), READY)


class Shortfall(Scene):
    """A count finds fewer than are promised; a cancellation then frees units that are not there."""

    def prepare(self) -> None:
        self.seller_id, self.sku = self.stocked(5)

    def play(self, stage: Stage) -> Play:
        cart = self.cart("promised", line(self.sku, 5, self.seller_id))
        yield [stage.cart(cart, READY)]
        yield [stage.move([movement("count", self.seller_id, self.sku, 3)])]
        yield [stage.cancel(cart["order_id"], {"1": 2})]
        stage.cart(self.cart("none-left", line(self.sku, 1, self.seller_id)),
                   expect("rejected", reasons=[("1", SHORT)]))
        stage.exercised["counts below what was promised"] += 1


class LateReceipt(Scene):
    """A receipt older than a count is in the count already."""

    def prepare(self) -> None:
        self.seller_id, self.sku = self.stocked(0)

    def play(self, stage: Stage) -> Play:
        yield [stage.move([movement("count", self.seller_id, self.sku, 4)])]
        late = movement("receipt", self.seller_id, self.sku, 3) | {"occurred_at": now(-3600)}
        yield [stage.move([late])]
        yield [stage.cart(self.cart("five", line(self.sku, 5, self.seller_id)),
                          expect("rejected", reasons=[("1", SHORT)]))]
        stage.cart(self.cart("four", line(self.sku, 4, self.seller_id)), READY)


class LastUnit(Scene):
    """Eight carts at once want the last unit; one gets it."""

    def prepare(self) -> None:
        self.seller_id, self.sku = self.stocked(1)

    def play(self, stage: Stage) -> Play:
        carts = [self.cart(str(number), line(self.sku, 1, self.seller_id)) for number in range(8)]
        stage.evidence.races.append(Race(tuple(cart["order_id"] for cart in carts), 1,
                                         f"last unit of {self.sku}"))
        for cart in carts:
            stage.cart(cart, expect("ready", "rejected", codes=[SHORT]))
        stage.exercised["races for a last unit"] += 1
        return
        yield


class Unreadable(Scene):
    """Everything that fails for good: it is parked whole, with its reason, and its sender is told."""

    rejects = False

    def prepare(self) -> None:
        self.seller_id, self.sku = self.stocked(0)
        self.good_seller, self.good = self.stocked(1, "good", "good")

    def play(self, stage: Stage) -> Play:
        for reason, message in unreadable(self.number):
            stage.publish(message, "fault", "", None, must_park=frozenset({reason}))
        for refused in refused_movements(self.seller_id, self.sku):
            if refused["kind"] == "release":
                yield [stage.cart(self.cart("kept", line(self.good, 1, self.good_seller)), READY)]
                refused |= {"seller_id": self.good_seller, "sku": self.good, "quantity": 2, "line_id": "1",
                            "order_id": self.cart("kept")["order_id"]}
            stage.move([refused], must_park=frozenset({"movement_rejected"}))


class Corrected(Scene):
    """A cart that cannot be read; later it is corrected and replayed, an order like any other."""

    rejects = False

    def prepare(self) -> None:
        self.seller_id, self.sku = self.stocked(1)

    def play(self, stage: Stage) -> Play:
        message, self.right_body, self.right_cart = correctable(f"{self.key}-order", self.seller_id, self.sku)
        self.sent = stage.publish(message, "fault", "", None, must_park=frozenset({"malformed"}))
        yield [self.sent]


ALL = (SpillOver, ChosenSeller, TwoLinesOneSku, Partial, HoldAndFill, HeldForEver, Unpaid, Rejections,
       Conflict, OvertakenCart, CancelledTwice, CancelledInPart, DispatchBeforeOrder, ShipAndReturn,
       Shortfall, LateReceipt, LastUnit, Unreadable)
