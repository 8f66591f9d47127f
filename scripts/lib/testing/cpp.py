"""The C++ side: formatting, doctest programs, whatever else ctest knows."""

from __future__ import annotations

import concurrent.futures
import json
import os
import re
import subprocess
import xml.etree.ElementTree
from pathlib import Path

from ..console import Trouble, paint, step
from ..run_directory import REPOSITORY
from .tally import Tally

_FOLDERS = ("common", "workers", "tests")
_ENDINGS = (".cpp", ".hpp", ".h")
_SUMMARY = re.compile(r"\[doctest\] test cases:\s*\d+\s*\|\s*(\d+) passed\s*\|\s*(\d+) failed")
_PROGRAM_WITHIN_S = 300
_LOG_LINES_MAX = 10


def check_format() -> Tally:
    """clang-format over all C++ files, as one check."""
    files = sorted(str(path.relative_to(REPOSITORY)) for folder in _FOLDERS
                   for path in (REPOSITORY / folder).rglob("*") if path.suffix in _ENDINGS)
    tally = Tally()
    if not files:
        return tally
    with step("clang-format") as current:
        chunks = [files[begin::cores()] for begin in range(cores())]
        with concurrent.futures.ThreadPoolExecutor() as pool:
            outputs = list(pool.map(_complaints, [chunk for chunk in chunks if chunk]))
        if complaints := "".join(outputs):
            tally.fail("clang-format", _first_lines(complaints) + "\nnext: clang-format-19 -i FILE")
        else:
            tally.passed += 1
        current.remark = paint("red", "failed") if tally.failed else f"{len(files)} files"
    return tally


def programs(build: Path, tier: str, patterns: list[str] | None = None) -> list[Path]:
    """The doctest programs `<tier>_…` in build/<preset>/bin in which one of the patterns, if any, matches."""
    return sorted(path for path in (build / "bin").glob(f"{tier}_*")
                  if path.is_file() and os.access(path, os.X_OK) and _matches(path, patterns or []))


def run_program(program: Path, patterns: list[str], environment: dict[str, str] | None = None,
                slowness: float = 1) -> Tally:
    """Runs a doctest program; each of its test cases counts."""
    within_s = _PROGRAM_WITHIN_S * slowness
    command = [str(program), "--no-colors"]
    if patterns and not any(pattern in program.name for pattern in patterns):
        command.append(_selection(patterns))
    tally = Tally()
    try:
        result = subprocess.run(command, cwd=REPOSITORY, env={**os.environ, **(environment or {})}, text=True,
                                errors="replace", stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, timeout=within_s, check=False)
    except subprocess.TimeoutExpired as expired:
        output = (expired.stdout or b"").decode("utf-8", "replace")
        tally.fail(program.name, f"{_sorted(output)}\nnot done after {within_s:.0f} s")
        return tally
    except OSError as error:
        tally.fail(program.name, str(error))
        return tally
    summary = _SUMMARY.search(result.stdout)
    failed = int(summary[2]) if summary else 0
    tally.passed = int(summary[1]) if summary else 0
    if result.returncode != 0 or summary is None:
        tally.fail(program.name, f"{_sorted(result.stdout)}\n(exit status {result.returncode})", max(1, failed))
    return tally


def _sorted(output: str) -> str:
    """The last lines that the tested code logged, then what doctest says, which would be lost among them."""
    log: list[str] = []
    rest: list[str] = []
    for line in output.splitlines():
        (log if line.startswith('{"ts":') else rest).append(line)
    return "\n".join(log[-_LOG_LINES_MAX:] + rest)


def run_unit_programs(unit: list[Path], patterns: list[str], environment: dict[str, str] | None = None,
                      slowness: float = 1) -> Tally:
    """The programs, one a core at a time."""
    total = Tally()
    if not unit:
        return total
    with step(f"unit tests in {len(unit)} programs") as current:
        with concurrent.futures.ThreadPoolExecutor(cores()) as pool:
            def one(program: Path) -> Tally:
                return run_program(program, patterns, environment, slowness)
            for tally in pool.map(one, unit):
                total.add(tally)
        current.remark = total.remark()
    return total


def run_other_ctests(build: Path, patterns: list[str]) -> Tally:
    """What ctest knows beside the doctest programs, each as one test."""
    names = [name for name in _ctests(build) if not patterns or any(pattern in name for pattern in patterns)]
    tally = Tally()
    if not names:
        return tally
    with step(f"{len(names)} more from ctest") as current:
        report = build / "ctest.xml"
        report.unlink(missing_ok=True)
        only = "^(" + "|".join(re.escape(name) for name in names) + ")$"
        command = ["/usr/bin/ctest", "--test-dir", str(build), "-R", only, "-j", str(cores()),
                   "--output-junit", str(report), "--output-on-failure"]
        result = subprocess.run(command, check=False, text=True, stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT)
        if report.exists():
            _count_junit(report, tally)
        else:
            tally.fail("ctest", result.stdout)
        current.remark = tally.remark()
    return tally


def _matches(program: Path, patterns: list[str]) -> bool:
    if not patterns or any(pattern in program.name for pattern in patterns):
        return True
    listed = subprocess.run([program, "--list-test-cases", _selection(patterns)], capture_output=True,
                            text=True, check=False).stdout.lower()
    return any(pattern.lower() in listed for pattern in patterns)


def _selection(patterns: list[str]) -> str:
    return "--test-case=" + ",".join(f"*{pattern}*" for pattern in patterns)


def _ctests(build: Path) -> list[str]:
    """Names of the registered tests whose program is not one that `programs` finds."""
    result = subprocess.run(["/usr/bin/ctest", "--test-dir", str(build), "--show-only=json-v1"], check=False,
                            capture_output=True, text=True)
    if result.returncode != 0:
        raise Trouble(f"ctest cannot list the tests of {build}:\n{result.stderr.strip()}", "scripts/build")
    known = {str(program) for tier in ("unit", "integration") for program in programs(build, tier)}
    return [test["name"] for test in json.loads(result.stdout)["tests"]
            if test.get("command", [""])[0] not in known]


def _count_junit(report: Path, tally: Tally) -> None:
    for case in xml.etree.ElementTree.parse(report).getroot().iter("testcase"):
        status = case.get("status")
        if status == "run":
            tally.passed += 1
        elif status in ("notrun", "disabled"):
            tally.skipped += 1
        else:
            tally.fail(f"ctest {case.get('name')}", case.findtext("system-out") or "")


def _complaints(files: list[str]) -> str:
    command = ["/usr/bin/clang-format-19", "--dry-run", "-Werror", *files]
    result = subprocess.run(command, cwd=REPOSITORY, text=True, check=False, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT)
    return result.stdout or ("" if result.returncode == 0 else f"exit status {result.returncode}\n")


def _first_lines(text: str, lines_max: int = 30) -> str:
    lines = text.splitlines()
    more = f"\n({len(lines) - lines_max} more lines)" if len(lines) > lines_max else ""
    return "\n".join(lines[:lines_max]) + more


def cores() -> int:
    """That this process may use."""
    return len(os.sched_getaffinity(0))
