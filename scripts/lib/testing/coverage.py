"""Which lines and branches of the product the tests reached: clang's source-based coverage of build/asan.

Branches are the two ways of every condition in the source; what compilers and sanitizers add is not counted.
"""

from __future__ import annotations

import collections
import dataclasses
import json
import shutil
import subprocess
from pathlib import Path

from ..console import Trouble, say, step
from ..run_directory import REPOSITORY
from .tally import Tally

REPORT = REPOSITORY / "build/coverage.json"
_FOLDER = REPOSITORY / ".run/coverage"
_TOOLS = Path("/usr/bin")
_PRODUCT = ("common", "workers")
_FLOORS = {"lines": 90.0, "branches": 80.0}  # less means that something big has lost its tests


@dataclasses.dataclass
class Count:
    """Of lines and branches, how many there are and how many ran."""

    lines: int = 0
    lines_run: int = 0
    branches: int = 0
    branches_run: int = 0

    def add(self, other: Count) -> None:
        for field in dataclasses.fields(self):
            setattr(self, field.name, getattr(self, field.name) + getattr(other, field.name))

    def share(self, what: str) -> float:
        """In percent."""
        whole = getattr(self, what)
        return 100 * getattr(self, f"{what}_run") / whole if whole else 100.0

    def facts(self) -> dict:
        return {**dataclasses.asdict(self), "lines_percent": round(self.share("lines"), 2),
                "branches_percent": round(self.share("branches"), 2)}


def begin() -> None:
    """Forgets what ran before."""
    shutil.rmtree(_FOLDER, ignore_errors=True)
    _FOLDER.mkdir(parents=True)


def environment() -> dict[str, str]:
    """Programs add what they ran to a few files (%m: of each program, shared by its processes)."""
    return {"LLVM_PROFILE_FILE": f"{_FOLDER}/%m.profraw"}


def report(build: Path, tally: Tally, whole: bool = True) -> None:
    """Prints the table and writes REPORT; where the whole tests ran, fails below the floors."""
    with step("reading what ran"):
        profiles = sorted(map(str, _FOLDER.glob("*.profraw")))
        if not profiles:
            tally.fail("coverage", "nothing ran: no *.profraw in " + str(_FOLDER))
            return
        merged = _FOLDER / "merged.profdata"
        _call("llvm-profdata-19", "merge", "-sparse", "-failure-mode=all", "-o", str(merged), *profiles)
        files = _read(build, merged)
    folders, total = collections.defaultdict(Count), Count()
    for name, count in files.items():
        folders["/".join(name.split("/")[:2])].add(count)
        total.add(count)
    _write(files, folders, total)
    _show(folders, total)
    for what, floor in _FLOORS.items() if whole else ():
        if total.share(what) < floor:
            tally.fail("coverage", f"{total.share(what):.1f} % of {what}, the floor is {floor:.0f} %")
        else:
            tally.passed += 1


def _read(build: Path, merged: Path) -> dict[str, Count]:
    """By file; a file in several programs is counted once."""
    programs = [path for path in sorted((build / "bin").iterdir())
                if path.is_file() and not path.name.startswith("fuzz_")]
    objects = [argument for path in programs[1:] for argument in ("-object", str(path))]
    text = _call("llvm-cov-19", "export", "-summary-only", f"-instr-profile={merged}", str(programs[0]),
                 *objects, *(str(REPOSITORY / name) for name in _PRODUCT))
    found = {}
    for entry in json.loads(text)["data"][0]["files"]:
        name = str(Path(entry["filename"]).resolve().relative_to(REPOSITORY))
        lines, branches = entry["summary"]["lines"], entry["summary"]["branches"]
        found[name] = Count(lines["count"], lines["covered"], branches["count"], branches["covered"])
    return found


def _call(tool: str, *arguments: str) -> str:
    result = subprocess.run([str(_TOOLS / tool), *arguments], cwd=REPOSITORY, check=False, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if result.returncode != 0:
        raise Trouble(f"{tool} failed: {result.stderr[-2000:]}")
    return result.stdout


def _write(files: dict[str, Count], folders: dict[str, Count], total: Count) -> None:
    REPORT.write_text(json.dumps({
        "total": total.facts(), "folders": {name: folders[name].facts() for name in sorted(folders)},
        "files": {name: files[name].facts() for name in sorted(files)}}, indent=1) + "\n", "utf-8")


def _show(folders: dict[str, Count], total: Count) -> None:
    say("  folder".ljust(28) + "lines".rjust(17) + "branches".rjust(21))
    for name, count in [*sorted(folders.items()), ("total", total)]:
        say(f"  {name}".ljust(28) +
            f"{count.share('lines'):6.1f} % of {count.lines:<6}".rjust(19) +
            f"{count.share('branches'):6.1f} % of {count.branches:<6}".rjust(21))
    say(f"  by file: {REPORT.relative_to(REPOSITORY)}")
