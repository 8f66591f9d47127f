"""Configures and compiles, with progress that reads well on a terminal and in a log."""

from __future__ import annotations

import os
import re
import subprocess
import time
from pathlib import Path

from .console import Trouble, say, step
from .run_directory import REPOSITORY

PRESETS = ("release", "debug", "asan", "tsan")
TIDY = "tidy"  # what clang-tidy looks at: configured only
_COMPILER_BYTES = 1 << 30  # what one compilation may take at worst
_PROGRESS = re.compile(r"\[(\d+)/(\d+)\]")
_PROGRESS_EVERY_S = 10


def ensure_installed() -> None:
    """Runs scripts/install if a package is missing; Trouble if that fails."""
    command = [REPOSITORY / "scripts/install", "--quiet"]
    if subprocess.run(command, check=False).returncode != 0:
        raise Trouble("packages are missing and could not be installed", "see above, or: scripts/install")


def build(preset: str = "release", targets: tuple[str, ...] = (), jobs: int = 0, show: bool = True) -> Path:
    """Configures (when needed) and builds build/<preset>; its path. Trouble with the compiler's words."""
    folder = configure(preset)
    with step(f"building build/{preset}"):
        _compile(folder, targets, jobs or _default_jobs(), show)
    return folder


def configure(preset: str) -> Path:
    """Configures build/<preset> when needed, compiles nothing; its path."""
    if preset not in (*PRESETS, TIDY):
        raise Trouble(f"there is no preset {preset}", f"use one of {', '.join(PRESETS)}")
    folder = REPOSITORY / "build" / preset
    if _must_configure(folder):
        with step(f"configuring build/{preset}"):
            _configure(preset)
    return folder


def _must_configure(folder: Path) -> bool:
    ninja = folder / "build.ninja"
    return not ninja.exists() or ninja.stat().st_mtime < (REPOSITORY / "CMakePresets.json").stat().st_mtime


def _configure(preset: str) -> None:
    result = subprocess.run(["/usr/bin/cmake", "--fresh", "--preset", preset], cwd=REPOSITORY, check=False, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if result.returncode != 0:
        say(result.stdout.rstrip())
        raise Trouble(f"cmake could not configure the preset {preset}",
                      f"fix what it says above; a stale cache goes away with: rm -r build/{preset}")


def _compile(folder: Path, targets: tuple[str, ...], jobs: int, show: bool) -> None:
    command = ["/usr/bin/ninja", "-C", str(folder), f"-j{jobs}", *targets]
    environment = {**os.environ, "NINJA_STATUS": "[%f/%t] "}
    # Through a pipe ninja prints a line for every step: those become progress now and then, the others are
    # the compiler's and shown.
    ninja = subprocess.Popen(command, cwd=REPOSITORY, env=environment, stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, text=True, errors="replace")
    said_at = time.monotonic()
    try:
        for line in ninja.stdout:
            if progress := _PROGRESS.match(line):
                if show and time.monotonic() - said_at > _PROGRESS_EVERY_S:
                    say(f"  {progress[1]} of {progress[2]}")
                    said_at = time.monotonic()
            elif not line.startswith("ninja: "):
                say(line.rstrip())
    except BaseException:
        ninja.terminate()
        raise
    finally:
        ninja.wait()
    if ninja.returncode != 0:
        raise Trouble("the build failed", f"fix what the compiler says above; alone: ninja -C {folder}")


def _default_jobs() -> int:
    """A job a core, as far as the memory carries them."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return max(1, min(len(os.sched_getaffinity(0)), memory // _COMPILER_BYTES))
