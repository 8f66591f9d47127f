"""What a storm does to the connections between workers and servers, at a gate in front of each server."""

from __future__ import annotations

from gate import TO_CLIENT, TO_SERVER, Gate
from lib.servers import Servers
from storm import Faults, Storm

_DIRECTIONS = ((), (TO_SERVER,), (TO_CLIENT,))


class NetworkFaults(Faults):
    """One gate at a time. Workers that are started with `environment` go through them."""

    name = "network"
    pause_s = (0.3, 3.0)

    def __init__(self, storm: Storm, servers: Servers):
        super().__init__(storm)
        self._gates = {name: Gate(url) for name, url in servers.urls_of("reserver").items()}

    @property
    def environment(self) -> dict[str, str]:
        return {name: gate.url for name, gate in self._gates.items()}

    def close(self) -> None:
        for gate in self._gates.values():
            gate.close()

    def _choose(self) -> tuple[str, Gate]:
        name = self.chance.choice(sorted(self._gates))
        return name.removesuffix("_URL"), self._gates[name]

    def fault_cut(self) -> None:
        name, gate = self._choose()
        for _ in range(self.chance.randint(1, 3)):
            self.log(f"{gate.cut()} connections to {name} cut")
            self.hold(0.05, 1)

    def fault_refused(self) -> None:
        name, gate = self._choose()
        gate.refuse()
        self.log(f"{gate.cut()} connections to {name} cut, new ones refused")
        self.hold(1, 6)
        self._go_on(name, gate)

    def fault_stalled(self) -> None:
        self._stall(1, 8)

    def fault_stalled_for_long(self) -> None:
        """Longer than anybody waits for anything."""
        self._stall(22, 40)

    def fault_black_hole(self) -> None:
        name, gate = self._choose()
        directions = self.chance.choice(_DIRECTIONS)
        gate.black_hole(*directions)
        self.log(f"{name}: what is said {' '.join(directions)} vanishes")
        self.hold(1, 25)
        self._go_on(name, gate)

    def fault_slow(self) -> None:
        name, gate = self._choose()
        rate = self.chance.randint(1_000, 20_000)
        gate.slow(rate)
        self.log(f"{name}: {rate} bytes a second")
        self.hold(2, 8)
        self._go_on(name, gate)

    def fault_truncated(self) -> None:
        """Connections are reset in the middle of what they say."""
        name, gate = self._choose()
        after, direction, times = self.chance.randint(1, 30_000), self.chance.choice((TO_SERVER, TO_CLIENT)), 3
        gate.truncate(after, direction, times)
        self.log(f"{name}: cut after {after} bytes {direction}, {times} times")
        self.hold(2, 6)
        self._go_on(name, gate)

    def fault_half_closed(self) -> None:
        name, gate = self._choose()
        self.log(f"{gate.half_close()} connections to {name} half closed")

    def fault_nobody_behind(self) -> None:
        """The servers keep connections that nobody uses any more, and what those hold."""
        name, gate = self._choose()
        self.log(f"{gate.cut(TO_CLIENT)} connections to {name} cut, which the server does not hear of")

    def _stall(self, least_s: float, most_s: float) -> None:
        name, gate = self._choose()
        directions = self.chance.choice(_DIRECTIONS)
        gate.stall(*directions)
        self.log(f"{name}: stalled {' '.join(directions)}")
        self.hold(least_s, most_s)
        self._go_on(name, gate)

    def _go_on(self, name: str, gate: Gate) -> None:
        gate.go_on()
        self.log(f"{name}: goes on")
