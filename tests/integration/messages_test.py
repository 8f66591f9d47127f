"""What the fleet says fits the JSON Schemas of its messages."""

import json
import unittest
from pathlib import Path

import jsonschema

from environment import wait_for
from market import MarketTest

FOLDER = Path(__file__).resolve().parents[2] / "common" / "message" / "schema"


def complaints(type_: str, instance: dict, data_only: bool = False) -> list[str]:
    schema = json.loads((FOLDER / f"{type_}.json").read_text())
    schema = schema["properties"]["data"] if data_only else schema
    return [error.message for error in jsonschema.Draft7Validator(schema).iter_errors(instance)]


class MessagesTest(MarketTest):
    def test_orders_answers_and_sellers_messages(self):
        self.sell("s1", "A", 10)
        self.sell("s2", "B", 3)
        asked = [self.cart("o1", [("1", "A", 2), ("2", "B", 1)]), self.cart("o2", [("1", "A", 500)]),
                 self.cart("o3", [("1", "A", 500)], policy="hold"), self.cart("o4", [("1", "B", 5)], policy="partial"),
                 self.cart("o5", [("1", "A", 1)], paid=False), self.cart("o6", [("1", "unknown", 1)])]
        for one in asked:
            self.outcome(one)
        self.outcome(self.cancel("o1", {"1": 1}))
        self.outcome(self.cancel("o1"))
        environment = self.market.environment
        wait_for(lambda: environment.rows("SELECT count(*) FROM seller_message") == [(6,)],
                 what="two parts, three cancellations and a partial order")
        orders = environment.rows("SELECT state, answer FROM orders")
        self.assertEqual({"ready", "reserved", "pending", "rejected", "cancelled"}, {state for state, _ in orders})
        for state, answer in orders:
            self.assertEqual([], complaints(f"cartwright.order.{state}.v1", json.loads(answer), data_only=True), answer)
        bodies = [json.loads(body) for body, in environment.rows("SELECT body FROM seller_message")]
        self.assertEqual({"cartwright.seller.order.v1", "cartwright.seller.cancellation.v1"}, {one["type"] for one in bodies})
        for body in bodies:
            self.assertEqual([], complaints(body["type"], body), body)


if __name__ == "__main__":
    unittest.main()
