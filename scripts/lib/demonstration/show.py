"""The demonstration from an empty machine to the verdict."""

from __future__ import annotations

import argparse
import collections
import contextlib
import dataclasses
import gc
import itertools
import json
import random
import shutil
import time
from pathlib import Path
from typing import Callable, Iterable

from .. import journal, operator_command, replies, sellers
from ..checker import check
from ..console import STEP_COLUMN, Trouble, duration, paint, say, step
from ..evidence import Evidence, Expectation, Parked, read_databases
from ..fleet import Fleet
from ..generator import Generator
from ..listener import ListenerProcess
from ..olist import Olist
from ..progress import Progress, bar, rate
from ..publisher import Publisher
from ..run_directory import REPOSITORY
from ..servers import Servers
from ..world import World, connect_catalogue
from .endpoints import Endpoints
from .flow import SHIP_PERCENT, Flow
from .replay import OlistFlow, withhold
from .scenes import ALL, Corrected, Scene
from .settling import Settling
from .story import story
from .stage import BULK_ANSWERS, SELLER_ANSWERS, Stage, declare_answer_queues
from .summary import render, summarise

DEFAULT_CARTS = 60_000
WORKERS = ("reserver", "splitter", "router")
_CHUNK = 50
_UNANSWERED_MAX = 4000
_PLAYS_OF_A_SCENE = 3
_STALLED_AFTER_S = 60
_GIVEN_BACK_WITHIN_S = 5


@dataclasses.dataclass
class Plan:
    """What will be shown: the world, its carts and scenes."""

    title: str
    notes: list[str]
    world: World
    count: int
    scenes: list[Scene]
    corrected: Corrected
    flow: Callable[[Stage, object], Flow]
    expected: Expectation
    endpoint_sellers: list[str]  # any of them may be served otherwise than by the shared queues


class Show:
    """One run. Everything it starts is stopped at the end, unless it is to be kept."""

    def __init__(self, options: argparse.Namespace):
        self._options = options
        self._servers = Servers(options.run_dir)
        self._fleet = Fleet(self._servers, options.preset)
        self._folder: Path = self._servers.run.path / "evidence"
        self._evidence = Evidence()
        self._times: dict[str, float] = {}
        self._troubles: list[str] = []

    def run(self) -> int:
        """The exit status."""
        plan = self._plan()
        say(paint("bold", plan.title))
        for note in plan.notes:
            say(paint("faint", note))
        with contextlib.ExitStack() as stack:
            self._open(stack, plan)
            stage = self._show(plan)
            with step("reading databases and logs, checking the promises"):
                began = time.monotonic()
                gc.disable()  # millions of rows and not a cycle among them
                self._read()
                violations = check(self._evidence)
                self._times["checking_s"] = time.monotonic() - began
            told = story(self._endpoints.sellers, self._evidence, self._endpoints.happened)
            summary = summarise(self._evidence, violations, stage.exercised, self._facts(plan, stage), told)
        return self._conclude(summary)

    # Before the first cart

    def _plan(self) -> Plan:
        options = self._options
        rng = random.Random(f"{options.seed}/scenes")
        if options.olist:
            return self._plan_of_real_orders(rng)
        count = options.carts or DEFAULT_CARTS
        generator = Generator(options.seed, count)
        offers = generator.hot_offers
        world = generator.world
        scenes = [scene(world, number, rng) for scene in ALL for number in range(1, _PLAYS_OF_A_SCENE + 1)]
        return Plan(f"{count:,} made-up carts, seed {options.seed}, {options.replicas} replicas of each "
                    "worker", [], world,
                    count, scenes, Corrected(world, 1, rng),
                    lambda stage, catalogue: Flow(stage, world, generator.carts(count), count, options.seed,
                                                  catalogue, hot=offers),
                    Expectation(), _busy_sellers(dict.fromkeys(offer.seller_id for offer in offers)))

    def _plan_of_real_orders(self, rng: random.Random) -> Plan:
        options = self._options
        olist = Olist(options.olist)
        carts = list(itertools.islice(olist.carts(options.join), options.carts))
        world = olist.world(options.seed, carts)
        pairs = len(world.offers)
        late = withhold(world, options.seed)
        scenes = [scene(world, 1, rng) for scene in ALL if not scene.rejects]
        joined = f", {options.join} neighbouring orders joined to one cart" if options.join > 1 else ""
        several = sum(len({line["seller_id"] for line in cart["lines"]}) > 1 for cart in carts)
        notes = [f"Real: the orders and their order, {pairs:,} offers of sellers, prices as they "
                 f"changed{joined}; "
                 f"{several:,} carts have several sellers.",
                 "Made up: the stock (what was sold and up to 3 more a SKU) and the warehouses (1 to 3 a "
                 "seller); a few "
                 "SKUs are delivered late and their carts held. All carts are paid, so none may be rejected.",
                 f"Beside them {len(scenes)} staged scenes show what real orders do not: carts that are not "
                 "paid, one id for two "
                 f"carts, dispatches before their order, messages that nobody can read."]
        return Plan(f"{len(carts):,} carts of real orders (Olist), {options.replicas} replicas of each "
                    "worker", notes,
                    world, len(carts), scenes, Corrected(world, 1, rng),
                    lambda stage, catalogue: OlistFlow(stage, world, iter(carts), len(carts), options.seed,
                                                       catalogue, late),
                    Expectation(frozenset({"ready", "cancelled"}), codes=frozenset()),
                    _busy_sellers(seller_id for seller_id, _ in collections.Counter(
                        line["seller_id"] for cart in carts for line in cart["lines"]).most_common()))

    def _open(self, stack: contextlib.ExitStack, plan: Plan) -> None:
        """Servers with schema, topology and catalogue, then the workers."""
        self._evidence.expected_of_others = plan.expected
        with step("starting RabbitMQ, PostgreSQL, MariaDB"):
            self._servers.start()
        stack.callback(self._close)
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir(parents=True)
        with step("schema and topology"):
            operator_command.prepare(self._servers, self._options.preset)
        with step(f"catalogue: {len(plan.world.sellers):,} sellers, {len(plan.world.offers):,} offers"):
            with contextlib.closing(connect_catalogue(self._servers.urls["MARIADB_ADMIN_URL"])) as catalogue:
                plan.world.write_catalogue(catalogue)
            plan.world.save(self._folder / "world.json")
        self._endpoints = Endpoints(self._servers, self._fleet, self._folder, plan.endpoint_sellers,
                                    self._options.seed, self._options.preset)
        stack.callback(self._endpoints.close)
        self._endpoints.declare_own_queue()
        self._fleet.config = self._endpoints.config
        replicas = {name: self._options.replicas for name in WORKERS}
        with step("starting " + ", ".join(f"{count} {name}" for name, count in replicas.items())):
            self._fleet.start_all(replicas)

    def _close(self) -> None:
        if self._options.keep:
            return
        if self._fleet.workers:
            with contextlib.suppress(Trouble), step("stopping the workers"):
                self._fleet.stop()
        with step("stopping the servers"):
            self._servers.stop()

    # The show

    def _show(self, plan: Plan) -> Stage:
        url = self._servers.urls["AMQP_URL"]
        declare_answer_queues(url)
        with contextlib.ExitStack() as stack:
            publisher = stack.enter_context(Publisher(url, name="demo", window_max=3000))
            stage = Stage(url, publisher, self._evidence, self._folder)
            stack.callback(stage.close)
            answers, seller_process = self._listeners(stack, url)
            catalogue = connect_catalogue(self._servers.urls["MARIADB_ADMIN_URL"])
            stack.callback(catalogue.close)
            settling = Settling(self._servers, stage, seller_process, answers, self._endpoints)
            stack.callback(settling.close)
            with step(f"stock: {len(plan.world.stock):,} positions, {sum(plan.world.stock.values()):,} "
                      "units"):
                self._fill_shelves(plan, stage, settling)
            self._let_flow(plan, stage, plan.flow(stage, catalogue), settling, seller_process, answers)
            self._endpoints.finish()
            self._settle("waiting until everything has settled", settling, "settling_s")
            self._correct(plan, stage, settling)
            self._count_parked()
            self._end_of_show(settling)
            self._take_parked(settling)
        self._listeners_done(stage)
        return stage

    def _listeners(self, stack: contextlib.ExitStack, url: str) -> tuple[ListenerProcess, ListenerProcess]:
        folder, run = self._folder, self._servers.run
        answers = ListenerProcess("lib.replies", "--url", url, "--log", str(folder / "answers.jsonl"),
                                  "--queue", BULK_ANSWERS, log=run.log / "demo-answers.log", mark=run.path)
        stack.callback(answers.stop)
        seller_process = ListenerProcess(
            "lib.sellers", "--url", url, "--arrivals", str(folder / "arrivals.jsonl"), "--answers",
            str(folder / "seller-answers.jsonl"), "--journal", str(folder / "seller-published.jsonl"),
            "--answer-queue", SELLER_ANSWERS, "--ship", str(SHIP_PERCENT),
            "--own-queue", self._endpoints.own_queue,
            log=run.log / "demo-sellers.log", mark=run.path)
        stack.callback(seller_process.stop)
        return answers, seller_process

    def _fill_shelves(self, plan: Plan, stage: Stage, settling: Settling) -> None:
        for message in plan.world.initial_stock():
            data = json.loads(message.body)["data"]
            stage.publish(message, "movements", message.message_id, data, in_scene=False)
        stage.flush()
        if missing := settling.wait(lambda _: None):
            raise Trouble(f"the first stock was not taken: {missing}", f"read {self._servers.run.log}")

    def _let_flow(self, plan: Plan, stage: Stage, flow: Flow, settling: Settling,
                  seller_process: ListenerProcess, answers: ListenerProcess) -> None:
        """Publishes everything, as fast as it is answered."""
        self._endpoints.plan(flow)
        scenes = [*plan.scenes, plan.corrected]
        for place, scene in enumerate(scenes):
            flow.at(0.05 + 0.85 * place / len(scenes), lambda scene=scene: stage.begin(scene.play(stage)))
        progress, began = Progress(), time.monotonic()
        heard_at, heard = time.monotonic(), -1
        while not flow.done:
            answered, asked = settling.answered()
            if answered != heard:
                heard_at, heard = time.monotonic(), answered
            if asked - answered < _UNANSWERED_MAX:
                flow.step(_CHUNK)
            elif time.monotonic() - heard_at > _STALLED_AFTER_S:
                self._troubles.append(f"no answer came for {_STALLED_AFTER_S} s")
                break
            else:
                time.sleep(0.01)
            stage.hear()
            if progress.due():
                progress.show(_status(stage, flow, answered, asked, seller_process, answers,
                                      time.monotonic() - began))
        stage.flush()
        progress.clear()
        self._times["flow_s"] = time.monotonic() - began
        self._times["carts_per_second"] = flow.published / self._times["flow_s"]
        say(f"{stage.carts:,} carts in {self._times['flow_s']:.1f} s, "
            f"{rate(stage.carts, self._times['flow_s'])}, while "
            f"sellers changed stock and prices")

    def _settle(self, title: str, settling: Settling, name: str) -> None:
        progress, began = Progress(), time.monotonic()
        missing = settling.wait(lambda text: progress.show(f"{title}: {text}"))
        progress.clear()
        took = time.monotonic() - began
        say(f"{title} ".ljust(STEP_COLUMN + 1) + paint("faint", duration(took).rjust(9)))
        self._times[name] = self._times.get(name, 0) + took
        trouble = f"it did not settle: {missing}"
        if missing and trouble not in self._troubles:
            self._troubles.append(trouble)

    def _correct(self, plan: Plan, stage: Stage, settling: Settling) -> None:
        """Finds one parked message, corrects it and gives it back, as an operator does."""
        scene, preset = plan.corrected, self._options.preset
        listed = json.loads(operator_command.cartwright(
            self._servers, "parked", "list", "--json", "--limit", "100000", preset=preset))
        found = [row["id"] for row in listed if row["id"] == scene.sent.message_id]
        if not found:
            self._troubles.append(f"{scene.sent.message_id} is not listed as parked")
            return
        path = self._folder / "corrected.json"
        path.write_bytes(scene.right_body)
        with step("correcting and replaying a parked message"):
            _patiently(lambda: operator_command.cartwright(
                self._servers, "parked", "replay", found[0], "--body", str(path), preset=preset))
        scene.sent.replayed = True
        self._evidence.publications.append(dataclasses.replace(
            scene.sent, kind="cart", key=scene.right_cart["order_id"], body=scene.right_body,
            data=scene.right_cart, must_park=frozenset(), may_park=frozenset()))
        self._evidence.expectations[scene.right_cart["order_id"]] = Expectation(frozenset({"ready"}),
                                                                                label="corrected and "
                                                                                      "replayed")
        stage.exercised["corrected and replayed"] += 1
        self._wait_for_order(scene.right_cart["order_id"], stage)
        self._settle("waiting until it has taken effect", settling, "settling_s")

    def _wait_for_order(self, order_id: str, stage: Stage, timeout_s: float = 30) -> None:
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            stage.hear()
            if any(reply.key == order_id for reply in stage.scene_replies):
                return
            time.sleep(0.02)
        self._troubles.append(f"the replayed order {order_id} was not answered within {timeout_s:.0f} s")

    def _count_parked(self) -> None:
        counted: collections.Counter = collections.Counter()
        for worker in self._fleet.running():
            counted.update(worker.metrics().labels("cartwright_parked_total", "reason"))
        self._evidence.parked_counted = dict(counted)

    def _end_of_show(self, settling: Settling) -> None:
        """Drains the workers; only then nothing is in anybody's hands and the queues' depths are exact."""
        if not self._options.keep:
            with step("stopping the workers: they drain"):
                try:
                    self._fleet.stop()
                except Trouble as trouble:
                    self._troubles.append(str(trouble))
            self._settle("waiting for the last messages", settling, "settling_s")
        self._evidence.queues_left = settling.messages_left()

    def _take_parked(self, settling: Settling) -> None:
        for properties, body in settling.take_parked():
            self._evidence.parked.append(Parked(body, properties.message_id, properties.type,
                                                properties.content_type, properties.reply_to,
                                                properties.correlation_id, properties.headers or {}))

    def _listeners_done(self, stage: Stage) -> None:
        folder, evidence = self._folder, self._evidence
        evidence.publications += journal.read(folder / "seller-published.jsonl")
        evidence.replies += [*stage.scene_replies, *replies.read_log(folder / "answers.jsonl"),
                             *replies.read_log(folder / "seller-answers.jsonl")]
        evidence.arrivals += sellers.read_log(folder / "arrivals.jsonl")
        self._endpoints.read(evidence)
        self._troubles += self._endpoints.troubles

    # The verdict

    def _read(self) -> None:
        with contextlib.closing(connect_catalogue(self._servers.urls["MARIADB_ADMIN_URL"])) as catalogue:
            read_databases(self._evidence, self._servers.urls["POSTGRES_ADMIN_URL"], catalogue)

    def _facts(self, plan: Plan, stage: Stage) -> dict:
        kinds = collections.Counter(sent.kind for sent in self._evidence.publications)
        return {"title": plan.title, "notes": plan.notes, "seed": self._options.seed,
                "troubles": self._troubles, "publications": len(self._evidence.publications),
                "publications_by_kind": dict(kinds), "carts_published": stage.carts,
                "ledger_rows": len(self._evidence.ledger), **self._times}

    def _conclude(self, summary: dict) -> int:
        summary["held"] = summary["held"] and not self._troubles
        (self._folder / "summary.json").write_text(json.dumps(summary, indent=1) + "\n")
        if self._options.json:
            self._options.json.write_text(json.dumps(summary, indent=1) + "\n")
        for text in render(summary):
            say(text)
        for trouble in self._troubles:
            say(paint("red", "trouble: ") + trouble)
        inside = self._folder.is_relative_to(REPOSITORY)
        shown = self._folder.relative_to(REPOSITORY) if inside else self._folder
        say(paint("faint", f"all that was sent and seen: {shown}"))
        if self._options.keep:
            run_dir = self._servers.run.path
            say(f"everything goes on running: . {run_dir}/env; scripts/down --run-dir {run_dir} stops it")
        return 0 if summary["held"] else 1


def _busy_sellers(by_demand: Iterable[str]) -> list[str]:
    """Sellers with enough orders for something to happen, and neither the very first nor all of them."""
    ranked = list(by_demand)
    skipped = min(8, len(ranked) // 2)
    return ranked[skipped:skipped + 30]


def _patiently(action: Callable[[], object]) -> None:
    """Once more while it fails: the broker takes a moment to give back what the listing before it looked at."""
    deadline = time.monotonic() + _GIVEN_BACK_WITHIN_S
    while True:
        try:
            action()
            return
        except Trouble:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def _status(stage: Stage, flow: Flow, answered: int, asked: int, seller_process: ListenerProcess,
            answers: ListenerProcess, seconds: float) -> str:
    types = answers.status.get("types", {})
    parked = stage.parked_scenes + types.get("cartwright.message.parked.v1", 0)
    return (f"{bar(flow.published, flow.count)} {flow.published:,} of {flow.count:,} carts, "
            f"{rate(flow.published, seconds)} · {asked - answered:,} unanswered · "
            f"{seller_process.status.get('arrived', 0):,} to sellers · "
            f"{types.get('cartwright.order.rejected.v1', 0):,} rejected · "
            f"{types.get('cartwright.order.pending.v1', 0):,} held · "
            f"{parked:,} parked")
