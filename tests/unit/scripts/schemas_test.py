"""The JSON Schemas of all messages: each is a schema, its examples fit it, and what the scripts send fits too."""

import json
import unittest
from pathlib import Path

import jsonschema

from lib.generator import Generator
from lib.messages import cart_submitted, catalogue_changed, order_cancellation

FOLDER = Path(__file__).resolve().parents[3] / "common" / "message" / "schema"


def validator(type_: str):
    schema = json.loads((FOLDER / f"{type_}.json").read_text())
    return jsonschema.Draft7Validator(schema)


class Schemas(unittest.TestCase):
    def test_each_is_one_and_its_examples_fit(self):
        files = sorted(FOLDER.glob("*.json"))
        self.assertGreaterEqual(len(files), 16)
        for file in files:
            schema = json.loads(file.read_text())
            jsonschema.Draft7Validator.check_schema(schema)
            self.assertEqual(file.stem, schema["properties"]["type"]["const"])
            self.assertTrue(schema["examples"])
            for example in schema["examples"]:
                jsonschema.validate(example, schema, jsonschema.Draft7Validator)

    def test_they_refuse_what_does_not_fit(self):
        cart = next(iter(Generator(1, 10).carts(1)))
        for spoil in ({"lines": None}, {"currency": "real"}, {"policy": "maybe"}, {"order_id": ""}):
            event = json.loads(cart_submitted({**cart, **spoil}).body)
            self.assertTrue(list(validator(event["type"]).iter_errors(event)), spoil)

    def test_what_the_scripts_send_fits(self):
        generator = Generator(1, 200)
        sent = [cart_submitted(cart) for cart in generator.carts(200)]
        sent += list(generator.world.initial_stock())
        sent += [order_cancellation("c-1", "A-1", "why"), order_cancellation("c-2", "A-1", "why", [{"line_id": "1", "quantity": 1}]),
                 catalogue_changed("k-1", ["SKU-1"], ["seller-1"])]
        for message in sent:
            event = json.loads(message.body)
            self.assertEqual([], [error.message for error in validator(event["type"]).iter_errors(event)])


if __name__ == "__main__":
    unittest.main()
