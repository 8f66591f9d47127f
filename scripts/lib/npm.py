"""Tools of the tests that come from npm: installed into build/npm when first needed, as a lock file says.

    folder = npm.install(REPOSITORY / "tests/asyncapi")     # Unavailable where there is no npm or no network
    subprocess.run(["node", folder / "check.mjs", …])
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path

from .console import Trouble
from .run_directory import REPOSITORY

CACHE = REPOSITORY / "build" / "npm"
_INSTALLED_WITHIN_S = 240
_NETWORK_TROUBLES = ("ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED", "ECONNRESET", "ETIMEDOUT", "ENETUNREACH",
                     "EHOSTUNREACH",
                     "ERR_SOCKET_TIMEOUT", "E502", "E503", "E504")


class Unavailable(Exception):
    """It cannot be installed here; says why."""


def install(package: Path) -> Path:
    """A folder with the package's files and what its lock file names; made once for each state of them."""
    if not shutil.which("npm") or not shutil.which("node"):
        raise Unavailable("node and npm are not installed")
    files = sorted(path for path in package.iterdir() if path.is_file())
    digest = hashlib.sha256(b"\0".join(path.name.encode() + path.read_bytes() for path
                                       in files)).hexdigest()[:12]
    folder = CACHE / f"{package.name}-{digest}"
    if (folder / "installed").exists():
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    for path in files:
        shutil.copy(path, folder)
    _run_npm(folder)
    (folder / "installed").touch()
    return folder


def _run_npm(folder: Path) -> None:
    command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund",
               "--omit-lockfile-registry-resolved",
               "--fetch-retries=1", "--cache", str(CACHE / "cache")]
    try:
        result = subprocess.run(command, cwd=folder, text=True, capture_output=True, check=False,
                                stdin=subprocess.DEVNULL,
                                timeout=_INSTALLED_WITHIN_S)
    except subprocess.TimeoutExpired as error:
        raise Unavailable(f"npm took longer than {_INSTALLED_WITHIN_S} s") from error
    if result.returncode == 0:
        return
    said = result.stderr.strip()
    if any(trouble in said for trouble in _NETWORK_TROUBLES):
        raise Unavailable("the registry of npm cannot be reached")
    raise Trouble(f"npm ci failed in {folder}:\n{said}", "does package-lock.json fit package.json?")
