"""scripts/bench"""

import argparse
import json
import os
import statistics
import tempfile
from pathlib import Path

from .. import benchmark, endpoint_benchmark, operator_command
from ..building import PRESETS, build, ensure_installed
from ..console import Trouble, run, say, step
from ..fleet import Fleet
from ..servers import Servers

EXAMPLES = """\
examples:
  scripts/bench                       throughput three times, latency once
  scripts/bench throughput --reps 5   one part only
  scripts/bench --json result.json    the same figures for programs

Everything runs on this machine: servers (quorum queues, confirms, fsync), fleet and load. Throughput is taken from the
first to the last message in the sellers' queues, with the carts waiting in the queue when the fleet starts; latency from
the moment at which a cart was due (an open model) to the moment at which the sellers' consumer has its messages.
Machines differ and drift: compare only what was measured in turn.
"""


def main() -> int:
    options = _parse()
    ensure_installed()
    build(options.preset)
    with tempfile.TemporaryDirectory(prefix="cartwright-bench-", dir="/var/tmp") as folder:
        Path(folder).chmod(0o755)
        with Servers(Path(folder) / "run") as servers:
            result = _measure(servers, options)
    _print(result)
    if options.json:
        Path(options.json).write_text(json.dumps(result, indent=2) + "\n")
    return 0 if not result["violations"] else 1


def _measure(servers: Servers, options: argparse.Namespace) -> dict:
    with step("schema, topology, catalogue and stock"):
        operator_command.prepare(servers, options.preset)
        market = benchmark.Market(servers, options.skus, options.sellers, options.seed)
        with Fleet(servers, options.preset) as fleet:
            fleet.start("reserver")
            market.stock_up()
    result = {"cpus": os.cpu_count(), "skus": options.skus, "sellers": options.sellers, "violations": []}
    runs = []
    for number in range(options.reps if "throughput" in options.parts else 0):
        with step(f"throughput, {options.carts} carts, run {number + 1}") as shown:
            runs.append(benchmark.throughput(servers, market, options.carts, options.preset))
            shown.remark = f"{runs[-1]['carts_per_s']:,.0f} carts/s"
    if runs:
        result["throughput"] = runs
        result["carts_per_s"] = statistics.median(one["carts_per_s"] for one in runs)
        parts = runs[0]["cpu_ms_per_cart"]
        result["cpu_ms_per_cart"] = {name: statistics.median(one["cpu_ms_per_cart"][name] for one in runs) for name in parts}
    if "latency" in options.parts:
        with step(f"latency at {options.rate} carts/s, {options.seconds} s") as shown:
            result.update(benchmark.latency(servers, market, options.rate, options.seconds, options.preset))
            shown.remark = f"p50 {result['p50_ms']:.1f} ms, p99 {result['p99_ms']:.1f} ms"
    if "endpoints" in options.parts:
        with step(f"{endpoint_benchmark.BROKEN} broken endpoints, {options.rate} carts/s, twice {options.seconds} s"):
            result["broken_endpoints"] = endpoint_benchmark.others_latency(servers, market, options.rate, options.seconds,
                                                                           options.preset)
        with step(f"{endpoint_benchmark.WAITING:,} messages to {endpoint_benchmark.HEALTHY} endpoints"):
            result["endpoints"] = endpoint_benchmark.healthy_rate(servers, market, options.preset)
        with step(f"{endpoint_benchmark.WAITING:,} messages to one endpoint that returns"):
            result["catch_up"] = endpoint_benchmark.catch_up(servers, market, options.preset)
    with step("checking what the runs left in the databases"):
        result["violations"] = benchmark.violations(servers)
    return result


def _print(result: dict) -> None:
    say()
    if "carts_per_s" in result:
        rates = [one["carts_per_s"] for one in result["throughput"]]
        say(f"  carts/s        {result['carts_per_s']:>9,.0f}   ({min(rates):,.0f} to {max(rates):,.0f}, {len(rates)} runs)")
        say("  CPU ms a cart")
        for name, cost in result["cpu_ms_per_cart"].items():
            say(f"    {name:<13}{cost:>9.3f}")
        say(f"    {'all':<13}{sum(result['cpu_ms_per_cart'].values()):>9.3f}")
    if "p50_ms" in result:
        say(f"  latency        p50 {result['p50_ms']:.1f} ms, p99 {result['p99_ms']:.1f} ms, at {result['rate']} carts/s")
    if "endpoints" in result:
        broken, healthy, returned = result["broken_endpoints"], result["endpoints"], result["catch_up"]
        say(f"  {broken['broken']} broken endpoints: others' p50 {broken['p50_ms']:.1f} ms, p99 {broken['p99_ms']:.1f} ms; "
            f"mended {broken['p50_ms_without']:.1f} and {broken['p99_ms_without']:.1f} ms")
        say(f"  {healthy['endpoints']} endpoints: {healthy['per_s']:,.0f} messages/s")
        say(f"  one endpoint that returns: {returned['messages']:,} messages in {returned['seconds']:.1f} s")
    for violation in result["violations"]:
        say(f"  VIOLATION      {violation}")
    if not result["violations"]:
        say("  promises       held: stock, ledger, reservations, streams")


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/bench", epilog=EXAMPLES,
                                     formatter_class=argparse.RawDescriptionHelpFormatter,
                                     description="Measures carts/s end to end, CPU per cart and latency.")
    parser.add_argument("parts", nargs="*", metavar="PART", help="throughput, latency, endpoints (default: the first two)")
    parser.add_argument("--carts", type=int, default=40_000, help="carts in a throughput run (default: 40000)")
    parser.add_argument("--reps", type=int, default=3, help="throughput runs (default: 3)")
    parser.add_argument("--rate", type=int, default=200, help="carts/s of the latency run (default: 200)")
    parser.add_argument("--seconds", type=int, default=20, help="its length (default: 20)")
    parser.add_argument("--skus", type=int, default=30_000)
    parser.add_argument("--sellers", type=int, default=3_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", metavar="FILE", help="write the figures as JSON")
    parser.add_argument("--preset", choices=PRESETS, default="release")
    options = parser.parse_args()
    options.parts = options.parts or ["throughput", "latency"]
    if unknown := set(options.parts) - {"throughput", "latency", "endpoints"}:
        raise Trouble(f"no such part: {', '.join(sorted(unknown))}", "scripts/bench --help")
    return options


run(main)
