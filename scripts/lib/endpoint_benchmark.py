"""What scripts/bench measures of sellers' HTTP endpoints."""

from __future__ import annotations

import base64
import contextlib
import json
import tempfile
import time
from pathlib import Path

from . import benchmark, operator_command
from .console import Trouble
from .fleet import Fleet, with_rules
from .messages import cart_submitted
from .publisher import Publisher
from .receiver import ReceiverProcess
from .reset import postgres_connection
from .servers import Servers

BROKEN = 50
HEALTHY = 200
WAITING = 10_000
_BEHAVIOURS = ({"status": 500}, {"status": 410}, {"status": 422}, {"stall_s": 30}, {"cut": True})
_GIVE_UP_AFTER_S = 180


class Endpoints:
    """A receiver, and the rules that send sellers to it, each to a path of its own."""

    def __init__(self, servers: Servers, folder: Path, sellers: list[str]):
        secret = "whsec_" + base64.b64encode(b"b" * 32).decode()
        (folder / "secret").write_text(secret)
        (folder / "rules").mkdir()
        self.receiver = ReceiverProcess(folder / "arrivals.jsonl", secret, servers.run.log / "bench-receiver.log")
        self._log = folder / "arrivals.jsonl"
        destinations = {seller: {"url": self.receiver.url(seller), "secrets": [f"file:{folder / 'secret'}"],
                                 "private_addresses": True} for seller in sellers}
        rules = {"destinations": destinations,
                 "deliveries": [{"name": seller, "match": {"seller": seller}, "to": seller} for seller in sellers]}
        (folder / "rules/rules.yaml").write_text(json.dumps(rules))
        self.config = folder / "cartwright.yaml"
        self.config.write_text(with_rules(folder / "rules"))

    def accepted(self) -> int:
        with open(self._log, "rb") as log:
            return sum(b"endpoint:" in line for line in log)


@contextlib.contextmanager
def endpoints_of(servers: Servers, sellers: list[str]):
    with tempfile.TemporaryDirectory() as folder:
        endpoints = Endpoints(servers, Path(folder), sellers)
        try:
            yield endpoints
        finally:
            endpoints.receiver.stop()


def others_latency(servers: Servers, market: benchmark.Market, rate: int, seconds: int, preset: str) -> dict:
    """Latency of the sellers on shared queues while 50 others' endpoints are broken, and while nobody's is."""
    sellers = [seller for seller in market.world.sellers][:BROKEN]
    with endpoints_of(servers, sellers) as endpoints:
        for place, seller in enumerate(sellers):
            endpoints.receiver.behave(seller, **_BEHAVIOURS[place % len(_BEHAVIOURS)])
        broken = benchmark.latency(servers, market, rate, seconds, preset, config=endpoints.config, elsewhere=set(sellers))
        _mend(servers, endpoints, sellers, preset)
        healthy = benchmark.latency(servers, market, rate, seconds, preset, config=endpoints.config, elsewhere=set(sellers))
        _deliver(servers, endpoints, preset)
    return {"broken": BROKEN, "p50_ms": broken["p50_ms"], "p99_ms": broken["p99_ms"],
            "p50_ms_without": healthy["p50_ms"], "p99_ms_without": healthy["p99_ms"]}


def healthy_rate(servers: Servers, market: benchmark.Market, preset: str) -> dict:
    """Messages/s to endpoints that take everything, with the orders waiting when the fleet starts."""
    sellers = [seller for seller in market.world.sellers][:HEALTHY]
    return _drain(servers, market, sellers, WAITING, preset)


def catch_up(servers: Servers, market: benchmark.Market, preset: str) -> dict:
    """How long 10,000 messages take to one endpoint that returns."""
    return _drain(servers, market, [next(iter(market.world.sellers))], WAITING, preset)


def _drain(servers: Servers, market: benchmark.Market, sellers: list[str], count: int, preset: str) -> dict:
    """Numbers messages without routers, then lets one router deliver them."""
    with endpoints_of(servers, sellers) as endpoints:
        with Fleet(servers, preset) as fleet:
            fleet.config = endpoints.config
            fleet.start_all({"reserver": 1, "splitter": 1})
            with Fleet(servers, preset) as before:  # what is assigned before a router knows the rules stays where it was
                before.config = endpoints.config
                before.start("router")
                _order(servers, market, sellers, len(sellers))
                _until(servers, f"select count(*) = {len(sellers)} from seller_delivery where coalesce(next_destination, destination) = "
                       f"seller_id and "
                       f"seller_id between '{sellers[0]}' and '{sellers[-1]}'", "the rules to be followed")
                _until(servers, _ALL_DELIVERED, "everything to be delivered")
            _order(servers, market, sellers, count)
            _until(servers, "select sum(last_assigned)::bigint - (select sum(last_delivered)::bigint from seller_delivery) "
                            f">= {count} from seller_stream", "everything to be numbered")
            already, begun = endpoints.accepted(), time.monotonic()
            fleet.start("router")
            while (accepted := endpoints.accepted() - already) < count:
                if time.monotonic() - begun > _GIVE_UP_AFTER_S:
                    raise Trouble(f"{accepted} of {count} messages after {_GIVE_UP_AFTER_S} s")
                time.sleep(0.05)
            seconds = time.monotonic() - begun
            _until(servers, _ALL_DELIVERED, "the progress to be committed")
    return {"messages": count, "endpoints": len(sellers), "seconds": seconds, "per_s": count / seconds}


def _order(servers: Servers, market: benchmark.Market, sellers: list[str], count: int) -> None:
    """Carts of one line, in turn of every seller."""
    offers = {offer.seller_id: offer for offer in market.world.offers.values()}
    with Publisher(servers.urls["AMQP_URL"]) as publisher:
        for place, cart in enumerate(market.carts(count)):
            offer = offers[sellers[place % len(sellers)]]
            cart["lines"] = [{"line_id": "1", "sku": offer.sku, "seller_id": offer.seller_id, "quantity": 1}]
            publisher.publish(cart_submitted(cart))


_ALL_DELIVERED = ("select not exists (select from seller_stream s left join seller_delivery d using (seller_id, stream) "
                  "where s.last_assigned > coalesce(d.last_delivered, 0))")


def _mend(servers: Servers, endpoints: Endpoints, sellers: list[str], preset: str) -> None:
    for seller in sellers:
        endpoints.receiver.behave(seller)
    operator_command.cartwright(servers, "stream", "resume", "--all", preset=preset)


def _deliver(servers: Servers, endpoints: Endpoints, preset: str) -> None:
    """Whatever still waits goes out."""
    with Fleet(servers, preset) as fleet:
        fleet.config = endpoints.config
        fleet.start("router")
        operator_command.cartwright(servers, "stream", "resume", "--all", preset=preset)
        _until(servers, _ALL_DELIVERED, "everything to be delivered")


def _until(servers: Servers, sql: str, what: str) -> None:
    deadline = time.monotonic() + _GIVE_UP_AFTER_S
    with postgres_connection(servers) as connection, connection.cursor() as cursor:
        while True:
            cursor.execute(sql)
            if cursor.fetchone()[0]:
                return
            if time.monotonic() > deadline:
                raise Trouble(f"waited {_GIVE_UP_AFTER_S} s for {what}")
            time.sleep(0.1)
