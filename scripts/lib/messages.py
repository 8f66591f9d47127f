"""The messages that others send to the fleet: CloudEvents 1.0 in structured JSON, one event a message.

    cart_submitted({"order_id": "A-1", "channel": "web", "currency": "BRL", "paid": True,
                    "lines": [{"line_id": "1", "sku": "SKU-7", "quantity": 2}]})
"""

from __future__ import annotations

import dataclasses
import datetime
import json

CLOUD_EVENT = "application/cloudevents+json"
SOURCE = "urn:cartwright:scripts"


@dataclasses.dataclass(slots=True)
class Message:
    """What is published: where to, its bytes and its AMQP properties."""

    exchange: str
    routing_key: str
    body: bytes
    message_id: str | None
    type: str | None
    content_type: str = CLOUD_EVENT
    reply_to: str | None = None
    correlation_id: str | None = None
    headers: dict | None = None
    more: dict | None = None  # further AMQP properties by pika's names: priority, expiration, content_encoding …


def cart_submitted(cart: dict, event_id: str = "", source: str = SOURCE) -> Message:
    """A cart to reserve. The event's id may be anything unique; what identifies it is the order_id."""
    return _message("carts", "cart.submitted", "cartwright.cart.submitted.v1",
                    event_id or f"{cart['order_id']}/submitted", cart, source)


def stock_moved(event_id: str, movements: list[dict], source: str = SOURCE) -> Message:
    """Receipts, counts, adjustments, dispatches, returns, releases. The id makes a repeat harmless."""
    return _message("movements", "stock.moved", "cartwright.stock.moved.v1", event_id,
                    {"movements": movements}, source)


def order_cancellation(event_id: str, order_id: str, reason: str, lines: list[dict] | None = None,
                       requested_by: str = "", source: str = SOURCE) -> Message:
    """Cancels some units of some lines, or without lines the whole order."""
    data: dict = {"order_id": order_id, "reason": reason}
    if requested_by:
        data["requested_by"] = requested_by
    if lines is not None:
        data["lines"] = lines
    return _message("movements", "order.cancellation", "cartwright.order.cancellation.v1", event_id, data,
                    source)


def catalogue_changed(event_id: str, skus: list[str] | None = None, sellers: list[str] | None = None,
                      source: str = SOURCE) -> Message:
    """Says which offers and sellers were changed in the catalogue; neither means all of them."""
    data: dict = {}
    if skus is not None:
        data["skus"] = skus
    if sellers is not None:
        data["sellers"] = sellers
    return _message("catalogue", "", "cartwright.catalogue.changed.v1", event_id, data, source)


def now(offset_s: float = 0) -> str:
    """The time in RFC 3339, UTC, to the millisecond."""
    time = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=offset_s)
    return time.strftime("%Y-%m-%dT%H:%M:%S.") + f"{time.microsecond // 1000:03d}Z"


def encode(value: object) -> bytes:
    """Compact JSON."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def re_serialised(message: Message) -> Message:
    """The same event in other bytes: keys in another order, other white space, an unknown field."""
    event = _keys_reversed(json.loads(message.body))
    event["note"] = "sent once more"
    body = json.dumps(event, indent=1, ensure_ascii=True).encode()
    return dataclasses.replace(message, body=body)


def _message(exchange: str, routing_key: str, type_: str, event_id: str, data: dict, source: str) -> Message:
    event = {"specversion": "1.0", "id": event_id, "source": source, "type": type_, "time": now(),
             "data": data}
    return Message(exchange, routing_key, encode(event), event_id, type_)


def _keys_reversed(value):
    if isinstance(value, dict):
        return {key: _keys_reversed(value[key]) for key in reversed(value)}
    if isinstance(value, list):
        return [_keys_reversed(element) for element in value]
    return value
