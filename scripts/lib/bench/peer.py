"""A comparator measured in the same session, on its own servers and terms.

Its folder has a run.sh that takes the part `throughput` or `ceilings` and, from the environment, REPS, N, KEEP and
PEERS_TMP; it leaves results-*.jsonl in PEERS_TMP, with a line of kind `throughput` or `sql-ceiling` a run.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

from ..console import Trouble, tail


class Peer:
    """Its servers go on running, idle, between the measurements."""

    def __init__(self, folder: Path, scratch: Path):
        self._folder, self._scratch = folder.resolve(), scratch
        if not (self._folder / "run.sh").exists():
            raise Trouble(f"{folder} has no run.sh", "--beside takes the folder of a comparator")
        scratch.mkdir(parents=True, exist_ok=True)
        self._log = scratch / "run.log"

    def __enter__(self) -> Peer:
        return self

    def __exit__(self, *_) -> None:
        subprocess.run(["./servers.sh", "stop"], cwd=self._folder, env=self._environment(), check=False,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def throughput(self, carts: int) -> dict:
        """carts_per_s from the first to the last message, carts_per_s_with_start, cpu_ms_per_cart."""
        run = self._run("throughput", {"N": str(carts)}, lambda line: line["kind"] == "throughput")[-1]
        if run.get("failed") or run["verify"] != "ok":
            raise Trouble(f"the comparator failed: {run.get('failed') or run['verify']}", f"read {self._log}")
        cpu = {name: 1000 * seconds / run["n"] for name, seconds in run["cpu_s"].items() if name != "machine"}
        return {"carts_per_s": run["carts_per_s_after_first"], "carts_per_s_with_start": run["carts_per_s"],
                "cpu_ms_per_cart": cpu}

    def sql_ceiling(self) -> float:
        """Carts/s of its own statements alone, 100 carts a transaction, one connection."""
        found = self._run("ceilings", {}, lambda line: (line["kind"] == "sql-ceiling"
                                                         and (line["batch"], line["clients"]) == (100, 1)))
        return found[-1]["carts_per_s"]

    def _run(self, part: str, environment: dict[str, str], wanted) -> list[dict]:
        before = set(self._scratch.glob("results-*.jsonl"))
        with open(self._log, "ab") as log:
            status = subprocess.run(["./run.sh", part], cwd=self._folder, env=self._environment() | environment,
                                    check=False, stdin=subprocess.DEVNULL, stdout=log, stderr=log).returncode
        new = set(self._scratch.glob("results-*.jsonl")) - before
        lines = [json.loads(line) for path in new for line in path.read_text().splitlines() if line.startswith("{")]
        if not (found := [line for line in lines if wanted(line)]):
            raise Trouble(f"the comparator measured no {part} (status {status})\n{tail(self._log)}",
                          f"read {self._log}")
        return found

    def _environment(self) -> dict[str, str]:
        return {**os.environ, "PEERS_TMP": str(self._scratch), "REPS": "1", "KEEP": "1"}
