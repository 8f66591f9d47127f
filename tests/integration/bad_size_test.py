"""Messages that are too large, one or many: parked whole, in bounded memory, and others go through."""

import os
import re
import unittest
from pathlib import Path

from bad_input import PARKED, READY, REJECTED, BadInputTest, Case, raw
from environment import wait_for
from lib.fleet import CONFIG

HUGE_BYTES = 100_000_000  # the broker takes up to 128 MiB
MANY = 9  # parking holds 1 GiB
MEMORY_BYTES_MAX = 450_000_000
SANITIZED = "CARTWRIGHT_SANITIZER" in os.environ  # what was freed is then kept aside for a while


class SizeTest(BadInputTest):
    def assert_bounded(self) -> None:
        """The reserver's process never had more memory than it may."""
        status = Path(f"/proc/{self.reserver.pid}/status").read_text()
        if not SANITIZED:
            self.assertLess(int(re.search(r"^VmHWM:\s+(\d+) kB", status, re.M).group(1)) * 1024, MEMORY_BYTES_MAX)

    def with_note(self, order_id: str, size: int) -> bytes:
        return self.event({**self.one_line(order_id), "note": "x" * size})

    def test_a_hundred_megabytes_are_parked_whole(self):
        self.send_mixed({"100 MB": Case(raw(self.with_note("o1", HUGE_BYTES)), PARKED, "body_too_large"),
                         "at the limit": Case(raw(self.with_note("o2", 1_000_000)), READY),
                         "beyond": Case(raw(self.with_note("o3", 1_048_576)), PARKED, "body_too_large")})
        self.assert_bounded()

    def test_many_of_them_do_not_fill_the_memory(self):
        """The lane's prefetch would let it hold thousands of them at once."""
        self.reserver.stop()
        body = self.with_note("o1", HUGE_BYTES)
        for number in range(MANY):
            self.market.send(raw(body, message_id=f"huge-{number}"), "fault", "", None, answered=False)
        good = self.cart("behind", [("1", "A", 1)])
        self.market.flush()
        del body
        self.reserver.start()
        type_, _ = self.market.answer(good, timeout_s=120)
        self.assertEqual("order.ready", type_)
        wait_for(lambda: self.environment.depth("parking") == MANY, timeout_s=120, what="all to be parked")
        self.assertEqual(1, self.market.one("SELECT count(*) FROM orders"))
        self.assertTrue(self.reserver.running())
        self.assert_bounded()


class LinesTest(BadInputTest):
    def lines(self, order_id: str, count: int) -> bytes:
        return self.event(self.cart_data(order_id, [(str(number), "A", 1) for number in range(count)]))

    def test_a_hundred_thousand_lines(self):
        self.send_mixed({"100,000 lines": Case(raw(self.lines("o1", 100_000)), PARKED, "body_too_large"),
                         "20,000 lines": Case(raw(self.lines("o2", 20_000)), REJECTED, "too_many_lines"),
                         "501 lines": Case(raw(self.lines("o3", 501)), REJECTED, "too_many_lines")})

    def test_a_hundred_thousand_lines_where_bodies_may_be_large(self):
        config = self.environment.servers.run.path / "large-bodies.yaml"
        config.write_text(re.sub(r"^(\s+)body_bytes_max:.*$", r"\1body_bytes_max: 134217728",
                                 CONFIG.read_text(), flags=re.M))
        self.reserver.stop()
        self.reserver, = self.fleet.start("reserver", config=config)
        self.send_mixed({"100,000 lines": Case(raw(self.lines("o1", 100_000)), PARKED, "malformed"),
                         "20,000 lines": Case(raw(self.lines("o2", 20_000)), REJECTED, "too_many_lines"),
                         "10 MB": Case(raw(self.event({**self.one_line("o3"), "note": "x" * 10_000_000})),
                                       READY)})


if __name__ == "__main__":
    unittest.main()
