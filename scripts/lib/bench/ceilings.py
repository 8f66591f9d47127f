"""What the broker and the database allow by themselves."""

from __future__ import annotations

import contextlib

from ..reset import amqp_connection
from .market import Market
from .rig import Rig

_QUEUES = ("load.in", "load.out")


def broker(rig: Rig, carts: int) -> float:
    """Carts/s of the barest exchange on quorum queues, with messages as long as the fleet's."""
    sizes = _sizes(rig)
    with contextlib.closing(amqp_connection(rig.servers)) as connection:
        channel = connection.channel()
        try:
            for queue in _QUEUES:
                channel.queue_declare(queue, durable=True, arguments={"x-queue-type": "quorum"})
            measured = rig.load("broker", "--amqp", rig.amqp_url, "--carts", str(carts),
                                "--cart-bytes", str(sizes["cart"]), "--message-bytes", str(sizes["message"]))
        finally:
            for queue in _QUEUES:
                channel.queue_delete(queue)
    return measured["carts_per_s"]


def sql(rig: Rig, carts: int) -> float:
    """Carts/s of the fleet's own statements on one connection, with texts as long as the fleet's."""
    sizes, market = _sizes(rig), Market()
    rig.restock(market)
    measured = rig.load("sql", "--postgres", rig.servers.postgres.admin_url, "--carts", str(carts), "--run", "1",
                        *market.arguments(), "--answer-bytes", str(sizes["answer"]),
                        "--message-bytes", str(sizes["message"]))
    return measured["carts_per_s"]


def _sizes(rig: Rig) -> dict[str, int]:
    """Averages over what the runs before left, else those of an ordinary run."""
    answer, message = rig.rows("select (select avg(octet_length(answer))::int from orders), "
                               "(select avg(octet_length(body))::int from seller_message)")[0]
    return {"cart": 560, "answer": answer or 1_000, "message": message or 850}
