"""A storm: seeded faults of every kind, thrown at a fleet at work for a while, then all of them taken back.

    storm = Storm(seed=7, seconds=60)
    storm.run([BrokerFaults(…), PostgresFaults(…), …])    # each throws one fault after the other, all at once
    print(storm.story())                                  # what happened when

A fault is a method `fault_<name>` of a kind of Faults: it does its harm, waits with `hold`, and has mended it when
it returns. None begins after the storm's end; those that are under way take their time.
"""

from __future__ import annotations

import random
import threading
import time
import traceback
from typing import Callable, Sequence


class Storm:
    """The clock and the log of one storm."""

    def __init__(self, seed: int, seconds: float):
        self.seed = seed
        self.seconds = seconds
        self.troubles: list[str] = []  # of the storm itself, not of what it blows at
        self._began = time.monotonic()
        self._lines: list[str] = []
        self._lock = threading.Lock()

    @property
    def over(self) -> bool:
        return self.elapsed_s >= self.seconds

    @property
    def elapsed_s(self) -> float:
        return time.monotonic() - self._began

    def log(self, text: str) -> None:
        with self._lock:
            self._lines.append(f"{self.elapsed_s:7.2f} s  {text}")

    def story(self) -> str:
        """Every fault with its times, oldest first."""
        with self._lock:
            return f"storm of seed {self.seed}, {self.seconds:.0f} s\n" + "\n".join(self._lines)

    @property
    def last(self) -> str:
        """What was logged last."""
        return self._lines[-1].strip()

    def run(self, sources: Sequence[Faults]) -> None:
        """Returns when the time is over and every fault is taken back."""
        self._began = time.monotonic()
        threads = [threading.Thread(target=self._blow, args=(source,), name=source.name) for source in sources]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.log("over")

    def _blow(self, source: Faults) -> None:
        while not self.over:
            source.rest(source.chance.uniform(*source.pause_s))
            if self.over:
                return
            name, fault = source.choose()
            try:
                fault()
            except Exception:  # pylint: disable=broad-except
                self.log(f"{source.name}: {name} could not be done")
                with self._lock:
                    self.troubles.append(f"{source.name}: {name}: {traceback.format_exc()}")


class Faults:
    """A kind of faults that are thrown one at a time. The same for the same seed."""

    name = ""
    pause_s = (0.5, 4.0)

    def __init__(self, storm: Storm):
        self.storm = storm
        self.chance = random.Random(f"{storm.seed}/{self.name}")
        self._bag: list[str] = []

    def choose(self) -> tuple[str, Callable[[], None]]:
        """The next fault: each comes once before one comes again."""
        if not self._bag:
            self._bag = sorted(name for name in dir(self) if name.startswith("fault_"))
            self.chance.shuffle(self._bag)
        name = self._bag.pop()
        return name.removeprefix("fault_"), getattr(self, name)

    def log(self, text: str) -> None:
        self.storm.log(f"{self.name}: {text}")

    def rest(self, seconds: float) -> None:
        """The pause between two faults."""
        time.sleep(seconds)

    def hold(self, least_s: float, most_s: float) -> None:
        """While the fault lasts."""
        time.sleep(self.chance.uniform(least_s, most_s))
