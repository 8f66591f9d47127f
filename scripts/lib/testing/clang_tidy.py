"""clang-tidy with remembered verdicts.

A verdict belongs to a file's content, that of everything of the project that it includes, the checks and the
version of clang-tidy. What has none is looked at, what differs from origin/main first; then a tenth of the
rest, another one every day, because headers of libraries are not part of a verdict. Tests are looked at by
night only.
"""

from __future__ import annotations

import concurrent.futures
import dataclasses
import datetime
import hashlib
import json
import os
import re
import shlex
import subprocess
import time
from pathlib import Path

from ..console import Trouble, duration, paint, say, step
from ..run_directory import REPOSITORY
from .tally import Tally

_TIDY = "/usr/bin/clang-tidy-19"
_VERDICTS = REPOSITORY / "build/tidy/verdicts.json"
_PRODUCT, _FOLDERS = ("common/", "workers/"), ("common", "workers", "tests")
_INCLUDE = re.compile(rb'^\s*#\s*include\s+"([^"]+)"', re.MULTILINE)
_NIGHTLY_CHECKS = "clang-analyzer-core.*,clang-analyzer-cplusplus.*,clang-analyzer-deadcode.*"
_ONE_FILE_WITHIN_S = 300
_PROGRESS_EVERY_S = 20


@dataclasses.dataclass
class Finding:
    """What clang-tidy said of one file; empty text: nothing."""

    path: Path
    digest: str
    text: str


class Digests:
    """Of a file and all of the project that it includes."""

    def __init__(self, commands: dict[str, str], checks: str = ""):
        self._commands = commands
        settings = [(REPOSITORY / folder / ".clang-tidy") for folder in ("", *_FOLDERS)]
        self._common = hashlib.sha256(_version() + checks.encode() + b"".join(
            path.read_bytes() for path in settings if path.exists())).digest()
        self._includes: dict[Path, set[Path]] = {}

    def of(self, path: Path) -> str:
        digest = hashlib.sha256(self._common + self._commands[str(path)].encode())
        for part in sorted(self._closure(path)):
            digest.update(part.read_bytes())
        return digest.hexdigest()

    def _closure(self, path: Path) -> set[Path]:
        found, waiting = {path}, [path]
        while waiting:
            new = self._included(waiting.pop()) - found
            found |= new
            waiting += new
        return found

    def _included(self, path: Path) -> set[Path]:
        if path not in self._includes:
            named = {REPOSITORY / name.decode() for name in _INCLUDE.findall(path.read_bytes())}
            self._includes[path] = {included for included in named if included.is_file()}
        return self._includes[path]


def run(build: Path, within_s: float | None, patterns: list[str], tally: Tally) -> None:
    """Looks at what has no verdict and a tenth of the rest, so long; of all without `within_s`."""
    commands = _compile_commands(build)
    checks = "" if within_s else _NIGHTLY_CHECKS
    digests, verdicts = Digests(commands, checks), _load()
    files = [path for path in map(Path, commands)
             if any(name in _name(path) for name in patterns or [""])
             and (within_s is None or patterns or _name(path).startswith(_PRODUCT))]
    current = {path: digests.of(path) for path in files}
    known = [path for path in files if verdicts.get(_name(path)) == current[path]]
    unjudged = _in_order([path for path in files if path not in set(known)])
    again = known if within_s is None else known[datetime.date.today().toordinal() % 10::10]
    say(f"{len(files)} files: {len(unjudged)} without a verdict, {len(again)} of {len(known)} others again")
    began = time.monotonic()
    deadline = began + within_s if within_s else None
    looked = _look_at_all([*unjudged, *again], current, _command(build, checks), deadline, verdicts, tally)
    left = len(unjudged) + len(again) - looked
    remark = paint("yellow", f", {left} left for another time") if left else ""
    say(f"  clang-tidy: {looked} files in {duration(time.monotonic() - began)}{remark}")


def _command(build: Path, checks: str) -> list[str]:
    return [_TIDY, "--quiet", "-p", str(build), *([f"--checks={checks}"] if checks else [])]


def _look_at_all(files: list[Path], digests: dict[Path, str], command: list[str], deadline: float | None,
                 verdicts: dict[str, str], tally: Tally) -> int:
    """How many were looked at. A file without findings is one passed test."""
    waiting, looked, said_at = iter(files), 0, time.monotonic()
    at_once = len(os.sched_getaffinity(0))
    with concurrent.futures.ThreadPoolExecutor(at_once) as pool:
        running = set()
        while True:
            while len(running) < at_once and (deadline is None or time.monotonic() < deadline):
                if (path := next(waiting, None)) is None:
                    break
                running.add(pool.submit(_look_at, path, digests[path], command))
            if not running:
                break
            done, running = concurrent.futures.wait(running, return_when=concurrent.futures.FIRST_COMPLETED)
            for finding in (future.result() for future in done):
                looked += 1
                _judge(finding, verdicts, tally)
            if time.monotonic() - said_at > _PROGRESS_EVERY_S:
                said_at = time.monotonic()
                say(f"  {looked} of {len(files)}")
    _save(verdicts)
    return looked


def _judge(finding: Finding, verdicts: dict[str, str], tally: Tally) -> None:
    if finding.text:
        verdicts.pop(_name(finding.path), None)
        tally.fail(f"clang-tidy {_name(finding.path)}", finding.text)
    else:
        verdicts[_name(finding.path)] = finding.digest
        tally.passed += 1


def _look_at(path: Path, digest: str, command: list[str]) -> Finding:
    try:
        result = subprocess.run([*command, str(path)], cwd=REPOSITORY, text=True,
                                errors="replace", stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, timeout=_ONE_FILE_WITHIN_S, check=False)
    except subprocess.TimeoutExpired:
        return Finding(path, digest, f"not done after {_ONE_FILE_WITHIN_S} s")
    text = result.stdout.strip().replace(f"{REPOSITORY}/", "")
    if result.returncode != 0 and not text:
        text = result.stderr.strip() or f"exit status {result.returncode}"
    return Finding(path, digest, text)


def _compile_commands(build: Path) -> dict[str, str]:
    """The command that compiles each of the project's files."""
    database = json.loads((build / "compile_commands.json").read_text("utf-8"))
    ours = tuple(f"{REPOSITORY}/{folder}/" for folder in _FOLDERS)
    return {entry["file"]: shlex.join(sorted(shlex.split(entry["command"]))) for entry in database
            if entry["file"].startswith(ours)}


def _in_order(files: list[Path]) -> list[Path]:
    """What differs from origin/main, then the product, then tests; within that begins elsewhere every day."""
    changed = _changed()
    turn = datetime.date.today().toordinal() * 37 % max(1, len(files))
    turned = files[turn:] + files[:turn]
    return sorted(turned, key=lambda path: (_name(path) not in changed, _name(path).startswith("tests/")))


def _changed() -> set[str]:
    result = subprocess.run(["git", "diff", "--name-only", "origin/main", "--"], cwd=REPOSITORY, check=False,
                            text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    return set(result.stdout.split())


def _version() -> bytes:
    try:
        return subprocess.run([_TIDY, "--version"], check=True, stdout=subprocess.PIPE).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        raise Trouble(f"clang-tidy does not run: {error}", "scripts/install") from error


def _name(path: Path) -> str:
    return str(path.relative_to(REPOSITORY))


def _load() -> dict[str, str]:
    try:
        return json.loads(_VERDICTS.read_text("utf-8"))
    except (OSError, ValueError):
        return {}


def _save(verdicts: dict[str, str]) -> None:
    _VERDICTS.parent.mkdir(parents=True, exist_ok=True)
    _VERDICTS.write_text(json.dumps(verdicts, indent=0, sort_keys=True), "utf-8")
