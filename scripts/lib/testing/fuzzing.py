"""Runs the fuzz targets of tests/fuzz, two at a time, and keeps what broke one."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import os
import re
import shutil
import subprocess
import time
from pathlib import Path

from ..console import duration, paint, say, step
from ..run_directory import REPOSITORY
from . import seeds
from .tally import Tally

FOLDER = REPOSITORY / ".run/fuzz"
_FOUND = REPOSITORY / "tests/fuzz/found"  # inputs that once broke a target, kept for good
_DICTIONARIES = {"rules": "yaml", "configuration": "yaml", "urls": "url", "http_request": "http"}
_NO_DICTIONARY = ("addresses", "time", "webhook")
_INPUT_BYTES_MAX = {"addresses": 16, "time": 64, "urls": 512, "webhook": 1024, "http_request": 4096}
_ONE_INPUT_WITHIN_S = 20
_MEMORY_MB_MAX = 2048
_GRACE_S = 120
_STATISTICS = re.compile(r"stat::number_of_executed_units:\s*(\d+)")
_FEATURES = re.compile(r"\bft: (\d+) corp: (\d+)/")


@dataclasses.dataclass
class Outcome:
    """What became of one target."""

    name: str
    took_s: float
    executions: int
    features: int
    problem: str = ""


def default_data() -> Path | None:
    """Where real payloads are, if anywhere: CARTWRIGHT_DATA, else ../shared/data."""
    if named := os.environ.get("CARTWRIGHT_DATA"):
        return Path(named)
    beside = REPOSITORY.parent / "shared/data"
    return beside if beside.is_dir() else None


def dictionary_of(name: str) -> Path | None:
    """The words of a target's inputs, if they have any."""
    if name in _NO_DICTIONARY:
        return None
    return REPOSITORY / f"tests/fuzz/{_DICTIONARIES.get(name, 'json')}.dict"


def run(build: Path, seconds: int, data: Path | None, patterns: list[str], tally: Tally) -> None:
    """Fuzzes every target in the build for so long."""
    targets = sorted(path for path in (build / "bin").glob("fuzz_*") if not patterns or any(
        pattern in path.name for pattern in patterns))
    if not targets:
        return
    with step("inputs to begin with") as current:
        begun, left_out = seeds.collect(FOLDER / "seeds", data)
        current.remark = f"{sum(1 for path in begun.folder.rglob('*') if path.is_file())} files"
    for sentence in left_out:
        say(paint("yellow", f"  left out: {sentence}"))
    cores = len(os.sched_getaffinity(0))
    say(f"{len(targets)} targets, {seconds} s each, {cores} at a time: about "
        f"{duration(-(-len(targets) // cores) * seconds)}")
    with concurrent.futures.ThreadPoolExecutor(cores) as pool:
        runs = [pool.submit(_fuzz, target, seconds) for target in targets]
        for number, done in enumerate(concurrent.futures.as_completed(runs), 1):
            _count(done.result(), f"{number} of {len(targets)}", tally)


def _count(outcome: Outcome, place: str, tally: Tally) -> None:
    remark = f"{outcome.executions:,} inputs, {outcome.features:,} features"
    if outcome.problem:
        remark = paint("red", "failed")
    took = duration(outcome.took_s).rjust(10)
    say(f"  fuzz {outcome.name} ".ljust(40) + place.rjust(12) + took + "  " + remark)
    if outcome.problem:
        tally.fail(f"fuzz {outcome.name}", outcome.problem)
    else:
        tally.passed += 1


def _fuzz(target: Path, seconds: int) -> Outcome:
    """First what was found before, then new inputs; the corpus stays for the next run."""
    name = target.name.removeprefix("fuzz_")
    corpus, crashes = FOLDER / "corpus" / name, FOLDER / "broken" / name
    for folder in (corpus, crashes):
        folder.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(crashes)
    crashes.mkdir()
    begin = [str(folder / name) for folder in (FOLDER / "seeds", _FOUND) if (folder / name).is_dir()]
    command = [str(target), str(corpus), *begin, f"-max_total_time={seconds}", f"-artifact_prefix={crashes}/",
               f"-timeout={_ONE_INPUT_WITHIN_S}", f"-rss_limit_mb={_MEMORY_MB_MAX}", "-print_final_stats=1",
               f"-max_len={_INPUT_BYTES_MAX.get(name, 16_384)}", "-use_value_profile=1"]
    if dictionary := dictionary_of(name):
        command.append(f"-dict={dictionary}")
    began = time.monotonic()
    output, status = _run(command, seconds + _GRACE_S)
    executions, features = _STATISTICS.search(output), _FEATURES.findall(output)
    problem = "" if status == 0 and executions else _explain(target, output, status, crashes)
    return Outcome(name, time.monotonic() - began, int(executions[1]) if executions else 0,
                   int(features[-1][0]) if features else 0, problem)


def _run(command: list[str], within_s: float) -> tuple[str, int]:
    environment = {**os.environ, "LLVM_PROFILE_FILE": "/dev/null", "UBSAN_OPTIONS": "print_stacktrace=1"}
    try:
        result = subprocess.run(command, cwd=REPOSITORY, env=environment, stdin=subprocess.DEVNULL, text=True,
                                errors="replace", stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                timeout=within_s, check=False)
    except subprocess.TimeoutExpired as expired:
        return (expired.stdout or b"").decode("utf-8", "replace") + "\nthe fuzzer did not end in time", -1
    return result.stdout, result.returncode


def _explain(target: Path, output: str, status: int, crashes: Path) -> str:
    """The report, the input that was kept, and how to repeat it."""
    kept = sorted(crashes.iterdir())
    repeat = [f"repeat: {target.relative_to(REPOSITORY)} {path.relative_to(REPOSITORY)}" for path in kept]
    advice = [f"keep it for good in {_FOUND.relative_to(REPOSITORY)}/{crashes.name}/"] if kept else []
    report = [line for line in output.splitlines() if not re.match(r"#\d+\s|\t?NEW_FUNC|Dictionary|\"", line)]
    return "\n".join(report[-45:] + [f"(exit status {status})"] + repeat + advice)
