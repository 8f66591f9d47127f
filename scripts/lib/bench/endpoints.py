"""How fast messages go out to HTTP endpoints that take everything."""

from __future__ import annotations

import time

from ..console import Trouble
from .market import Market, seller_id
from .rig import GIVE_UP_AFTER_S, Rig
from .routing import endpoints_of

HEALTHY = 200
WAITING = 10_000
_UNDELIVERED = ("select coalesce(sum(last_assigned), 0)::bigint - (select coalesce(sum(last_delivered), 0)::bigint "
                "from seller_delivery) from seller_stream")


def rate(rig: Rig, endpoints: int) -> dict:
    """Numbers messages without a router, then lets one deliver them."""
    market = Market(skus=endpoints, sellers=endpoints, elsewhere=endpoints)
    rig.restock(market)
    with endpoints_of(rig, [seller_id(number) for number in range(endpoints)]) as (receiver, config):
        with rig.fleet({"reserver": 1, "splitter": 1}, config) as fleet:
            carts = WAITING if endpoints == 1 else WAITING // 2
            rig.load("send", *rig.carts(market, "--carts", str(carts)))
            _until(rig, "select count(*) from orders", lambda count: count == carts)
            rig.until_empty(("reserver.carts", "splitter.orders"))
            waiting = _settled(rig)
            begun_at = time.monotonic()
            fleet.start("router", config=config)
            _until(rig, _UNDELIVERED, lambda left: left == 0)
            seconds = time.monotonic() - begun_at
    return {"endpoints": endpoints, "messages": waiting, "seconds": seconds, "per_s": waiting / seconds}


def _settled(rig: Rig) -> int:
    """How many messages have a number when no more get one."""
    before = -1
    while (now := rig.rows("select count(*) from seller_message")[0][0]) != before:
        before = now
        time.sleep(0.5)
    return now


def _until(rig: Rig, sql: str, enough) -> None:
    deadline = time.monotonic() + GIVE_UP_AFTER_S
    while not enough(rig.rows(sql)[0][0]):
        if time.monotonic() > deadline:
            raise Trouble(f"waited {GIVE_UP_AFTER_S} s in vain: {sql}", f"logs: {rig.servers.run.log}")
        time.sleep(0.05)
