"""The page that scripts/bench --page writes: what was measured, and what more carts take at that cost."""

from __future__ import annotations

import math
import re

from ..rabbitmq import MEMORY_ARGUMENTS
from .report import rows
from .rig import WORKERS

RATES = (100, 1_000, 10_000, 100_000)
_BUSY = 0.6  # share of a core or of a queue's capacity that is planned with; the rest is for spikes

_PAGE = """\
# How fast it is, and what it takes

Written by `{command} --page deploy/speed.md`
in {took} minutes{again}: run it again rather than edit this.

## Measured

On one machine with {machine}:
servers, one worker of each kind, the load and the sellers' consumer. Durable throughout: quorum queues with confirms,
PostgreSQL with `fsync` and `synchronous_commit`. A cart has 3 lines of 2 sellers on average, out of 30,000 SKUs of
3,000 sellers, by Zipf's law with exponent 0.9. {verified}

Such machines move by half from minute to minute: trust ratios, which are taken in turn, before rates. FOLDER holds a
comparator. `scripts/bench --quick` takes three minutes, `scripts/bench --help` lists the parts.

| what | measured | goal | |
|---|---:|---|---|
{measured}

## What carts take

Few carts a second come one by one, many in batches, which cost a fraction: the cost of a cart is taken from the run at
that rate or the next below (latency at 200 and 1,000 carts/s, and the highest). Cores are carts/s times the
milliseconds of a cart; what a larger catalogue, a longer history or a backlog adds is above. No more than {busy} % of a
core or of a queue is planned with. A worker has one busy thread: a core is the most that it can use. Two of each is the
least for the day on which one dies.

| carts/s | {rates} |
|---|{right}
{sizes}

Disk and cores of the servers are those of one node. In a cluster every follower of a quorum queue writes the log once
more, which one machine can't show.

One queue takes {queue} carts/s in and out (the broker alone, above), and one PostgreSQL holds all positions of a stock.
Where the table says more than one fleet, each has a RabbitMQ and a PostgreSQL of its own, and carts are divided so that
a SKU's stock is in one of them: by country or by marketplace.

RabbitMQ was given `{memory}`
(as `RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS`): its processes begin with larger heaps, which took 6 to 9 % of its CPU away
for 32 MB more memory, and messages of a megabyte come from memory that is kept, which took 7 % away.
"""


def text(result: dict) -> str:
    """Markdown, of a result that has its rates."""
    machine = result["machine"]
    return _PAGE.format(
        command=_command(result["command"]), again=_again(result.get("again", [])),
        took=round(result["took_s"] / 60), busy=round(_BUSY * 100),
        machine=f"{machine['cpus']} cores ({machine['model']}) and {machine['memory_gb']} GB",
        verified=_verified(result["violations"]),
        measured="\n".join(map(_line, rows(result))), rates=" | ".join(f"{rate:,}" for rate in RATES),
        right="---:|" * len(RATES), memory=MEMORY_ARGUMENTS,
        queue=f"{_thousands(result['rates']['broker_carts_per_s']):,}",
        sizes="\n".join(_size(name, values) for name, values in sizes(result)))


def sizes(result: dict) -> list[tuple[str, list[float]]]:
    """What each of RATES takes, by name."""
    rates = result["rates"]
    fleets = [math.ceil(rate / (_BUSY * rates["broker_carts_per_s"])) for rate in RATES]
    cores = {name: [rate * _cpu_ms_per_cart(result, rate)[name] / 1000 / _BUSY for rate in RATES]
             for name in rates["fleet"]["cpu_ms_per_cart"]}
    return [
        *((f"{name}s", list(map(max, fleets, map(math.ceil, cores[name])))) for name in WORKERS),
        *((f"cores of {name}", needed) for name, needed in cores.items() if name not in WORKERS),
        ("cores in all", [sum(needed[i] for needed in cores.values()) for i in range(len(RATES))]),
        *((f"MB/s that {name} writes", [rate * kb / 1000 for rate in RATES])
          for name, kb in rates["fleet"]["written_kb_per_cart"].items() if name != "mariadb"),
        ("fleets, each with a queue for carts", fleets),
    ]


def _cpu_ms_per_cart(result: dict, rate: int) -> dict[str, float]:
    """Of the nearest rate below that was measured, since fewer carts cost more each."""
    runs = {200: result.get("latency_200"), 1_000: result.get("latency_1000"), 10_000: result["rates"]["fleet"]}
    measured = {at: run for at, run in runs.items() if run}
    return measured[max((at for at in measured if at <= rate), default=min(measured))]["cpu_ms_per_cart"]


def _verified(violations: list[str]) -> str:
    if violations:
        return f"**Not every run could be verified**: {'; '.join(violations)}."
    return "Every run was verified:\nstock, ledger, reservations, streams, and each message byte for byte."


def _command(line: str) -> str:
    """Without the names of this machine's files."""
    without_outputs = re.sub(r" --(json|page) \S+", "", line)
    return re.sub(r"--onto \S+", "--onto FILE", re.sub(r"--beside \S+", "--beside FOLDER", without_outputs))


def _again(lines: list[str]) -> str:
    if not lines:
        return ""
    return ", with\n" + ",\n".join(f"`{_command(line)}`" for line in lines) + " since"


def _thousands(number: float) -> int:
    return math.floor(number / 1000) * 1000


def _line(row) -> str:
    reached = {None: "", True: "reached", False: "**missed**"}[row.reached]
    indent = "&nbsp;" * 2 * (row.what.startswith(" "))
    return f"| {indent}{row.what.strip()} | {row.value} | {row.goal} | {reached} |"


def _size(name: str, values: list[float]) -> str:
    return f"| {name} | " + " | ".join(f"{value:,}" if isinstance(value, int) else _rounded(value)
                                       for value in values) + " |"


def _rounded(value: float) -> str:
    return f"{value:.2f}" if value < 1 else f"{value:,.1f}" if value < 10 else f"{value:,.0f}"
