"""The checker finds nothing in an honest run, and exactly the broken promise where one was broken."""

import dataclasses
import unittest

from honest_run import HonestRun, ordinary_run
from lib.checker import check
from lib.evidence import Expectation, Race
from lib.messages import cart_submitted, encode


class HonestRuns(unittest.TestCase):
    def test_nothing_at_all(self):
        self.assertEqual(check(HonestRun().evidence), [])

    def test_a_bit_of_everything(self):
        run = ordinary_run()
        self.assertEqual([str(violation) for violation in check(run.evidence)], [])
        self.assertTrue(any(row.shortfall for row in run.evidence.positions))

    def test_a_conflict_of_ids(self):
        run = ordinary_run()
        other = {"order_id": "one", "channel": "web", "currency": "BRL", "paid": True,
                 "lines": [{"line_id": "1", "seller_id": "s1", "sku": "A", "quantity": 1}]}
        run.park(cart_submitted(other, "other").body, "id_conflict", "cart", "one", data=other)
        self.assertEqual(check(run.evidence), [])

    def test_a_seller_message_that_came_twice(self):
        run = ordinary_run()
        run.evidence.arrivals.append(run.evidence.arrivals[1])
        self.assertEqual(check(run.evidence), [])


class Planted(unittest.TestCase):
    """Each test breaks one promise and no other."""

    def setUp(self):
        self.run_ = ordinary_run()
        self.evidence = self.run_.evidence

    def assert_broken(self, promise: str, what: str) -> None:
        found = check(self.evidence)
        self.assertEqual({violation.promise for violation in found}, {promise}, [str(one) for one in found])
        self.assertTrue(any(what in violation.what for violation in found), [str(one) for one in found])

    def change(self, name: str, index: int, **values) -> None:
        rows = getattr(self.evidence, name)
        rows[index] = rows[index]._replace(**values)

    def index(self, name: str, **values) -> int:
        return next(index for index, row in enumerate(getattr(self.evidence, name))
                    if all(getattr(row, key) == value for key, value in values.items()))

    # P1

    def test_more_promised_than_there_is(self):
        self.run_.oversell("too-much", "s2", "D", 2)
        self.assert_broken("P1", "reserved 3 of 1 on hand")

    def test_more_promised_than_there_was_for_a_moment(self):
        self.run_.oversell("too-much", "s2", "C", 50)
        self.run_.receive("s2", "C", "main", 100)
        self.assert_broken("P1", "at version")

    def test_more_sold_than_was_ever_there(self):
        self.evidence.publications = [sent for sent in self.evidence.publications if sent.key != "receipt-2"]
        found = check(self.evidence)
        self.assertIn("P1", {violation.promise for violation in found})
        self.assertTrue(any("units were sold" in violation.what for violation in found))

    def test_reserved_is_not_the_sum_of_the_open_reservations(self):
        self.change("reservations", self.index("reservations", order_id="one"), open=1, dispatched=1)
        self.evidence.publications.append(dataclasses.replace(
            next(sent for sent in self.evidence.publications if sent.kind == "movements"), key="d",
            reply_to=None, data={"movements": [{"kind": "dispatch", "seller_id": "s1", "order_id": "one",
                                                "line_id": "1",
                                 "quantity": 1}]}))
        self.assert_broken("P1", "its open reservations are")

    # P2

    def test_a_cart_without_an_order(self):
        del self.evidence.orders[self.index("orders", order_id="none")]
        self.assert_broken("P2", "there is no order")

    def test_no_answer(self):
        correlation_id = self.evidence.publications[7].correlation_id
        self.evidence.replies = [one for one in self.evidence.replies if one.correlation_id != correlation_id]
        self.assert_broken("P2", "no answer came")

    def test_a_repeat_got_another_answer(self):
        twice = [index for index, reply in enumerate(self.evidence.replies) if reply.key == "two-sellers"]
        self.change("replies", twice[1], digest="another")
        self.assert_broken("P2", "2 different answers")

    def test_an_answer_that_is_not_the_state(self):
        index = self.index("replies", key="none")
        self.change("replies", index, type="cartwright.order.ready.v1")
        self.assert_broken("P2", "answered as ready, but it is rejected")

    def test_a_receipt_that_acted_twice(self):
        self.run_.receive("s3", "E", "main", 5)
        self.run_._move(("s3", "E", "main"), "receipt", 5, 0, self.evidence.publications[-1].key)
        self.assert_broken("P2", "was sent 1 times and acted 2 times")

    def test_a_receipt_that_did_nothing(self):
        self.evidence.publications.append(dataclasses.replace(
            self.evidence.publications[0], key="lost", message_id="lost", reply_to=None))
        self.assert_broken("P2", "acted 0 times")

    def test_an_order_that_was_reserved_twice(self):
        index = self.index("ledger", kind="reservation", order_id="one")
        self.run_._move(self.evidence.ledger[index][:3], "reservation", 0, 1, "one", "one")
        at = self.index("reservations", order_id="one")
        row = self.evidence.reservations[at]
        self.evidence.reservations[at] = row._replace(reserved=row.reserved + 1, open=row.open + 1)
        found = check(self.evidence)
        self.assertTrue(any(one.promise == "P2" and "reserved 2 times" in one.what for one in found))

    def test_a_movement_that_nobody_sent(self):
        self.run_._move(("s3", "E", "main"), "adjustment", 1, 0, "out-of-nowhere")
        self.assert_broken("P2", "nobody sent")

    def test_a_seller_message_that_did_not_arrive(self):
        self.evidence.arrivals.pop(self.index("arrivals", seller_id="s3",
                                              number=4))  # a cancellation, the last one
        found = check(self.evidence)
        self.assertTrue(any(one.promise == "P2" and "did not arrive" in one.what for one in found))
        self.assertFalse(any(one.promise == "P5" for one in found))

    def test_other_bytes_than_were_stored(self):
        self.change("stored", 0, digest="another")
        self.assert_broken("P2", "not what was stored")

    def test_a_rejection_that_nothing_explains(self):
        self.evidence.expectations["none"] = Expectation(frozenset({"rejected"}),
                                                         codes=frozenset({"unknown_sku"}))
        self.assert_broken("P2", "which nothing in it explains")

    def test_a_race_with_two_winners(self):
        self.evidence.races.append(Race(("one", "sent", "none"), 1, "the last unit"))
        self.assert_broken("P2", "2 of 3 carts got units, 1 can")

    def test_a_held_cart_that_nobody_wakes(self):
        self.run_.receive("s2", "D", "main", 1)
        self.assert_broken("P2", "waits although everything it asks for is there")

    def test_a_message_left_in_a_queue(self):
        self.evidence.queues_left["router.seller-messages"] = 3
        self.assert_broken("P2", "3 messages are left")

    # P3

    def test_a_position_that_is_not_its_ledger(self):
        index = self.index("positions", sku="E")
        self.change("positions", index, on_hand=self.evidence.positions[index].on_hand + 1)
        self.assert_broken("P3", "its ledger")

    def test_a_gap_in_the_versions(self):
        index = self.index("ledger", sku="A", version=3)
        self.change("ledger", index, version=99)
        self.assert_broken("P3", "version 3 is missing")

    # P4

    def test_a_line_that_is_reserved_in_part(self):
        self.run_.cart("half", [("1", "s3", "E", 1)])
        self.evidence.publications[-1].data["lines"][0]["quantity"] = 2
        self.assert_broken("P4", "line 1 asks for 2 and has 1")

    def test_a_line_at_the_wrong_seller(self):
        self.run_.sells("s9", "E")
        self.run_.cart("stray", [("1", "s3", "E", 1)])
        self.evidence.publications[-1].data["lines"][0]["seller_id"] = "s9"
        self.assert_broken("P4", "is reserved at seller s3")

    def test_a_seller_who_does_not_sell_it(self):
        del self.evidence.offers["s3", "E"]
        self.assert_broken("P4", "who does not sell E")

    def test_a_part_that_is_missing(self):
        index = self.index("arrivals", order_id="two-sellers", seller_id="s1")
        self.change("arrivals", index, part=2)
        self.assert_broken("P4", "parts")

    def test_a_line_in_two_seller_orders(self):
        one = self.evidence.arrivals[self.index("arrivals", order_id="two-sellers", seller_id="s2")]
        index = self.index("arrivals", order_id="two-sellers", seller_id="s1")
        self.change("arrivals", index, lines=self.evidence.arrivals[index].lines + one.lines)
        found = check(self.evidence)
        self.assertTrue(any(one.promise == "P4" and "stands in 2 seller orders" in one.what for one in found))

    def test_allocations_that_are_not_the_quantity(self):
        index = self.index("arrivals", order_id="one")
        line_id, sku, quantity, _ = self.evidence.arrivals[index].lines[0]
        self.change("arrivals", index, lines=((line_id, sku, quantity, (("main", 1),)),))
        self.assert_broken("P4", "but the allocations are")

    def test_a_seller_told_of_an_order_that_is_not_paid(self):
        self.run_._tell("unpaid")
        self.assert_broken("P4", "it is reserved and sellers were told")

    def test_a_rejected_cart_that_holds_units(self):
        index = self.index("orders", order_id="one")
        self.change("orders", index, state="rejected", answer={"reasons": []})
        found = check(self.evidence)
        self.assertTrue(any(one.promise == "P4" and "rejected and holds" in one.what for one in found))

    def test_a_cancellation_the_seller_was_not_told(self):
        index = self.index("arrivals", order_id="changed", kind="cancellation")
        self.change("arrivals", index, lines=())
        self.assert_broken("P4", "units were released")

    # P5

    def test_two_messages_in_the_wrong_order(self):
        arrivals = self.evidence.arrivals
        first, second = self.index("arrivals", seller_id="s1", number=2), self.index("arrivals",
                                                                                     seller_id="s1", number=3)
        arrivals[first], arrivals[second] = arrivals[second], arrivals[first]
        self.assert_broken("P5", "arrived for the first time after number 3")

    def test_a_cancellation_before_its_order(self):
        order = self.index("arrivals", order_id="gone", kind="order")
        cancellation = self.index("arrivals", order_id="gone", kind="cancellation")
        numbers = self.evidence.arrivals[order].number, self.evidence.arrivals[cancellation].number
        stored = [self.index("stored", seller_id="s3", number=number) for number in numbers]
        swapped = {}
        for index, place, number in ((order, stored[1], numbers[1]), (cancellation, stored[0], numbers[0])):
            one = self.evidence.arrivals[index]
            swapped[number] = one._replace(number=number, message_id=f"s3/main/{number}")
            self.evidence.stored[place] = self.evidence.stored[place]._replace(digest=one.digest)
        self.evidence.arrivals[order] = swapped[numbers[0]]
        self.evidence.arrivals[cancellation] = swapped[numbers[1]]
        self.assert_broken("P5", "a cancellation before its order")

    def test_a_repeat_with_other_bytes(self):
        self.evidence.arrivals.append(self.evidence.arrivals[0]._replace(digest="another"))
        self.assert_broken("P5", "repeated with other bytes")

    def test_a_stream_through_two_queues(self):
        self.change("arrivals", self.index("arrivals", seller_id="s1", number=2), queue="sellers.05")
        self.assert_broken("P5", "through 2 queues")

    def test_a_number_that_never_arrived(self):
        del self.evidence.arrivals[self.index("arrivals", seller_id="s1", number=2)]
        found = {violation.promise for violation in check(self.evidence)}
        self.assertIn("P5", found)

    def test_an_id_that_is_not_its_number(self):
        self.change("arrivals", 0, message_id="s1/main/7")
        self.assert_broken("P5", "its id is s1/main/7")

    # P7

    def test_a_failed_message_that_disappeared(self):
        sent = self.run_.park(encode({"no": "id"}), "malformed")
        self.evidence.parked.pop()
        self.evidence.replies.pop()
        self.evidence.parked_counted["malformed"] -= 1
        sent.reply_to = None
        self.assert_broken("P7", "it is not in parking")

    def test_a_parked_message_that_was_cut(self):
        sent = self.run_.park(encode({"no": "id"}), "malformed")
        sent.reply_to = None
        self.evidence.replies.pop()
        self.change("parked", -1, body=b'{"no')
        self.assert_broken("P7", "not as it was sent")

    def test_a_parked_message_that_lost_its_properties(self):
        self.change("parked", 0, reply_to=None)
        self.assert_broken("P7", "its reply_to became None")

    def test_parked_for_another_reason(self):
        self.run_.park(b"[1]", "poison")
        self.evidence.publications[-1].must_park = frozenset({"malformed"})
        self.assert_broken("P7", "parked for poison, expected malformed")

    def test_a_good_message_that_was_parked(self):
        self.run_.park(b"fine", "poison", "fault")
        self.evidence.publications[-1].must_park = frozenset()
        self.assert_broken("P7", "expected nothing")

    def test_parked_and_not_counted(self):
        self.evidence.parked_counted["malformed"] = 0
        self.assert_broken("P7", "the workers counted 0")

    def test_replayed_and_still_there(self):
        self.evidence.publications[-1].replayed = True
        found = check(self.evidence)
        self.assertTrue(any(one.promise == "P7" and "still in parking" in one.what for one in found))


if __name__ == "__main__":
    unittest.main()
