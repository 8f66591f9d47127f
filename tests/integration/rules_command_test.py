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
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
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
EVENT = {"specversion": "1.0", "id": "acme/breakable/1", "type": "cartwright.seller.order.v1", "source": "s",
         "sellerid": "acme", "stream": "breakable", "number": 1,
         "data": {"order_id": "o", "part": 1, "parts": 1, "channel": "web", "currency": "BRL", "paid": True,
                  "region": "north", "tags": ["gold"], "total_minor": 5,
                  "lines": [{"line_id": "1", "sku": "vase", "category": "wood", "quantity": 1,
                             "unit_price_minor": 5, "allocations": [{"warehouse": "main", "quantity": 1}]}]}}


class RulesCommandTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.write(RULES)

    def write(self, text: str, name: str = "rules.yaml") -> str:
        (self.folder / name).write_text(text)
        return str(self.folder / name)

    def rules(self, command: str, *arguments: str, status: int = 0, said_to: str = "", secret: str | None = SECRET) -> str:
        """What `cartwright rules COMMAND FOLDER …` prints, errors included."""
        environment = {key: value for key, value in os.environ.items() if key != "RULES_TEST_SECRET"}
        if secret is not None:
            environment["RULES_TEST_SECRET"] = secret
        result = subprocess.run([CARTWRIGHT, "rules", command, str(self.folder), *arguments], capture_output=True,
                                text=True, check=False, env=environment, input=said_to, timeout=60)
        self.assertEqual(status, result.returncode, result.stdout + result.stderr)
        self.assertNotIn("MfKQ9", result.stdout + result.stderr)
        return result.stdout + result.stderr


class Check(RulesCommandTest):
    def test_right_rules(self):
        said = self.rules("check")
        self.assertRegex(said, "^2 stream rules, 1 delivery rule, 1 destination, 1 example: all right, version [0-9a-f]{16}\n$")

    def test_wrong_rules_are_told_whole(self):
        self.write(RULES.replace("to: acme-api", "to: acme-ipa").replace("stream: dear", "stram: dear"))
        self.write("streams: 5\n", "a-first.yaml")
        self.assertEqual([
            f"{self.folder}/a-first.yaml:1:10: streams is to be a list",
            f"{self.folder}/rules.yaml:11:5: a stream rule names no stream; say which, `stream: …`",
            f"{self.folder}/rules.yaml:13:5: a stream rule has no key 'stram'; did you mean stream?",
            f"{self.folder}/rules.yaml:15:59: there is no destination 'acme-ipa'; did you mean acme-api?",
            "4 problems; a fleet that runs keeps its old rules until they are mended",
        ], self.rules("check", status=1).splitlines())

    def test_for_programs(self):
        right = json.loads(self.rules("check", "--json"))
        self.assertRegex(right.pop("version"), "^[0-9a-f]{16}$")
        self.assertEqual({"valid": True, "stream_rules": 2, "delivery_rules": 1, "destinations": 1, "examples": 1,
                          "problems": []}, right)
        self.write("streams: 5\n")
        wrong = json.loads(self.rules("check", "--json", status=1))
        self.assertFalse(wrong["valid"])
        self.assertEqual([{"file": f"{self.folder}/rules.yaml", "line": 1, "column": 10, "what": "streams is to be a list"}],
                         wrong["problems"])
        self.folder = self.folder / "none"
        self.assertIn("can't be read", json.loads(self.rules("check", "--json", status=1))["problems"][0]["what"])

    def test_secrets_have_to_be_there_unless_told(self):
        said = self.rules("check", status=1, secret=None)
        self.assertIn("rules.yaml:5:15: the environment has no RULES_TEST_SECRET", said)
        self.assertIn("1 problem; ", said)
        self.assertIn("env:RULES_TEST_SECRET holds no secret", self.rules("check", status=1, secret="whsec_MfKQ9"))
        self.assertIn("all right", self.rules("check", "--without-secrets", secret=None))

    def test_examples_that_fail_are_problems_as_for_a_fleet(self):
        self.write(RULES.replace("category: glass}", "category: wood}"))
        self.assertIn("example 'a vase': expected stream breakable, not main", self.rules("check", status=1))

    def test_no_such_folder(self):
        self.folder = self.folder / "none"
        self.assertIn("none: the rules can't be read: No such file or directory", self.rules("check", status=1))


class Test(RulesCommandTest):
    def test_examples_that_pass_need_no_secrets(self):
        self.assertEqual("ok      a vase\n1 example, all as expected\n", self.rules("test", secret=None))

    def test_an_example_that_goes_elsewhere(self):
        self.write(RULES.replace("category: glass}", "category: wood}") +
                   "  - {name: a chair, given: {seller: bolt}, expect: {stream_rule: default}}\n")
        self.assertEqual([
            f"failed  {self.folder}/rules.yaml:17:5: example 'a vase': expected stream breakable, not main, "
            "expected destination shared, not acme-api",
            "ok      a chair",
            "2 examples, 1 failed; `cartwright rules explain` tells why a message goes where it goes",
        ], self.rules("test", status=1).splitlines())

    def test_wrong_rules_are_not_tried(self):
        self.write("streams: 5")
        self.assertIn("rules.yaml:1:10: streams is to be a list", self.rules("test", status=1))


class Explain(RulesCommandTest):
    def test_every_rule_says_why_or_why_not(self):
        self.assertEqual("""\
message
  seller       acme
  currency     BRL
  value_minor  5
  sku          chair, table
  category     wood

stream main
  no   breakable            no category is glass or china-*; it has wood
  no   dear                 value_minor is 5, below 100000
  yes  default              no rule took it

destination acme-api, of stream main
  yes  acme                 all its conditions hold

way
  acme-api                  POST https://orders.acme.example/hook
  after 1 min of nothing but failures:
  own                       the seller's own queue, seller.acme
""", self.rules("explain", "--given", "seller=acme", "category=wood", "currency=BRL", "value_minor=5", "sku=chair",
                "sku=table", secret=None))
        said = self.rules("explain", "--given", "seller=acme", "category=china-1", "currency=BRL", "value_minor=100000")
        self.assertIn("stream breakable\n  yes  breakable ", said)
        self.assertIn("  no   acme                 stream is breakable, not main\n  yes  default ", said)

    def test_a_message_to_a_seller(self):
        said = self.rules("explain", "--message", self.write(json.dumps(EVENT), "message.json"))
        self.assertIn("  warehouse    main\n", said)
        self.assertIn("stream main\n", said)
        self.assertIn("It was numbered in stream breakable, by the rules of that time, and stays there.", said)
        self.assertIn("destination shared, of stream breakable\n", said)
        said = self.rules("explain", "--message", "-", said_to=json.dumps({**EVENT, "type": "cartwright.seller.voided.v1"}),
                          status=1)
        self.assertIn("standard input: it is no cartwright.seller.order.v1 event", said)

    def test_what_an_example_gives(self):
        given = {"seller": "acme", "lines": [{"sku": "vase", "category": "glass"}]}
        for text in (json.dumps(given), yaml.safe_dump(given)):
            self.assertIn("stream breakable\n", self.rules("explain", "--message", "-", said_to=text))
        said = self.rules("explain", "--message", "-", said_to='{"seler": "acme"}', status=1)
        self.assertIn("standard input:1:2: given has no key 'seler'; did you mean seller?", said)
        self.assertIn("can't be read", self.rules("explain", "--message", "/none", status=1))

    def test_rules_about_other_sellers_are_counted(self):
        self.write("streams:\n" + "".join(
            f"  - {{name: r{i}, match: {{seller: s{i}}}, stream: x}}\n" for i in range(100)))
        said = self.rules("explain", "--given", "seller=acme")
        self.assertIn("95 rules more about other sellers; --all shows them", said)
        self.assertEqual(5, said.count("seller is acme, not s"))
        self.assertEqual(100, self.rules("explain", "--all", "--given", "seller=acme").count("seller is acme, not s"))

    def test_what_is_no_message(self):
        for arguments, what in (((), "say which message"),
                                (("--given", "seler=acme"), "did you mean seller?"),
                                (("--given", "colour=red"), "give value_minor, channel, currency, region, seller"),
                                (("--given", "acme"), "acme is no name=value"),
                                (("--given", "value_minor=-1"), "value_minor=-1 is no whole number from 0 on")):
            self.assertIn(what, self.rules("explain", *arguments, status=1))

    def test_a_terminal_is_shown_control_characters_and_does_not_obey_them(self):
        for said in (self.rules("explain", "--given", "seller=a\x1b[2Jb"),
                     self.rules("explain", "--message", "-", said_to=json.dumps({**EVENT, "sellerid": "a\x1b[2Jb"}))):
            self.assertIn("a\\x1b[2Jb", said)
            self.assertNotIn("\x1b", said)


class Files(unittest.TestCase):
    """What is shipped: rules, the schema for editors, and the page that teaches them."""

    def setUp(self):
        self.validator = jsonschema.Draft7Validator(SCHEMA)
        self.shipped = sorted((REPOSITORY / "routing-rules").iterdir())

    def run_rules(self, command: str, folder: str, *arguments: str) -> subprocess.CompletedProcess:
        return subprocess.run([CARTWRIGHT, "rules", command, folder, *arguments], capture_output=True, text=True, check=False)

    def test_shipped_rules_are_right_and_change_nothing(self):
        self.assertEqual([".yaml"], sorted({path.suffix for path in self.shipped}))
        folder = str(REPOSITORY / "routing-rules")
        self.assertIn("0 stream rules, 0 delivery rules, 0 destinations", self.run_rules("check", folder).stdout)
        tried = self.run_rules("test", folder)
        self.assertEqual(0, tried.returncode)
        self.assertIn("ok ", tried.stdout)

    def test_shipped_rules_teach_rules_that_are_right(self):
        text = (REPOSITORY / "routing-rules/default.yaml").read_text()
        for nothing in ("destinations: {}", "streams: []", "deliveries: []"):
            self.assertIn(nothing, text)
            text = text.replace(nothing, nothing.split(" ")[0])
        taught = text.replace("\n#  ", "\n  ").split("examples:")[0]
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "a.yaml").write_text(taught)
            checked = self.run_rules("check", folder, "--without-secrets")
        self.assertIn("1 stream rule, 2 delivery rules, 1 destination, 0 examples: all right", checked.stdout)
        self.assertEqual([], list(self.validator.iter_errors(yaml.safe_load(taught))))

    def test_the_schema_takes_what_the_command_takes_and_refuses_what_it_refuses(self):
        jsonschema.Draft7Validator.check_schema(SCHEMA)
        right = [RULES, "", "streams:\n", RULES.replace("seller: acme, category", "seller: 4711, region: [no, 1.5], category")
                 .replace("  - name: a vase", "  - name: 1").replace("given: {seller: acme,", "given: {seller: 4711, region: no,"),
                 *(path.read_text() for path in self.shipped)]
        wrong = [RULES.replace(old, new) for old, new in (
            ("to: acme-api", "to: Acme"), ("stream: dear", "stram: dear"), ("[env:", "[text:"), ("{from: 100000}", "{}"),
            ("after_ms: 60000", "after_ms: -1"), ("https:", "ftp:"), ("acme-api:", "shared:"), ("name: dear", "name: Dear"),
            ("seller: acme, category", "seler: acme, category"), ("[glass, china-*]", "[]"), ("[glass, china-*]", "{}"),
            ("currency: BRL, ", ""), ("name: dear", "name: default"), ("[glass, china-*]", "['*glass']"),
            ("stream: breakable, destination: shared}", "}"), ("    url: https://orders.acme.example/hook\n", ""),
            ("    secrets: [env:RULES_TEST_SECRET]\n", ""), ("  - name: breakable\n    match", "  - match"),
            ("{to: own, after_ms: 60000}", "{to: own}"), ("  - name: a vase\n    given", "  - given"))]
        for text in wrong:
            self.assertNotIn(text, right)
        for texts, fits in ((right, True), (wrong, False)):
            for text in texts:
                errors = [error.message for error in self.validator.iter_errors(yaml.safe_load(text))]
                self.assertEqual(fits, not errors, f"{errors}\n{text}")
                with tempfile.TemporaryDirectory() as folder:
                    Path(folder, "a.yaml").write_text(text)
                    checked = self.run_rules("check", folder, "--without-secrets")
                    self.assertEqual(fits, checked.returncode == 0, checked.stdout + text)

    def test_the_page_that_teaches_rules_shows_rules_that_are_right(self):
        page = (REPOSITORY / "deploy/routing-rules.md").read_text()
        taught = [part.split("```", 1)[0] for part in page.split("```yaml\n")[1:]]
        self.assertGreaterEqual(len(taught), 4)
        whole: dict = {}
        for text in taught:
            read = yaml.safe_load(text)
            self.assertEqual([], [error.message for error in self.validator.iter_errors(read)], text)
            for key, value in read.items():
                whole[key] = {**whole.get(key, {}), **value} if isinstance(value, dict) else whole.get(key, []) + value
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "a.yaml").write_text(yaml.safe_dump(whole, sort_keys=False))
            checked = self.run_rules("check", folder, "--without-secrets")
        self.assertEqual(0, checked.returncode, checked.stdout)


if __name__ == "__main__":
    unittest.main()
