"""P5 where sellers have endpoints and queues of their own: nothing is found in an honest run, each fault by its words."""

import hashlib
import json
import unittest

from honest_run import ordinary_run
from lib.checker import check
from lib.evidence import Arrival, Call, Evidence, Switch


class DestinationsTest(unittest.TestCase):
    """An ordinary run whose seller s1 has, for its numbers from FROM on, the endpoint api."""

    FROM = 1

    def setUp(self):
        run = ordinary_run()
        run.receive("s1", "A", "main", 10)
        for number in range(4):
            run.cart(f"more-{number}", [("1", "s1", "A", 1)])
        self.evidence: Evidence = run.evidence
        self.last = self.evidence.streams["s1", "main"]
        for index, one in enumerate(self.evidence.arrivals):
            self.evidence.arrivals[index] = one._replace(at_s=100.0 + index)
        for number in range(self.FROM, self.last + 1):
            self.at_endpoint(number)

    def at_endpoint(self, number: int, seller_id: str = "s1", name: str = "api") -> None:
        """The number was taken by an endpoint instead."""
        index = self.index(number, seller_id)
        one = self.evidence.arrivals[index]._replace(queue=f"endpoint:{name}")
        self.evidence.arrivals[index] = one
        self.evidence.calls.append(Call(name, one.message_id, 204, True, one.at_s, seller_id, one.stream, number,
                                        one.digest, one))

    def index(self, number: int, seller_id: str = "s1") -> int:
        return next(index for index, one in enumerate(self.evidence.arrivals)
                    if (one.seller_id, one.number) == (seller_id, number))

    def arrival(self, number: int) -> Arrival:
        return self.evidence.arrivals[self.index(number)]

    def call(self, number: int) -> int:
        return next(index for index, one in enumerate(self.evidence.calls) if one.number == number)

    def refuse(self, number: int, status: int = 503, before: int | None = None, **values) -> None:
        """One more call of a number that was not taken, before the first of a number (by default of the same)."""
        at = self.call(before or number)
        wanted = self.evidence.calls[self.call(number)]
        self.evidence.calls.insert(at, wanted._replace(status=status, arrival=None, **values))

    def assert_honest(self) -> None:
        self.assertEqual([str(one) for one in check(self.evidence)], [])

    def assert_broken(self, what: str) -> None:
        found = check(self.evidence)
        self.assertEqual({one.promise for one in found}, {"P5"}, [str(one) for one in found])
        self.assertTrue(all(what in one.what for one in found), [str(one) for one in found])


class Endpoint(DestinationsTest):
    def test_honest(self):
        self.evidence.owners["endpoint:api"] = "s1"
        for status in (503, 0, 422):
            self.refuse(3, status)
        self.assert_honest()

    def test_an_exact_repeat(self):
        """Its answer was lost, or a router died before it wrote down that it was taken."""
        one = self.evidence.calls[self.call(2)]
        self.evidence.calls.insert(self.call(4), one)
        self.evidence.arrivals.append(one.arrival)
        self.assert_honest()

    def test_a_gap(self):
        del self.evidence.arrivals[self.index(2)]
        found = [str(one) for one in check(self.evidence)]
        self.assertTrue(any("P5" in one and "numbers never arrived: [2]" in one for one in found), found)

    def test_the_wrong_order(self):
        first, second = self.index(2), self.index(3)
        arrivals = self.evidence.arrivals
        arrivals[first], arrivals[second] = arrivals[second], arrivals[first]
        self.assert_broken("arrived for the first time after number 3")

    def test_a_repeat_with_other_bytes(self):
        self.evidence.arrivals.append(self.arrival(2)._replace(digest="another"))
        self.assert_broken("repeated with other bytes")

    def test_other_bytes_after_a_refusal(self):
        self.refuse(2, digest="another")
        self.assert_broken("offered again with other bytes")

    def test_a_number_that_overtook_one_that_was_refused(self):
        self.refuse(2)
        self.refuse(3, before=2)
        self.refuse(2, before=3)  # it was tried, then 3, then again
        self.assert_broken("tried before number 2 was taken")

    def test_a_signature_that_does_not_fit(self):
        self.refuse(2, 401, signed=False)
        self.assert_broken("its signature does not fit")

    def test_a_message_for_somebody_else_that_was_taken(self):
        self.evidence.owners["endpoint:api"] = "s2"
        self.assert_broken("it came to s2")

    def test_a_message_for_somebody_else_that_was_refused(self):
        self.evidence.owners["endpoint:api"] = "s1"
        stranger = self.evidence.calls[0]._replace(seller_id="s2", message_id="s2/main/1", arrival=None, status=404)
        self.evidence.calls.append(stranger)
        self.assert_broken("it came to s1")

    def test_recorded_is_another_destination(self):
        self.evidence.destinations["s1", "main"] = "shared"
        self.assert_broken("it went to api, recorded is shared")

    def test_what_no_rule_says(self):
        self.evidence.ruled = {"s1": frozenset({"api"})}
        self.assert_honest()
        self.evidence.ruled = {"s1": frozenset({"api"}), "s2": frozenset({"own"})}
        self.assert_broken("it went to shared, the rules say own")
        self.evidence.ruled = {"s2": frozenset({"shared"})}
        self.assert_broken("it went to api, the rules say shared")

    def void(self, number: int) -> None:
        """An operator's, after a refusal: the number is taken with other bytes."""
        index, digest = self.index(number), hashlib.sha256(b"what it was voided by").hexdigest()
        one = self.evidence.arrivals[index]
        original = json.dumps(event_of(one))
        self.refuse(number, 422, digest=hashlib.sha256(original.encode()).hexdigest())
        self.evidence.voided.append(("s1", "main", number, original))
        taken = self.call(number) + 1
        voided = one._replace(kind="voided", digest=digest, lines=())
        self.evidence.arrivals[index] = voided
        self.evidence.calls[taken] = self.evidence.calls[taken]._replace(digest=digest, arrival=voided)
        stored = next(place for place, row in enumerate(self.evidence.stored) if row[:3] == ("s1", "main", number))
        self.evidence.stored[stored] = self.evidence.stored[stored]._replace(kind="voided", digest=digest)

    def test_a_number_that_was_voided(self):
        self.void(self.last)
        self.assert_honest()

    def test_a_number_that_changed_and_nobody_voided_it(self):
        self.void(self.last)
        self.evidence.voided.clear()
        self.assertIn("it was offered again with other bytes", [one.what for one in check(self.evidence)])

    def test_the_original_comes_back_after_it_was_voided(self):
        self.void(self.last)
        self.evidence.calls.append(self.evidence.calls[self.call(self.last)])
        self.assert_broken("offered again with other bytes")


def event_of(order: Arrival) -> dict:
    """The message of which this is the row."""
    lines = [{"line_id": line_id, "sku": sku, "quantity": quantity,
              "allocations": [{"warehouse": warehouse, "quantity": units} for warehouse, units in allocations]}
             for line_id, sku, quantity, allocations in order.lines]
    return {"id": order.message_id, "type": f"cartwright.seller.{order.kind}.v1", "sellerid": order.seller_id,
            "stream": order.stream, "number": order.number,
            "data": {"order_id": order.order_id, "part": order.part, "parts": order.parts, "lines": lines}}


class OwnQueue(DestinationsTest):
    FROM = 10_000  # nothing at an endpoint

    def setUp(self):
        super().setUp()
        for index, one in enumerate(self.evidence.arrivals):
            if one.seller_id == "s1":
                self.evidence.arrivals[index] = one._replace(queue="seller.s1")
        self.evidence.destinations["s1", "main"] = "own"

    def test_honest(self):
        self.assert_honest()

    def test_somebody_elses_queue(self):
        for index, one in enumerate(self.evidence.arrivals):
            if one.seller_id == "s1":
                self.evidence.arrivals[index] = one._replace(queue="seller.s2")
        self.assert_broken("it came to s2")

    def test_one_message_in_a_shared_queue(self):
        index = self.index(2)
        self.evidence.arrivals[index] = self.evidence.arrivals[index]._replace(queue="sellers.00")
        self.assert_broken("it went to shared, recorded is own")


class Switched(DestinationsTest):
    """From number 3 on at the endpoint."""

    FROM = 3

    def setUp(self):
        super().setUp()
        self.evidence.switches.append(Switch("s1", "main", 3, "shared", "api", "rules 1", None))
        self.evidence.destinations["s1", "main"] = "api"

    def test_honest(self):
        self.assert_honest()

    def test_too_late(self):
        self.evidence.switches[0] = self.evidence.switches[0]._replace(from_number=2)
        self.assert_broken("it went to shared, recorded is api")

    def test_too_early(self):
        self.evidence.switches[0] = self.evidence.switches[0]._replace(from_number=4)
        self.assert_broken("it went to api, recorded is shared")

    def test_a_number_at_both(self):
        self.evidence.arrivals.append(self.arrival(3)._replace(queue="sellers.00"))
        found = [one.what for one in check(self.evidence)]
        self.assertTrue(any("it arrived at endpoint:api too" in one for one in found), found)

    def test_a_number_at_both_that_an_operator_took_on_himself(self):
        self.evidence.arrivals.append(self.arrival(3)._replace(queue="sellers.00"))
        self.evidence.switches[0] = self.evidence.switches[0]._replace(decided_by="operator kim", may_double=[3, 3])
        self.assert_honest()

    def test_there_and_back(self):
        """A fallback: from the last number on the stream is in the shared queues again."""
        index = self.index(self.last)
        self.evidence.arrivals[index] = self.evidence.arrivals[index]._replace(queue="sellers.00")
        del self.evidence.calls[self.call(self.last)]
        self.evidence.switches.append(Switch("s1", "main", self.last, "api", "shared", "fallback", None))
        self.evidence.destinations["s1", "main"] = "shared"
        self.assert_honest()
        one = self.evidence.arrivals[index]
        self.evidence.arrivals[index] = one._replace(at_s=self.arrival(self.last - 1).at_s - 1)
        self.assert_broken(f"it arrived before number {self.last - 1} was taken by endpoint:api")

    def test_a_refused_number_that_was_taken_elsewhere(self):
        """It was tried at the endpoint, refused for good, switched away, and later numbers came back."""
        refused = self.evidence.calls[self.call(4)]
        self.evidence.calls[self.call(4)] = refused._replace(status=422, arrival=None)
        index = self.index(4)
        self.evidence.arrivals[index] = self.evidence.arrivals[index]._replace(queue="sellers.00")
        self.evidence.switches += [Switch("s1", "main", 4, "api", "shared", "operator kim", None),
                                   Switch("s1", "main", 5, "shared", "api", "operator kim", None)]
        self.assert_honest()
        self.evidence.arrivals[index] = self.evidence.arrivals[index]._replace(queue="endpoint:api")
        self.evidence.switches = self.evidence.switches[:1]
        self.assert_broken("it was tried before number 4 was taken")


if __name__ == "__main__":
    unittest.main()
