"""The AsyncAPI document of the fleet, as tests ask it: what is on the broker, and what is said where."""

from __future__ import annotations

import functools
import itertools
import json
import re
from pathlib import Path
from typing import Iterator

import jsonschema
import yaml

from lib.run_directory import REPOSITORY

DOCUMENT = REPOSITORY / "deploy/asyncapi.yaml"


class Channel:
    """A channel with its parameters; `exchange` or `queue` is its binding, the other is None."""

    def __init__(self, name: str, content: dict):
        self.name, self.content = name, content
        amqp = content.get("bindings", {}).get("amqp", {})
        self.exchange, self.queue = amqp.get("exchange"), amqp.get("queue")
        self.batches = content.get("x-batches", False)
        self.declared_by_topology = "x-declared-by" not in content

    def expand(self, *texts: str) -> Iterator[tuple[str, ...]]:
        """The texts with every combination of the parameters' values; none where one may be anything."""
        parameters = {name: values.get("enum", ()) for name,
                      values in self.content.get("parameters", {}).items()}
        for values in itertools.product(*parameters.values()):
            chosen = dict(zip(parameters, values))
            yield tuple(text.format(**chosen) for text in texts)

    def fits(self, address: str) -> bool:
        """True when this address is one of the channel's."""
        own = self.content["address"]
        if own is None:
            return False
        pattern = re.sub(r"\\\{\w+\\\}", ".+", re.escape(own))
        return re.fullmatch(pattern, address) is not None

    @property
    def types(self) -> set[str]:
        """Types of events; empty where anything may be said."""
        names = (reference["$ref"].rsplit("/", 1)[1] for reference
                 in self.content.get("messages", {}).values())
        return {f"cartwright.{name}.v1" for name in names if name != "parked"}


class Document:
    def __init__(self, path: Path = DOCUMENT):
        self.path = path
        self.content = yaml.safe_load(path.read_text())
        self.channels = {name: Channel(name, content) for name, content in self.content["channels"].items()}
        self.messages = {message["name"]: message for message
                         in self.content["components"]["messages"].values()
                         if "payload" in message}

    def exchanges(self) -> dict[str, tuple]:
        """Type, durable, auto-delete and alternate exchange by name."""
        found: dict[str, tuple] = {}
        for channel in self.channels.values():
            if one := channel.exchange:
                described = (one["type"], one["durable"], one["autoDelete"],
                             channel.content.get("x-alternate-exchange"))
                assert found.setdefault(one["name"],
                                        described) == described, f"{one['name']} is described in two ways"
        return found

    def queues(self) -> Iterator[tuple[str, dict, list[tuple[str, str]], dict]]:
        """Name, binding of AMQP, what fills it (exchange, routing key), and its policy."""
        policies = self.content["x-policies"]
        for channel in self.channels.values():
            if channel.queue is None or not channel.declared_by_topology:
                continue
            bindings = [(one["exchange"], one["routingKey"]) for one in channel.content["x-bindings"]]
            policy = json.dumps(policies[channel.content["x-policy"]])
            for name, *keys in channel.expand(channel.queue["name"], *(key for _, key in bindings)):
                chosen = dict(zip(re.findall(r"\{(\w+)\}", channel.queue["name"]), name.split(".")[0::2]))
                yield (name, channel.queue, list(zip((exchange for exchange, _ in bindings), keys)),
                       json.loads(re.sub(r"\{(worker|delay)\}", lambda match: chosen[match[1]], policy)))

    def of_exchange(self, exchange: str, routing_key: str) -> list[Channel]:
        return [channel for channel in self.channels.values()
                if channel.exchange and channel.exchange["name"] == exchange and channel.fits(routing_key)]

    def of_queue(self, queue: str) -> list[Channel]:
        return [channel for channel in self.channels.values() if channel.queue and channel.fits(queue)]

    @functools.lru_cache(maxsize=None)
    def validator(self, type_: str) -> jsonschema.Draft7Validator:
        """Of whole events, from the schema that the document names."""
        reference = self.messages[type_]["payload"]["schema"]["$ref"]
        return jsonschema.Draft7Validator(json.loads((self.path.parent / reference).read_text()))

    def headers(self, name: str) -> jsonschema.Draft7Validator:
        """Of messages' headers."""
        return jsonschema.Draft7Validator(self.content["components"]["schemas"][name])
