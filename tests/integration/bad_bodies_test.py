"""Bodies that are wrong or strange, among good carts in one batch: nothing good is harmed."""

import gzip
import unittest

from bad_input import APPLIED, CANCELLATION, MOVED, PARKED, READY, REJECTED, BadInputTest, Case, raw
from environment import wait_for
from lib.messages import now

BIG_NUMBERS = {"2^63": b"9223372036854775808", "2^64": b"18446744073709551616", "beyond doubles": b"1e400",
               "a fraction": b"1.5", "a whole with a fraction": b"1.0", "an exponent": b"1e2",
               "-2^63 - 1": b"-9223372036854775809", "thirty digits": b"1" * 30}
STRANGE_IDS = {"quotes": "a'b\"c`d\\e", "SQL": "'; DROP TABLE orders; --", "a path": "../../etc/passwd\\..",
               "URL": "a/b?c=d&e#f%00", "a format": "%s {} {0} $1 \\0", "an array": '{"a","b"}',
               "NULL": "NULL",
               "emoji": "\U0001f6d2\U0001f4a5", "right to left": "\u202eabc\u05d0", "joined": "e\u0301\u200d",
               "a blank behind": "blank ", "blanks": "  ", "a private character": "\U0010ffff",
               "200 bytes": "\U0001f6d2" * 50}


class UnreadPartsTest(BadInputTest):
    """What nobody reads has to be JSON, and may otherwise be what it likes."""

    def with_field(self, order_id: str, json_text: bytes) -> bytes:
        body = self.event({**self.one_line(order_id), "note": "HERE"})
        return body.replace(b'"HERE"', json_text)

    def test_strange_values_are_tolerated(self):
        values = {"a null character": b'"\\u0000"', "any escape": b'"\\u0001\\ud83d\\uded2"',
                  "a large number": b"1e308",
                  "2^63": b"9223372036854775808", "-0": b"-0", "a name twice": b'{"a":1,"a":2}',
                  "an empty name": b'{"":{}}',
                  "60 levels": b"[" * 60 + b"]" * 60, "half a megabyte": b'"' + b"x" * 500_000 + b'"'}
        self.send_mixed({what: Case(raw(self.with_field(f"o{number}", value)), READY)
                         for number, (what, value) in enumerate(values.items())})

    def test_what_is_no_json_is_parked_wherever_it_stands(self):
        values = {"a bare word": b"nonsense", "single quotes": b"'x'", "a comma too many": b"[1,]",
                  "hexadecimal": b"0x1",
                  "not a number": b"NaN", "a leading zero": b"01", "1e400": b"1e400",
                  "2^64": b"18446744073709551616",
                  "a lone surrogate": b'"\\ud800"', "half a pair": b'"\\udc00x"',
                  "a bare control character": b'"\x01"',
                  "invalid UTF-8": b'"\xff\xfe"', "an overlong character": b'"\xc0\xaf"',
                  "a surrogate in UTF-8": b'"\xed\xa0\x80"',
                  "nested a million deep": b"[" * 500_000 + b"]" * 500_000,
                  "65 levels": b"[" * 65 + b"]" * 65,
                  "a comment": b"1 /* one */"}
        self.send_mixed({what: Case(raw(self.with_field(f"o{number}", value)), PARKED, "malformed")
                         for number, (what, value) in enumerate(values.items())})


class NumbersAndNamesTest(BadInputTest):
    def test_numbers(self):
        cases = {}
        for number, (what, digits) in enumerate(BIG_NUMBERS.items()):
            body = self.event(self.one_line(f"o{number}")).replace(b'"quantity":1', b'"quantity":' + digits)
            cases[f"quantity {what}"] = Case(raw(body), PARKED, "malformed")
            line = {"line_id": "1", "sku": "A", "quantity": 1, "unit_price_minor": "HERE"}
            body = self.event({**self.one_line(f"p{number}"), "lines": [line]}).replace(b'"HERE"', digits)
            cases[f"price {what}"] = Case(raw(body), PARKED, "malformed")
        for number, digits in enumerate((b"-0", b"0", b"-1", b"9223372036854775807",
                                         b"-9223372036854775808")):
            body = self.event(self.one_line(f"q{number}")).replace(b'"quantity":1', b'"quantity":' + digits)
            cases[f"quantity {digits}"] = Case(raw(body), REJECTED, "quantity_invalid")
        self.send_mixed(cases)

    def test_names_that_stand_there_twice(self):
        body = self.event(self.one_line("o1"))
        twice = {"order_id": body.replace(b'"order_id":"o1"', b'"order_id":"o1","order_id":"o2"'),
                 "the same": body.replace(b'"order_id":"o1"', b'"order_id":"o1","order_id":"o1"'),
                 "escaped": body.replace(b'"order_id":"o1"', b'"order_id":"o1","order\\u005fid":"o2"'),
                 "quantity": body.replace(b'"quantity":1', b'"quantity":1,"quantity":2'),
                 "lines": body.replace(b'"lines":', b'"lines":[],"lines":'),
                 "data": body.replace(b'"data":', b'"data":{},"data":'),
                 "id": body.replace(b'"id":"e1"', b'"id":"e1","id":"e2"'),
                 "an unread name": body.replace(b'"data":', b'"note":1,"note":2,"data":')}
        self.send_mixed({what: Case(raw(each), PARKED, "malformed") for what, each in twice.items()})

    def test_strange_ids_are_only_ids(self):
        """All the way through both databases and back: reserved, answered, found in the catalogue."""
        cases = {}
        for number, (what, id_) in enumerate(STRANGE_IDS.items()):
            self.sell(f"s{number % 3 + 1}", id_, 5)
            cart = {**self.cart_data(id_, [(id_, id_, 2)]), "channel": id_}
            cases[what] = self.market.send(raw(self.event(cart, id=id_, source=id_)), "cart", id_, cart)
        for what, correlation_id in cases.items():
            with self.subTest(what):
                type_, data = self.market.answer(correlation_id)
                self.assertEqual("order.ready", type_, data)
                self.assertEqual(STRANGE_IDS[what], data["order_id"])
                self.assertEqual(STRANGE_IDS[what], data["sellers"][0]["lines"][0]["sku"])
        taken = self.environment.rows("SELECT sku FROM stock_position WHERE (on_hand, reserved) = (5, 2)")
        self.assertEqual(set(STRANGE_IDS.values()), {sku for sku, in taken})
        self.assertEqual([], self.market.collect_parked())
        self.assertEqual([], self.position_faults())

    def test_ids_that_are_none_are_parked(self):
        wrong = {"nothing": "", "1 kB": "x" * 1024, "201 bytes": "x" * 201,
                 "201 bytes of emoji": "\U0001f6d2" * 50 + "x",
                 "a null character": "a\0b", "a line break": "a\nb", "an escape": "\x1b[2J",
                 "delete": "a\x7f"}
        cases = {}
        for what, id_ in wrong.items():
            line = {"line_id": "1", "sku": "A", "quantity": 1}
            bodies = {"order": self.event({**self.one_line("o"), "order_id": id_}),
                      "event": self.event(self.one_line("o"), id=id_),
                      "channel": self.event({**self.one_line("o"), "channel": id_}),
                      "line": self.event({**self.one_line("o"), "lines": [{**line, "line_id": id_}]}),
                      "SKU": self.event({**self.one_line("o"), "lines": [{**line, "sku": id_}]}),
                      "seller": self.event({**self.one_line("o"), "lines": [{**line, "seller_id": id_}]})}
            for where, body in bodies.items():
                if not (where == "seller" and id_ == ""):
                    cases[f"{where}: {what}"] = Case(raw(body), PARKED, "malformed")
        self.send_mixed(cases)
        self.assertEqual([],
                         self.environment.rows("SELECT FROM orders WHERE order_id NOT LIKE 'good%%'"))

    def test_the_catalogue_knows_ids_exactly(self):
        """A database that takes a for A, or forgets blanks at the end, would sell somebody else's goods."""
        self.sell("s2", "Case", 5)
        self.sell("s2", "caf\u00e9", 5)
        cases = {sku: Case(raw(self.event(self.cart_data(f"o-{number}", [("1", sku, 1)]))), REJECTED,
                           "unknown_sku")
                 for number, sku in enumerate(("case", "CASE", "Case ", " Case", "cafe", "cafe\u0301",
                                               "CAF\u00c9"))}
        self.send_mixed(cases)


class WholeBodiesTest(BadInputTest):
    def test_bodies(self):
        body = self.event(self.one_line("o1"))
        bodies = {"a byte order mark": b"\xef\xbb\xbf" + body, "UTF-16": body.decode().encode("utf-16"),
                  "UTF-32": body.decode().encode("utf-32"), "compressed": gzip.compress(body),
                  "an empty batch": b"[]",
                  "an empty batch with blanks": b" [ \n ] ", "a batch in a batch": b"[[" + body + b"]]",
                  "an empty object": b"{}",
                  "a million brackets": b"[" * 1_000_000, "a million braces": b'{"a":' * 200_000,
                  "null characters": b"\0" * 1000,
                  "a null character behind": body + b"\0", "lines of events": body + b"\n" + body,
                  "true": b"true"}
        self.send_mixed({what: Case(raw(each), PARKED, "malformed") for what, each in bodies.items()})

    def test_blanks_around_are_tolerated(self):
        blanks = {"before": b"\n\t  %s", "behind": b"%s\r\n\n", "in a batch of one": b"[%s]"}
        self.send_mixed({what: Case(raw(text % self.event(self.one_line(f"o-{what}"))), READY) for what,
                         text in blanks.items()})

    def test_one_bad_member_of_a_batch_is_parked_alone(self):
        """Also one that a parser of the whole batch would stumble over."""
        bad = {"no cart": self.event({"order_id": "x"}), "a number": b"12", "nested": b"[" * 100 + b"]" * 100,
               "1e400": b'{"a":1e400}',
               "a lone surrogate": b'{"a":"\\ud800"}', "invalid UTF-8": b'{"a":"\xff"}',
               "an unread name twice": b'{"a":1,"a":2}'}
        for number, (what, member) in enumerate(bad.items()):
            with self.subTest(what):
                good = [self.event(self.one_line(f"b{number}-{place}"), id=f"e{number}-{place}") for place
                        in range(4)]
                body = b"[" + b",".join([*good[:2], member, *good[2:]]) + b"]"
                message = raw(body, content_type="application/cloudevents-batch+json",
                              message_id=f"batch-{number}")
                correlation_id = self.market.send(message, "fault", "", None)
                for place in range(4):
                    self.wait_for_state(f"b{number}-{place}", "ready")
                parked = self.next_parked()
                self.assertEqual((member, "malformed", correlation_id),
                                 (parked.body, parked.reason, parked.correlation_id))
                self.assertEqual("application/cloudevents+json", parked.content_type)
        self.assertEqual([], self.position_faults())

    def next_parked(self):
        known = len(self.market.evidence.parked)
        wait_for(lambda: len(self.market.collect_parked()) > known, what="the bad member to be parked")
        return self.market.evidence.parked[known]


class ClocksTest(BadInputTest):
    DATES = ("0000-00-00T00:00:00Z", "0000-00-00", "2026-02-30T00:00:00Z", "2026-13-01T00:00:00Z",
             "9999-12-31T23:59:59Z",
             "1969-12-31T23:59:59Z", "2026-01-01", "2026-01-01T25:00:00Z", "20260101T000000Z", "1767225600",
             "-1", "now", "",
             "2026-01-01T00:00:00", "2201-01-01T00:00:00Z", "2026-01-01T00:00:00+25:00",
             "99999-01-01T00:00:00Z")

    def test_dates_that_are_none_are_parked(self):
        cases = {}
        for number, date in enumerate(self.DATES):
            cases[f"placed {date}"] = Case(raw(self.event({**self.one_line(f"o{number}"),
                                                           "placed_at": date})), PARKED, "malformed")
            cases[f"event {date}"] = Case(raw(self.event(self.one_line(f"p{number}"), time=date)), PARKED,
                                          "malformed")
            movement = raw(self.event(self.receipt(occurred_at=date), MOVED, id=f"m{number}"), MOVED)
            cases[f"occurred {date}"] = Case(movement, PARKED, "malformed")
        self.send_mixed(cases)

    def test_years_away_are_tolerated_in_carts(self):
        """Only movements are sorted by their clock."""
        dates = ("1970-01-01T00:00:00Z", "2199-12-31T23:59:60Z", "2026-01-01t00:00:00z",
                 "2026-01-01T00:00:00.123456789+14:00")
        self.send_mixed({date: Case(raw(self.event({**self.one_line(f"o-{number}"), "placed_at": date},
                                                   time=date)), READY)
                         for number, date in enumerate(dates)})

    def test_a_count_from_the_future_silences_no_later_one(self):
        count = {"kind": "count", "seller_id": "s1", "sku": "A", "warehouse": "main", "quantity": 3}
        for number, date in enumerate(("2099-01-01T00:00:00Z", "2199-12-31T23:59:59Z", now(offset_s=600))):
            sent = self.send_movements(f"future-{number}", [{**count, "occurred_at": date}],
                                       must_park=("movement_rejected",))
            self.assertEqual("movement_rejected", self.market.answer(sent)[1]["reason"])
        self.assertEqual(self.before, self.position("s1", "A"))
        self.assertEqual("applied", self.outcome(self.move("count", "s1", "A", 7)))
        self.assertEqual((7, 0, 0), self.position("s1", "A"))
        self.assertEqual(["movement_rejected"] * 3, [one.reason for one in self.market.collect_parked(3)])

    def test_movements_from_long_ago_are_facts(self):
        self.assertEqual("applied", self.outcome(self.move("receipt", "s1", "A", 5,
                                                           occurred_at="1970-01-01T00:00:00Z")))
        self.assertEqual((10_005, 0, 0), self.position("s1", "A"))


class MovementsTest(BadInputTest):
    def moved(self, number: int, **change):
        return raw(self.event(self.receipt(**change), MOVED, id=f"m{number}"), MOVED, message_id=f"m{number}")

    def test_wrong_and_strange_movements(self):
        huge = 2 ** 63 - 1
        cases = {}
        wrong = [{"reason": "a\0b"}, {"sku": "a\0"}, {"order_id": "\n"}, {"quantity": 2 ** 63},
                 {"quantity": 1.0}, {"quantity": -0.0},
                 {"warehouse": "x" * 1024}, {"kind": "RECEIPT"}, {"kind": ["receipt"]}, {"reason": 7}]
        for number, change in enumerate(wrong):
            cases[f"parked {str(change)[:40]}"] = Case(self.moved(number, **change), PARKED, "malformed")
        impossible = [{"quantity": 0}, {"quantity": -1}, {"quantity": huge},
                      {"kind": "count", "quantity": huge},
                      {"kind": "adjustment", "reason": "r", "quantity": -huge - 1},
                      {"kind": "adjustment", "reason": "r", "quantity": huge},
                      {"kind": "dispatch", "order_id": "nobody's", "line_id": "1", "quantity": huge},
                      {"sku": ""}]
        for number, change in enumerate(impossible, 100):
            outcome = (PARKED, "malformed") if change.get("sku") == "" else (PARKED, "movement_rejected")
            cases[f"impossible {change}"] = Case(self.moved(number, **change), *outcome)
        strange = [{"note": "\0"}, {"reason": "'; DROP TABLE stock_event; --\n\t\U0001f4a5"}, {"reason": ""},
                   {"line_id": "1"},
                   {"reason": "x" * 100_000}]
        for number, change in enumerate(strange, 200):
            cases[f"strange {str(change)[:40]}"] = Case(self.moved(number, **change), APPLIED)
        self.send_mixed(cases)

    def test_wrong_and_strange_cancellations(self):
        cart = self.cart("c1", [("1", "A", 5)])
        self.assertEqual("ready", self.outcome(cart))
        self.before = self.position("s1", "A")
        wrong = [{"reason": "a\0b"}, {"reason": 7}, {"order_id": ""}, {"order_id": "x" * 1024}, {"lines": []},
                 {"lines": [{"line_id": "1"}]},
                 {"lines": [{"line_id": "1", "quantity": 2 ** 63}]}, {"requested_by": "\0"}]
        cases = {}
        for number, change in enumerate(wrong):
            body = self.event({"order_id": "c1", "reason": "r", **change}, CANCELLATION, id=f"w{number}")
            cases[str(change)[:40]] = Case(raw(body, CANCELLATION), PARKED, "malformed")
        for number, quantity in enumerate((0, -1, 2 ** 63 - 1, -2 ** 63)):
            body = self.event({"order_id": "c1", "reason": "r",
                               "lines": [{"line_id": "1", "quantity": quantity}]}, CANCELLATION,
                              id=f"q{number}")
            cases[f"quantity {quantity}"] = Case(raw(body, CANCELLATION), PARKED, "movement_rejected")
        self.send_mixed(cases)
        body = self.event({"order_id": "c1", "reason": "'; \U0001f4a5 \n"}, CANCELLATION, id="fine")
        self.assertEqual("cancelled", self.outcome(self.market.send(raw(body, CANCELLATION), "fault", "",
                                                                    None)))


if __name__ == "__main__":
    unittest.main()
