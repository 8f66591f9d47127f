"""The parts of scripts/test --all: which are run, and that what they find is counted."""

import contextlib
import io
import re
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from lib.console import Trouble
from lib.run_directory import REPOSITORY
from lib.testing import clang_tidy, fuzzing, parts, sanitizers, seeds
from lib.testing.tally import Tally


class Parts(unittest.TestCase):
    def test_all_are_run_when_none_is_named(self):
        self.assertEqual(list(parts.PARTS), [part.name for part in parts.chosen([])])

    def test_coverage_brings_what_it_needs_and_order_is_kept(self):
        self.assertEqual(["asan", "coverage", "tidy"], [part.name for part in parts.chosen(["tidy", "coverage"])])

    def test_an_unknown_part_is_refused(self):
        with self.assertRaisesRegex(Trouble, "no part lint"):
            parts.chosen(["asan", "lint"])

    def test_a_part_that_breaks_fails_alone_and_what_was_not_run_is_named(self):
        def break_down(_plan, _tally):
            raise Trouble("the build failed")

        def pass_two(_plan, tally):
            tally.passed += 2
        made_up = {"a": parts.Part("a", "", break_down), "b": parts.Part("b", "", pass_two),
                   "c": parts.Part("c", "", pass_two)}
        tally, output = Tally(), io.StringIO()
        with mock.patch.object(parts, "PARTS", made_up), contextlib.redirect_stdout(output):
            parts.run(parts.Plan(), [made_up["a"], made_up["b"]], tally)
        self.assertEqual("2 passed, 1 failed", tally.line())
        self.assertRegex(output.getvalue(), r"c +not run")


class Reports(unittest.TestCase):
    def test_a_report_is_a_failure_once(self):
        (REPOSITORY / ".run").mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=REPOSITORY / ".run") as folder:
            with mock.patch.object(sanitizers, "_FOLDER", Path(folder)):
                sanitizer = sanitizers.Sanitizer("asan", 3)
                sanitizer.begin()
                (sanitizer.reports / "report.17").write_text("ERROR: AddressSanitizer: heap-use-after-free")
                tally = Tally()
                sanitizer.collect("chaos_test.py", tally)
                self.assertEqual(1, tally.failed)
                self.assertIn("heap-use-after-free", tally.failures[0][1])
                sanitizer.collect("next_test.py", tally)
                self.assertEqual(1, tally.failed)


class Seeds(unittest.TestCase):
    def targets(self) -> list[str]:
        listed = (REPOSITORY / "tests/fuzz/CMakeLists.txt").read_text("utf-8")
        return re.findall(r"^cartwright_fuzz\((\w+)", listed, re.MULTILINE)

    def test_every_target_has_inputs_to_begin_with(self):
        with tempfile.TemporaryDirectory() as folder:
            made, left_out = seeds.collect(Path(folder) / "seeds", None)
            begun = {path.name for path in made.folder.iterdir()}
        self.assertEqual(set(), set(self.targets()) - begun)
        self.assertIn("no folder of data", left_out[0])

    def test_folders_of_data_that_are_missing_are_named(self):
        with tempfile.TemporaryDirectory() as folder:
            data = Path(folder) / "data"
            (data / "channels").mkdir(parents=True)
            (data / "channels/one.json").write_text('{"a": 1}')
            made, left_out = seeds.collect(Path(folder) / "seeds", data)
            taken = [path for path in (made.folder / "message").iterdir() if path.read_bytes() == b'{"a": 1}']
        self.assertEqual(1, len(taken))
        self.assertEqual(2, len(left_out))

    def test_dictionaries_are_there(self):
        for name in self.targets():
            dictionary = fuzzing.dictionary_of(name)
            self.assertTrue(dictionary is None or dictionary.is_file(), name)


FAKE_TARGET = """#!/bin/sh
for argument; do case $argument in -artifact_prefix=*) folder=${argument#-artifact_prefix=};; esac; done
if [ "${0##*_}" = well ]; then echo "stat::number_of_executed_units: 7"; exit 0; fi
echo boom >"${folder}crash-1"
echo "property broken: two and two are four"
exit 77
"""


class Fuzzing(unittest.TestCase):
    def test_what_breaks_a_target_is_kept_with_the_command_that_repeats_it(self):
        (REPOSITORY / ".run").mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=REPOSITORY / ".run") as folder:
            build = Path(folder) / "build"
            (build / "bin").mkdir(parents=True)
            for name in ("fuzz_well", "fuzz_broken"):
                (build / "bin" / name).write_text(FAKE_TARGET)
                (build / "bin" / name).chmod(0o755)
            tally = Tally()
            with mock.patch.object(fuzzing, "FOLDER", Path(folder)), contextlib.redirect_stdout(io.StringIO()):
                fuzzing.run(build, 1, None, [], tally)
            kept = Path(folder) / "broken/broken/crash-1"
            self.assertEqual("boom\n", kept.read_text())
            self.assertEqual("1 passed, 1 failed", tally.line())
            self.assertIn("two and two are four", tally.failures[0][1])
            self.assertIn(f"fuzz_broken {kept.relative_to(REPOSITORY)}", tally.failures[0][1])


class Verdicts(unittest.TestCase):
    """A verdict is forgotten when something changes that it was about."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name)
        (self.root / "common").mkdir()
        self.write("common/a.cpp", '#include "common/b.hpp"\n')
        self.write("common/b.hpp", '#include "common/c.hpp"\n#include "common/a.cpp"\n')
        self.write("common/c.hpp", "int c;\n")
        self.write("common/other.hpp", "")
        patch = mock.patch.object(clang_tidy, "REPOSITORY", self.root)
        patch.start()
        self.addCleanup(patch.stop)

    def write(self, name: str, text: str) -> None:
        (self.root / name).write_text(text)

    def digest(self, command: str = "c++", checks: str = "") -> str:
        path = self.root / "common/a.cpp"
        return clang_tidy.Digests({str(path): command}, checks).of(path)

    def test_by_what_is_included_settings_and_command(self):
        before = self.digest()
        self.assertEqual(before, self.digest())
        self.write("common/other.hpp", "int other;\n")
        self.assertEqual(before, self.digest())
        self.assertNotEqual(before, self.digest("c++ -O2"))
        self.assertNotEqual(before, self.digest(checks="bugprone-*"))
        self.write("common/c.hpp", "long c;\n")
        after = self.digest()
        self.assertNotEqual(before, after)
        self.write(".clang-tidy", "Checks: '*'\n")
        self.assertNotEqual(after, self.digest())


if __name__ == "__main__":
    unittest.main()
