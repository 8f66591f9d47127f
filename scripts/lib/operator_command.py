"""Calls the operator's command, build/<preset>/bin/cartwright, against an environment."""

from __future__ import annotations

import os
import subprocess

from .console import Trouble
from .fleet import CONFIG
from .run_directory import REPOSITORY
from .servers import Servers


def cartwright(servers: Servers, *arguments: str, preset: str = "release", timeout_s: float = 120) -> str:
    """Runs `cartwright <arguments>` with the environment's URLs; its standard output, Trouble if it fails."""
    binary = REPOSITORY / "build" / preset / "bin" / "cartwright"
    if not binary.exists():
        raise Trouble(f"there is no {binary}", "scripts/build")
    environment = {**os.environ, **servers.urls, **servers.urls_of("operator"), **servers.passwords}
    result = subprocess.run([binary, *arguments], env=environment, cwd=REPOSITORY,
                            capture_output=True, text=True, timeout=timeout_s, check=False)
    if result.returncode != 0:
        raise Trouble(f"cartwright {' '.join(arguments)} failed with status {result.returncode}:\n"
                      f"{(result.stderr or result.stdout).strip()}")
    return result.stdout


def prepare(servers: Servers, preset: str = "release") -> None:
    """Schema and topology: what the workers ask for before they start. May be repeated."""
    cartwright(servers, "migrate", preset=preset)
    cartwright(servers, "topology", "--config", str(CONFIG), "apply", preset=preset)
