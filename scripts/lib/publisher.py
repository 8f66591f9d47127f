"""Publishes to RabbitMQ fast and without losing anything: persistent, mandatory, every message confirmed.

    with Publisher("amqp://guest:guest@127.0.0.1:5672/") as publisher:
        publisher.publish(message)      # returns at once, waits while too many are unconfirmed
        publisher.flush()               # returns when the broker has confirmed all of them

Waiting for each confirm would cost a round trip a message (some hundreds a second); so up to `window_max`
messages are on their way, and the broker's confirms tick them off in whatever order they come. What is nacked
is published again; when the connection is lost, a new one is opened and everything unconfirmed is published
again. A message may therefore arrive twice, never not at all: the receiver knows a repeat by its id.
"""

from __future__ import annotations

import collections
import math
import threading
import time

import pika

from .console import Trouble
from .messages import Message

_BURST_MAX = 100
_RECONNECT_AFTER_S = 0.5
_AGAIN_AFTER_S = 0.2


class Publisher:
    """One connection with a thread of its own. `publish` and `flush` may be called from any thread."""

    def __init__(self, url: str, window_max: int = 2000, name: str = "cartwright scripts",
                 patience_s: float = 30, insistent: bool = False):
        """Who is `insistent` publishes what no queue takes again too, for as long as it lives."""
        self._parameters = pika.URLParameters(url)
        self._parameters.client_properties = {"connection_name": name}
        self._window_max = window_max
        self._patience_s = math.inf if insistent else patience_s
        self._insistent = insistent
        self._state = threading.Condition()
        self._waiting: collections.deque[Message] = collections.deque()  # not yet published
        self._unconfirmed: dict[int, Message] = {}                       # by delivery tag of this channel
        self._returned: set[int] = set()                                 # those of them that no queue takes
        self._refused: list[Message] = []                                # to be published again in a moment
        self._accepted = 0
        self._confirmed = 0
        self._again = 0
        self._woken = False
        self._stopping = False
        self._error: Exception | None = None
        self._last_tag = 0
        self._blocked = False
        self._channel = None
        self._connection = None
        self._lost_since: float | None = time.monotonic()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def __enter__(self) -> Publisher:
        self._thread.start()
        return self

    def __exit__(self, kind, *_) -> None:
        try:
            if kind is None:
                self.flush()
        finally:
            self._stopping = True
            self._on_loop(self._close)
            self._thread.join(timeout=10)

    @property
    def confirmed(self) -> int:
        """Messages that the broker has taken over."""
        return self._confirmed

    @property
    def published_again(self) -> int:
        """Messages that were nacked or on a connection that was lost, and went out once more."""
        return self._again

    @property
    def blocked(self) -> bool:
        """True while the broker takes nothing (connection.blocked: memory or disk alarm)."""
        return self._blocked

    def publish(self, message: Message) -> None:
        """Hands a message over; waits while `window_max` are unconfirmed. Trouble if it failed for good."""
        with self._state:
            while self._accepted - self._confirmed >= self._window_max and self._error is None:
                self._state.wait()
            self._raise_error()
            self._waiting.append(message)
            self._accepted += 1
            wake, self._woken = not self._woken, True
        if wake:
            self._on_loop(self._pump)

    def flush(self, timeout_s: float = 120) -> None:
        """Waits until everything handed over is confirmed."""
        deadline = time.monotonic() + timeout_s
        with self._state:
            while self._confirmed < self._accepted and self._error is None:
                if not self._state.wait(max(0.0,
                                            deadline - time.monotonic())) and time.monotonic() > deadline:
                    raise Trouble(f"the broker has not confirmed {self._accepted - self._confirmed} messages "
                                  f"in {timeout_s:.0f} s", "look at the broker: alarms, full queues, its log")
            self._raise_error()

    # Everything below runs on the connection's thread.

    def _run(self) -> None:
        while not self._stopping and self._error is None:
            try:
                self._connection = pika.SelectConnection(
                    self._parameters, on_open_callback=self._opened,
                    on_open_error_callback=lambda connection, error: connection.ioloop.stop(),
                    on_close_callback=lambda connection, error: connection.ioloop.stop())
                self._connection.ioloop.start()
            except Exception as error:  # a bug here must not leave `publish` waiting for ever
                self._fail(error)
            finally:
                self._connection.ioloop.close()
            self._lost()

    def _opened(self, connection) -> None:
        connection.add_on_connection_blocked_callback(lambda *_: self._set_blocked(True))
        connection.add_on_connection_unblocked_callback(lambda *_: self._set_blocked(False))
        connection.channel(on_open_callback=self._channel_opened)

    def _channel_opened(self, channel) -> None:
        channel.add_on_return_callback(self._on_return)
        channel.add_on_close_callback(self._channel_closed)
        channel.confirm_delivery(self._on_confirm, callback=lambda _: self._begin(channel))

    def _begin(self, channel) -> None:
        self._channel, self._last_tag, self._lost_since = channel, 0, None
        self._pump()

    def _channel_closed(self, channel, reason) -> None:
        """The broker closes a channel for an error in what we ask (no such exchange, no permission)."""
        self._channel = None
        refused = isinstance(reason, pika.exceptions.ChannelClosedByBroker)
        if refused and not self._stopping and not self._insistent:
            self._fail(Trouble(f"the broker refused: {reason.reply_text}",
                               "is the topology there? build/release/bin/cartwright topology apply"))
        if channel.connection.is_open:
            channel.connection.close()

    def _pump(self) -> None:
        """Publishes what waits, a burst at a time, so that confirms are read in between."""
        with self._state:
            self._woken = False
        channel = self._channel
        if channel is None or not channel.is_open or self._blocked:
            return
        for _ in range(_BURST_MAX):
            if not self._waiting:
                return
            message = self._waiting.popleft()
            self._last_tag += 1
            self._unconfirmed[self._last_tag] = message
            channel.basic_publish(message.exchange, message.routing_key, message.body, _properties(message),
                                  mandatory=message.exchange != "catalogue")
        with self._state:
            self._woken = True
        channel.connection.ioloop.add_callback_threadsafe(self._pump)

    def _on_confirm(self, frame) -> None:
        """An ack or a nack, of one message or of all up to its tag."""
        tag = frame.method.delivery_tag
        if frame.method.multiple:
            tags = [each for each in self._unconfirmed if each <= tag]
        else:
            tags = [tag]
        nacked = isinstance(frame.method, pika.spec.Basic.Nack)
        again = [self._unconfirmed.pop(each) for each in tags if nacked or each in self._returned]
        if again:
            self._returned.difference_update(tags)
            self._again += len(again)
            self._refused += again
            self._connection.ioloop.call_later(_AGAIN_AFTER_S, self._publish_refused)
        confirmed = [each for each in tags if self._unconfirmed.pop(each, None) is not None]
        with self._state:
            self._confirmed += len(confirmed)
            self._state.notify_all()

    def _on_return(self, _channel, method, properties, _body) -> None:
        """Mandatory, and the exchange has no queue for it: by itself that does not heal."""
        if self._insistent:
            sent = (properties.message_id, properties.correlation_id)
            self._returned.add(next(
                tag for tag, message in self._unconfirmed.items()
                if (message.message_id, message.correlation_id) == sent and tag not in self._returned))
            return
        self._fail(Trouble(f"nobody takes {properties.message_id}: exchange {method.exchange!r} has no "
                           "queue for "
                           f"{method.routing_key!r} ({method.reply_text})",
                           "is the topology there? build/release/bin/cartwright topology apply"))

    def _publish_refused(self) -> None:
        self._waiting.extendleft(reversed(self._refused))
        self._refused.clear()
        self._pump()

    def _set_blocked(self, blocked: bool) -> None:
        self._blocked = blocked
        if not blocked:
            self._pump()

    def _lost(self) -> None:
        """The connection is gone: what was unconfirmed goes first on the next one."""
        self._again += len(self._unconfirmed)
        self._waiting.extendleft(reversed([*self._refused, *self._unconfirmed.values()]))
        self._unconfirmed.clear()
        self._returned.clear()
        self._refused.clear()
        self._channel, self._blocked = None, False
        if self._stopping or self._error is not None:
            return
        began = self._lost_since = self._lost_since or time.monotonic()
        if time.monotonic() - began > self._patience_s:
            self._fail(Trouble(f"no connection to the broker at "
                               f"{self._parameters.host}:{self._parameters.port}",
                               "is it running, and is the URL right?"))
        time.sleep(_RECONNECT_AFTER_S)

    def _close(self) -> None:
        if self._connection is not None and self._connection.is_open:
            self._connection.close()

    def _fail(self, error: Exception) -> None:
        with self._state:
            self._error = self._error or error
            self._state.notify_all()

    def _raise_error(self) -> None:
        if self._error is not None:
            raise self._error

    def _on_loop(self, action) -> None:
        """Runs the action on the connection's thread; lost if there is none, which opening makes good."""
        connection = self._connection
        if connection is not None:
            connection.ioloop.add_callback_threadsafe(action)


def _properties(message: Message) -> pika.BasicProperties:
    return pika.BasicProperties(content_type=message.content_type, delivery_mode=2,
                                message_id=message.message_id, type=message.type, reply_to=message.reply_to,
                                correlation_id=message.correlation_id, headers=message.headers,
                                **(message.more or {}))
