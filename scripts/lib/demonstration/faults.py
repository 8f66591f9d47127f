"""Messages that must fail for good, one of each kind: each goes to parking whole, with its reason."""

from __future__ import annotations

import json
from typing import Iterator

from ..messages import CLOUD_EVENT, Message, encode, now

BODY_BYTES_MAX = 1024 * 1024
_CART = "cartwright.cart.submitted.v1"
_MOVED = "cartwright.stock.moved.v1"
_CANCELLATION = "cartwright.order.cancellation.v1"


def unreadable(number: int) -> Iterator[tuple[str, Message]]:
    """(reason, message) of carts and movements that nobody can read; different bytes for every number."""
    space = b" " * number
    yield "malformed", _raw(f"not-json-{number}", b'{"specversion": "1.0", "id": oops}' + space)
    yield "malformed", _raw(f"a-number-{number}", b"42" + space)
    yield "malformed", _raw(f"nothing-{number}", space)
    yield "malformed", _raw(f"no-events-{number}", b"[]" + space)
    yield "malformed", _raw(f"not-utf8-{number}", b'{"specversion":"1.0","id":"\xff\xfe"}' + space)
    yield "malformed", _raw(f"deep-{number}", b"[" * 200 + b"]" * 200 + space)
    yield "malformed", _event(f"quantity-word-{number}", _CART, _cart(number, quantity="two"))
    yield "malformed", _event(f"quantity-fraction-{number}", _CART, _cart(number, quantity=1.5))
    yield "malformed", _event(f"quantity-huge-{number}", _CART, _cart(number, quantity=10 ** 30))
    yield "malformed", _event(f"no-lines-{number}", _CART, {"order_id": f"fault-{number}", "channel": "web",
                                                            "currency": "BRL"})
    yield "malformed", _event(f"no-order-id-{number}", _CART, {**_cart(number), "order_id": None})
    yield "malformed", _event(f"nul-{number}", _CART, {**_cart(number), "order_id": "a\0b"})
    yield "malformed", _event(f"policy-{number}", _CART, {**_cart(number), "policy": "whatever"})
    yield "malformed", _event(f"currency-{number}", _CART, {**_cart(number), "currency": "reais"})
    yield "malformed", _event(f"data-list-{number}", _CART, [_cart(number)])
    yield "malformed", _event(f"no-data-{number}", _CART, None)
    yield "malformed", _without(f"no-id-{number}", "id", number)
    yield "malformed", _without(f"no-specversion-{number}", "specversion", number)
    yield "malformed", _raw(f"key-twice-{number}", _event("x", _CART, _cart(number)).body.replace(
        b'"channel":"web"', b'"channel":"web","channel":"app"'))
    yield "unknown_type", _event(f"unknown-{number}", "cartwright.cart.exploded.v1", _cart(number))
    yield "unsupported_version", _event(f"version-{number}", "cartwright.cart.submitted.v9", _cart(number))
    yield "body_too_large", _event(f"large-{number}", _CART, {**_cart(number), "note": "x" * BODY_BYTES_MAX})
    yield "malformed", _event(f"kind-{number}", _MOVED, {"movements": [_movement(kind="gift")]})
    yield "malformed", _event(f"no-time-{number}", _MOVED, {"movements": [_movement(occurred_at=None)]})
    yield "malformed", _event(f"no-such-time-{number}", _MOVED,
                              {"movements": [_movement(occurred_at="yesterday")]})
    yield "malformed", _event(f"no-lines-to-cancel-{number}", _CANCELLATION,
                              {"order_id": f"fault-{number}", "reason": "?", "lines": []})


def refused_movements(seller_id: str, sku: str) -> Iterator[dict]:
    """Movements that can be read and are refused, of an offer without stock."""
    base = {"seller_id": seller_id, "sku": sku, "warehouse": "main", "quantity": 1, "occurred_at": now()}
    yield {**base, "kind": "receipt", "occurred_at": now(3600)}
    yield {**base, "kind": "receipt", "quantity": -1}
    yield {**base, "kind": "receipt", "sku": "SKU-nobody-knows"}
    yield {**base, "kind": "adjustment"}
    yield {**base, "kind": "adjustment", "quantity": -1000, "reason": "lost"}
    yield {**base, "kind": "release"}


def correctable(order_id: str, seller_id: str, sku: str) -> tuple[Message, bytes, dict]:
    """A cart whose quantity is a word, the bytes it should have had, and the cart in them."""
    cart = {"order_id": order_id, "channel": "web", "currency": "BRL", "paid": True,
            "lines": [{"line_id": "1", "sku": sku, "seller_id": seller_id, "quantity": 1}]}
    message = _event(f"{order_id}/submitted", _CART, cart)
    right = message.body
    event = json.loads(right)
    event["data"]["lines"][0]["quantity"] = "one"
    message.body = encode(event)
    return message, right, cart


def _event(event_id: str, type_: str, data: object) -> Message:
    event = {"specversion": "1.0", "id": event_id, "source": "urn:cartwright:faults", "type": type_,
             "time": now(), "data": data}
    if data is None:
        del event["data"]
    return _raw(event_id, encode(event), type_)


def _without(event_id: str, attribute: str, number: int) -> Message:
    message = _event(event_id, _CART, _cart(number))
    event = json.loads(message.body)
    del event[attribute]
    message.body = encode(event)
    return message


def _raw(message_id: str, body: bytes, type_: str = _CART) -> Message:
    if type_ == _CART or "cart" in type_.split(".")[1]:
        return Message("carts", "cart.submitted", body, message_id, type_, CLOUD_EVENT)
    key = "order.cancellation" if type_ == _CANCELLATION else "stock.moved"
    return Message("movements", key, body, message_id, type_, CLOUD_EVENT)


def _cart(number: int, quantity: object = 1) -> dict:
    return {"order_id": f"fault-{number}", "channel": "web", "currency": "BRL",
            "lines": [{"line_id": "1", "sku": "SKU-00001", "quantity": quantity}]}


def _movement(**values) -> dict:
    return {"kind": "receipt", "seller_id": "seller-0001", "sku": "SKU-00001", "warehouse": "main",
            "quantity": 1, "occurred_at": now(), **values}
