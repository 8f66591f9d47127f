"""Inputs that fuzzing begins with: the project's examples, made-up orders, a folder of real payloads."""

from __future__ import annotations

import hashlib
import ipaddress
import itertools
import json
import re
import shutil
from pathlib import Path
from typing import Iterator

from ..generator import Generator
from ..messages import cart_submitted, order_cancellation, stock_moved
from ..olist import Olist
from ..run_directory import REPOSITORY

_BYTES_MAX = 32 * 1024
_SCHEMAS = REPOSITORY / "common/message/schema"
_WHEN = "2026-01-31T23:59:59.123456Z"
_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
_PAYLOADS = {"cart": ("cart.submitted",), "movements": ("stock.moved",),
             "cancellation": ("order.cancellation", "catalogue.changed"),
             "order": ("order.ready", "order.reserved", "order.pending", "order.rejected", "order.cancelled"),
             "stock": ("stock.changed", "stock.fill", "stock.shortfall", "stock.applied", "message.parked")}
_ADDRESSES = ("0.0.0.0", "10.1.2.3", "100.64.0.1", "127.0.0.1", "169.254.169.254", "172.31.255.255",
              "192.0.0.8", "192.168.0.1", "198.19.0.1", "203.0.113.9", "224.0.0.1", "255.255.255.255",
              "8.8.8.8", "::", "::1",
              "::ffff:10.0.0.1", "::ffff:8.8.8.8", "64:ff9b::7f00:1", "64:ff9b::808:808", "2002:7f00:1::",
              "2001:db8::1", "2001::1", "2606:4700::1111", "fe80::1", "fc00::1", "ff02::1", "3fff::1")
_URLS = ("https://example.com/hook", "http://127.0.0.1:8080/", "https://user:secret@example.com:8443/a?b=c#d",
         "https://[::1]:443/", "mysql://user:pass%40word@localhost:3306/cartwright", "mysql://u@h/d",
         "https://", "ftp://example.com", "https://exa mple.com/", "https://example.com:99999/")
_REQUESTS = (b"GET /metrics HTTP/1.1\r\nHost: here\r\n\r\n", b"HEAD /healthz/live HTTP/1.0\r\n\r\n",
             b"POST /a?b=c HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nhello",
             b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
             b"5\r\nhello\r\n0\r\nX: y\r\n\r\n",
             b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"
             b"GET http://h/x HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
             b"PUT / HTTP/1.1\r\nHost: h\r\n\r\n", b"GET / HTTP/2.0\r\n\r\n",
             b"GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n")
_TIMES = (_WHEN, "1970-01-01T00:00:00Z", "2199-12-31T23:59:59.999999999+14:00", "2024-02-29t12:00:00z",
          "2026-02-30T00:00:00Z", "2026-01-01T24:00:00Z", "2016-12-31T23:59:60Z", "2026-01-01T00:00:00-23:59")


class Seeds:
    """Files below `folder`/<target>, each named by its content."""

    def __init__(self, folder: Path):
        self.folder = folder
        shutil.rmtree(folder, ignore_errors=True)

    def add(self, target: str, content: bytes | str | dict | list) -> None:
        if isinstance(content, (dict, list)):
            content = json.dumps(content, separators=(",", ":"))
        if isinstance(content, str):
            content = content.encode()
        if len(content) <= _BYTES_MAX:
            place = self.folder / target
            place.mkdir(parents=True, exist_ok=True)
            (place / hashlib.sha256(content).hexdigest()[:16]).write_bytes(content)


def collect(folder: Path, data: Path | None) -> tuple[Seeds, list[str]]:
    """Fills the folder; what was left out, in sentences."""
    seeds, left_out = Seeds(folder), []
    _own_messages(seeds)
    _own_texts(seeds)
    if data is None:
        left_out.append("real payloads: there is no folder of data (--data DIR)")
        return seeds, left_out
    for name, take in (("channels", _channels), ("olist", _olist), ("k8s-schemas", _documents)):
        if (data / name).is_dir():
            take(seeds, data / name)
        else:
            left_out.append(f"real payloads: no {name} in {data}")
    return seeds, left_out


def _own_messages(seeds: Seeds) -> None:
    for type_, event in _examples():
        noun = type_.removeprefix("cartwright.").removesuffix(".v1")
        for target, types in _PAYLOADS.items():
            if noun in types:
                seeds.add(target, event["data"])
        seeds.add("seller_message" if noun.startswith("seller.") else "message", event)
    generator = Generator(7, carts=40, sellers=10, skus=40)
    _carts(seeds, list(generator.carts(40)))
    movement = {"kind": "receipt", "seller_id": "s", "sku": "k", "warehouse": "w", "quantity": 3,
                "occurred_at": _WHEN}
    for message in (stock_moved("m-1", [movement, movement]), order_cancellation("c-1", "A", "another mind"),
                    order_cancellation("c-2", "A", "one", [{"line_id": "1", "quantity": 1}], "buyer")):
        seeds.add("message", message.body)
    kinds = ("receipt", "count", "adjustment", "dispatch", "return", "release")
    seeds.add("movements", {"movements": [
        {**movement, "kind": kind, "order_id": "A", "line_id": "1", "reason": "r"} for kind in kinds]})


def _carts(seeds: Seeds, carts: list[dict]) -> None:
    events = [cart_submitted(cart).body for cart in carts]
    for cart, event in zip(carts, events):
        seeds.add("cart", cart)
        seeds.add("message", event)
    for begin in range(0, len(events), 5):
        seeds.add("batch", b"\x01" + b"\n".join(events[begin:begin + 5]))
        seeds.add("message", b"[" + b",".join(events[begin:begin + 5]) + b"]")


def _examples() -> Iterator[tuple[str, dict]]:
    """An event of every type, made from its schema."""
    for path in sorted(_SCHEMAS.glob("cartwright.*.json")):
        yield path.stem, _example(json.loads(path.read_text("utf-8")))


def _example(schema: dict):
    for key in ("const", "default"):
        if key in schema:
            return schema[key]
    if "enum" in schema:
        return schema["enum"][0]
    for key in ("anyOf", "oneOf", "allOf"):
        if key in schema and "properties" not in schema:
            return _example(schema[key][0])
    kind = schema.get("type", "object")
    kind = kind[0] if isinstance(kind, list) else kind
    if kind == "object":
        return {name: _example(part) for name, part in schema.get("properties", {}).items()}
    if kind == "array":
        return [_example(schema.get("items", {"type": "string"}))]
    if kind == "integer":
        return max(1, schema.get("minimum", 1))
    if kind == "boolean":
        return True
    return _WHEN if schema.get("format") == "date-time" else "BRL" if schema.get("maxLength") == 3 else "x"


def _own_texts(seeds: Seeds) -> None:
    seeds.add("configuration", (REPOSITORY / "deploy/config/cartwright.yaml").read_bytes())
    for path in (REPOSITORY / "routing-rules").glob("*.yaml"):
        seeds.add("rules", path.read_bytes())
    taught = (REPOSITORY / "deploy/routing-rules.md").read_text("utf-8")
    for block in re.findall(r"```ya?ml\n(.*?)```", taught, re.DOTALL):
        seeds.add("rules", block)
    for address in _ADDRESSES:
        seeds.add("addresses", ipaddress.ip_address(address).packed)
    for target, texts in (("urls", _URLS), ("http_request", _REQUESTS), ("time", _TIMES)):
        for text in texts:
            seeds.add(target, text)
    seeds.add("webhook", f"{_SECRET}\nmsg_1\nv1,{'A' * 43}=\n" + '{"a": 1}')
    queue = {"name": "q", "type": "quorum", "durable": True, "messages": 3, "policy": "p",
             "arguments": {"x-queue-type": "quorum", "x-delivery-limit": 100}}
    policy = {"name": "p", "pattern": "^q$", "apply-to": "queues", "priority": 1,
              "definition": {"max-length": 5}}
    binding = {"source": "e", "destination": "q", "destination_type": "queue", "routing_key": "#",
               "properties_key": "%23"}
    for content in (queue, policy, binding, {"name": "e", "type": "topic", "durable": True, "arguments": {}}):
        seeds.add("management", [content])


def _channels(seeds: Seeds, folder: Path) -> None:
    for path in sorted(folder.rglob("*.json")):
        if path.name == "vectors.json":
            for vector in json.loads(path.read_text("utf-8")):
                _delivery(seeds, vector)
        elif path.stat().st_size <= _BYTES_MAX:
            content = path.read_bytes()
            for target in ("message", "cart", "management"):
                seeds.add(target, content)


def _delivery(seeds: Seeds, vector: dict) -> None:
    """A signed delivery, as a request and as a signature."""
    headers, body = vector.get("headers"), vector.get("body")
    if not isinstance(headers, dict) or not isinstance(body, str):
        return
    lower = {name.lower(): str(value) for name, value in headers.items()}
    lines = [f"POST {vector.get('path', '/')} HTTP/1.1", "Host: here",
             f"Content-Length: {len(body.encode())}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    seeds.add("http_request", "\r\n".join(lines) + "\r\n\r\n" + body)
    if "webhook-id" in lower:
        first = [str(vector.get("secret", _SECRET)), lower["webhook-id"], lower.get("webhook-signature", "")]
        seeds.add("webhook", "\n".join(first) + "\n" + body)


def _olist(seeds: Seeds, folder: Path, carts: int = 60) -> None:
    _carts(seeds, list(itertools.islice(Olist(folder).carts(), carts)))


def _documents(seeds: Seeds, folder: Path, count_max: int = 60) -> None:
    for path in itertools.islice(sorted(folder.rglob("*.y*ml")) + sorted(folder.rglob("*.json")), count_max):
        for target in ("rules", "configuration"):
            seeds.add(target, path.read_bytes()[:_BYTES_MAX // 4])
