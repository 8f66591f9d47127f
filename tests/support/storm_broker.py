"""What a storm throws at RabbitMQ: it is away, takes nothing, loses connections, and its queues come and go."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

from environment import Environment
from lib.fleet import Worker
from lib.reset import amqp_connection
from storm import Faults, Storm

_BINDINGS = {"reserver.carts": ("carts", ["#"]), "reserver.movements": ("movements", ["#"]),
             "reserver.fill": ("stock", ["stock.fill"]), "router.seller-messages": ("seller-messages", ["#"]),
             "splitter.orders": ("orders", ["order.ready", "order.cancelled"])}
_SELLERS = [f"sellers.{number:02d}" for number in range(8)]
_EMPTY_WITHIN_S = 8


class BrokerFaults(Faults):
    """One at a time, so that each finds a broker that works."""

    name = "rabbitmq"
    pause_s = (0.5, 3.0)

    def __init__(self, storm: Storm, environment: Environment, workers: list[Worker], config: Path):
        """`config` says which topology there is."""
        super().__init__(storm)
        self._config = config
        self._environment = environment
        self._workers = workers
        self._server = environment.servers.rabbitmq
        self._made_at = 0.0  # when the last queue was made again

    def restore(self) -> None:
        """Alarms off, and every queue, binding and limit as it should be."""
        self._server.control("set_vm_memory_high_watermark", "0.6")
        self._server.control("set_disk_free_limit", "64MB")
        self._be_patient()
        self._environment.cartwright("topology", "--config", str(self._config), "apply")

    def fault_restart(self) -> None:
        self.log("stops")
        self._server.stop()
        self.hold(0, 3)
        self._server.start()
        self.log("started")

    def fault_killed(self) -> None:
        self._wait_until_written_down()
        self.log("kill -9")
        self._server.kill()
        self.hold(0, 3)
        self._server.start()
        self.log("started")

    def fault_frozen(self) -> None:
        self.log("frozen")
        self._server.freeze()
        self.hold(1, 8) if self.chance.random() < 0.7 else self.hold(21, 26)
        self._server.thaw()
        self.log("thawed")

    def fault_connections_closed(self) -> None:
        for _ in range(self.chance.randint(1, 3)):
            self._server.control("close_all_connections", "storm")
            self.log("connections closed")

    def fault_memory_alarm(self) -> None:
        self._server.control("set_vm_memory_high_watermark", "0.00001")
        self.log("memory alarm")
        self.hold(1, 8)
        self._server.control("set_vm_memory_high_watermark", "0.6")
        self.log("memory alarm over")

    def fault_disk_alarm(self) -> None:
        self._server.control("set_disk_free_limit", "1000000GB")
        self.log("disk alarm")
        self.hold(1, 8)
        self._server.control("set_disk_free_limit", "64MB")
        self.log("disk alarm over")

    def fault_queue_full(self) -> None:
        """A queue of the fleet takes one message at a time."""
        queue = self.chance.choice([*_BINDINGS, "reserver.retry", "splitter.retry", "router.retry"])
        path = f"/api/policies/%2F/{queue}"
        policy = self._server.management("GET", path)
        full = {**policy, "definition": {**policy["definition"], "max-length": 1}}
        self._server.management("PUT", path, full)
        self.log(f"{queue} full")
        self.hold(2, 8)
        self._server.management("PUT", path, policy)
        self.log(f"{queue} has room")

    def fault_sellers_queue_gone(self) -> None:
        queue = self.chance.choice(_SELLERS)
        self._lose(queue, "sellers", [queue], [])

    def fault_inner_queue_gone(self) -> None:
        """Its consumers are cancelled, then find nothing; its publishers get everything back."""
        queue = self.chance.choice(sorted(_BINDINGS))
        exchange, keys = _BINDINGS[queue]
        self._lose(queue, exchange, keys, [one for one in self._workers if one.name == queue.split(".")[0]])

    def fault_impatient(self) -> None:
        """Channels on which a delivery waits for its acknowledgement are closed (406) after a moment."""
        self._server.control("eval", "application:set_env(rabbit, consumer_timeout, 300), "
                             "application:set_env(rabbit, channel_tick_interval, 500).")
        self._server.control("close_all_connections", "storm")  # a channel learns of the interval when it is opened
        self.log("impatient with consumers")
        self.hold(3, 10)
        self._be_patient()
        self.log("patient again")

    def _be_patient(self) -> None:
        self._server.control("eval", "application:set_env(rabbit, consumer_timeout, 1800000), "
                             "application:set_env(rabbit, channel_tick_interval, 60000).")
        self._server.control("close_all_connections", "storm")

    def _lose(self, queue: str, exchange: str, keys: list[str], workers: list[Worker]) -> None:
        """Deletes a queue once nothing is in it: what was would be lost by us, not by the fleet."""
        with contextlib.closing(amqp_connection(self._environment.servers)) as connection:
            channel = connection.channel()
            for key in keys:
                channel.queue_unbind(queue, exchange, key)
            if self._emptied(channel, queue, workers):
                channel.queue_delete(queue)
                self.log(f"{queue} deleted")
                self.hold(0.5, 4)
            else:
                self.log(f"{queue} unbound; it did not get empty")
        self._environment.cartwright("topology", "--config", str(self._config), "apply")
        self._made_at = time.time()
        self.log(f"{queue} made again")

    def _emptied(self, channel, queue: str, workers: list[Worker]) -> bool:
        """True when the queue is empty and its consumers have acknowledged everything for a moment."""
        deadline, empty_since = time.monotonic() + _EMPTY_WITHIN_S, None
        while time.monotonic() < deadline:
            ready = channel.queue_declare(queue, passive=True).method.message_count
            held = sum(_unacknowledged(worker) for worker in workers)
            now = time.monotonic()
            empty_since = None if ready or held else empty_since or now
            if empty_since and now - empty_since > 2.5:  # the workers' gauge is a second behind
                return True
            connection = channel.connection
            connection.process_data_events(time_limit=0.1)
        return False

    def _wait_until_written_down(self) -> None:
        """A queue that is younger than the broker's newest look at its logs never comes back from a kill -9. What was
        written before it was made again has the name too."""
        deadline = time.monotonic() + 5
        names = [f"%2F_{queue}".encode() for queue in (*_BINDINGS, *_SELLERS, "parking")]
        while time.monotonic() < deadline:
            files = list(self._server.folder.rglob("names.dets"))
            known = b"".join(path.read_bytes() for path in files)
            since = all(path.stat().st_mtime > self._made_at for path in files)
            if since and all(name in known for name in names):
                return
            time.sleep(0.1)


def _unacknowledged(worker: Worker) -> int:
    """1 if nobody knows."""
    with contextlib.suppress(Exception):
        return int(worker.metrics().total("cartwright_unacknowledged"))
    return 1
