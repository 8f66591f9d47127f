"""The operator's command for routing rules; it needs no server."""

import json
import os
import subprocess
import tempfile
import unittest
from pathlib import Path

import jsonschema
import yaml
from environment import default_preset
from lib.run_directory import REPOSITORY

CARTWRIGHT = REPOSITORY / "build" / default_preset() / "bin" / "cartwright"
SCHEMA = json.loads((REPOSITORY / "deploy/routing-rules.schema.json").read_text())
RULES = """
destinations:
  acme-api:
    url: https://orders.acme.example/hook
    secrets: [env:RULES_TEST_SECRET]
    fallback: {to: own, after_ms: 60000}
streams:
  - name: breakable
    match: {seller: acme, category: [glass, china-*]}
    stream: breakable
  - name: dear
    match: {currency: BRL, value_minor: {from: 100000}}
    stream: dear
deliveries:
  - {name: acme, match: {seller: acme, stream: main}, to: acme-api}
examples:
  - name: a vase
    given: {seller: acme, lines: [{sku: vase, category: glass}]}
    expect: {stream: breakable, destination: shared}
"""


class RulesCommandTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.write(RULES)

    def write(self, text: str) -> None:
        (self.folder / "rules.yaml").write_text(text)

    def run_(self, *arguments: str, status: int = 0) -> str:
        result = subprocess.run([CARTWRIGHT, "rules", *arguments], capture_output=True, text=True, check=False,
                                env={**os.environ, "RULES_TEST_SECRET": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"})
        self.assertEqual(status, result.returncode, result.stdout + result.stderr)
        return result.stdout + result.stderr

    def test_right_rules(self):
        self.assertIn("2 stream rules, 1 delivery rules, 1 destinations, 1 examples", self.run_("check", str(self.folder)))
        self.assertIn("1 examples, 0 differences", self.run_("test", str(self.folder)))

    def test_wrong_rules_are_told_whole(self):
        self.write(RULES.replace("to: acme-api", "to: acme-ipa").replace("stream: dear", "stram: dear"))
        said = self.run_("check", str(self.folder), status=1)
        self.assertIn("rules.yaml:13:5: a stream rule has no key 'stram'; did you mean stream?", said)
        self.assertIn("there is no destination 'acme-ipa'", said)
        self.assertIn("problems", said)

    def test_an_example_that_goes_elsewhere(self):
        self.write(RULES.replace("category: glass}", "category: wood}"))
        said = self.run_("test", str(self.folder), status=1)
        self.assertIn('example "a vase": expected stream breakable, not main', said)

    def test_a_message_is_explained(self):
        said = self.run_("explain", str(self.folder), "--given", "seller=acme", "category=wood", "currency=BRL",
                         "value_minor=5")
        for what in ("no category is glass or china-*", "is 5, below 100000", "acme                 took it",
                     "https://orders.acme.example/hook", "after 60000 ms of failures", "the seller's own queue"):
            self.assertIn(what, said)
        self.assertNotIn("MfKQ9", said)

    def test_a_stored_message_is_explained(self):
        event = {"specversion": "1.0", "id": "acme/breakable/1", "type": "cartwright.seller.order.v1", "source": "s",
                 "sellerid": "acme", "stream": "breakable", "number": 1,
                 "data": {"order_id": "o", "part": 1, "parts": 1, "channel": "web", "currency": "BRL", "paid": True,
                          "region": "north", "tags": [], "total_minor": 5,
                          "lines": [{"line_id": "1", "sku": "vase", "category": "wood", "quantity": 1,
                                     "unit_price_minor": 5, "allocations": [{"warehouse": "main", "quantity": 1}]}]}}
        path = self.folder / "message.json"
        path.write_text(json.dumps(event))
        said = self.run_("explain", str(self.folder), "--message", str(path))
        self.assertIn("it was numbered in stream breakable, by the rules of that time", said)
        path.write_text("{}")
        self.assertIn("message.json: ", self.run_("explain", str(self.folder), "--message", str(path), status=1))

    def test_no_such_folder(self):
        self.assertIn("can't be read", self.run_("check", str(self.folder / "none"), status=1))

    def test_the_schema_for_editors_agrees(self):
        jsonschema.Draft7Validator.check_schema(SCHEMA)
        validator = jsonschema.Draft7Validator(SCHEMA)
        for text in (RULES, *(path.read_text() for path in (REPOSITORY / "routing-rules").glob("*.yaml"))):
            self.assertEqual([], [error.message for error in validator.iter_errors(yaml.safe_load(text))])
        for old, new in (("to: acme-api", "to: Acme"), ("stream: dear", "stram: dear"), ("[env:", "[text:"),
                         ("{from: 100000}", "{}"), ("after_ms: 60000", "after_ms: -1")):
            self.assertTrue(list(validator.iter_errors(yaml.safe_load(RULES.replace(old, new)))), new)
            self.write(RULES.replace(old, new))
            self.run_("check", str(self.folder), status=1)


if __name__ == "__main__":
    unittest.main()
