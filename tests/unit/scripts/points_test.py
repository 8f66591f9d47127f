"""What the gate recognises of PostgreSQL's and RabbitMQ's protocols, however the bytes are cut, and stopping there."""

import random
import socket
import struct
import threading
import unittest

from gate import TO_CLIENT, TO_SERVER
from points import ACK, COMMIT, COMMITTED, CONFIRM, DELIVER, PUBLISH, PointGate, _amqp_scanners, _postgres_scanners


# The words of PostgreSQL

def startup(name: str) -> bytes:
    body = struct.pack("!I", 196608) + b"user\0me\0application_name\0" + name.encode() + b"\0\0"
    return struct.pack("!I", len(body) + 4) + body


def said(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!I", len(body) + 4) + body


def query(sql: str) -> bytes:
    return said(b"Q", sql.encode() + b"\0")


def prepared(name: str, sql: str) -> bytes:
    return said(b"P", f"{name}\0{sql}\0".encode() + b"\0\0") + said(b"S", b"")


def executed(name: str, parameter: bytes = b"x") -> bytes:
    bind = b"\0" + name.encode() + b"\0\0\0" + struct.pack("!HI", 1, len(parameter)) + parameter + b"\0\0"
    return said(b"B", bind) + said(b"D", b"P\0") + said(b"E", b"\0\0\0\0\0") + said(b"S", b"")


def complete(tag: str) -> bytes:
    return said(b"C", tag.encode() + b"\0") + said(b"Z", b"I")


NO_TLS = struct.pack("!II", 8, 80877103)


# The words of AMQP

def method(channel: int, numbers: tuple[int, int], arguments: bytes = b"") -> bytes:
    body = struct.pack("!HH", *numbers) + arguments
    return struct.pack("!BHI", 1, channel, len(body)) + body + b"\xce"


def short(text: str) -> bytes:
    return bytes([len(text)]) + text.encode()


def content(channel: int, *parts: bytes) -> bytes:
    header = struct.pack("!HHQH", 60, 0, sum(map(len, parts)), 0)
    frames = [struct.pack("!BHI", 2, channel, len(header)) + header + b"\xce"]
    return b"".join(frames + [struct.pack("!BHI", 3, channel, len(part)) + part + b"\xce" for part in parts])


def publish(channel: int, routing_key: str, *parts: bytes) -> bytes:
    return method(channel, (60, 40), b"\0\0" + short("orders") + short(routing_key) + b"\1") + content(channel, *parts)


def deliver(channel: int, tag: int, routing_key: str, *parts: bytes) -> bytes:
    arguments = short("me") + struct.pack("!QB", tag, 0) + short("carts") + short(routing_key)
    return method(channel, (60, 60), arguments) + content(channel, *parts)


def ack(channel: int, tag: int, several: bool = False) -> bytes:
    return method(channel, (60, 80), struct.pack("!QB", tag, several))


def start_ok(name: str) -> bytes:
    return method(0, (10, 11), b"\0\0\0\x20\x0fconnection_nameS" + struct.pack("!I", len(name)) + name.encode())


SELECT = method(1, (85, 10), b"\0")
HEARTBEAT = struct.pack("!BHI", 8, 0, 0) + b"\xce"


class Scanned(unittest.TestCase):
    """Both directions of a conversation, in pieces of any length."""

    def frames(self, scanners, conversation: list[tuple[str, bytes]], longest: int, chance: random.Random) -> list:
        to_server, to_client = scanners()
        found = []
        for direction, data in conversation:
            scanner = to_server if direction == TO_SERVER else to_client
            while data:
                piece = data[:chance.randint(1, longest)]
                data = data[len(piece):]
                found += scanner.feed(piece)
                self.assertLessEqual(scanner.safe, scanner.position)
        self.assertEqual([0, 0], [scanner.position - scanner.safe for scanner in (to_server, to_client)])
        return found

    def each_way(self, scanners, conversation: list[tuple[str, bytes]]):
        chance = random.Random(1)
        for longest in (1, 2, 7, 50, 1_000_000):
            yield self.frames(scanners, conversation, longest, chance)


class PostgresTest(Scanned):
    def test_commits_and_their_answers(self):
        conversation = [
            (TO_SERVER, NO_TLS), (TO_CLIENT, b"N"), (TO_SERVER, startup("reserver-carts")),
            (TO_CLIENT, said(b"R", b"\0\0\0\0") + said(b"Z", b"I")),
            (TO_SERVER, query("BEGIN") + prepared("claim", "INSERT … 'COMMIT'") + executed("claim")),
            (TO_CLIENT, complete("BEGIN") + said(b"T", b"COMMIT\0") + complete("INSERT 0 1")),
            (TO_SERVER, query("commit;")), (TO_CLIENT, complete("COMMIT")),
            (TO_SERVER, query("BEGIN") + executed("claim", b"COMMIT") + query("ROLLBACK")),
            (TO_SERVER, query("BEGIN; select 1; COMMIT") + prepared("c", "COMMIT") + executed("c")),
            (TO_CLIENT, complete("ROLLBACK") + complete("COMMIT")),
        ]
        for frames in self.each_way(_postgres_scanners, conversation):
            self.assertEqual([COMMIT, COMMITTED, COMMIT, COMMIT, COMMITTED], [frame.point for frame in frames])
            self.assertEqual({"reserver-carts"}, {frame.who for frame in frames})
            self.assertEqual(("claim",), frames[0].statements)
            self.assertEqual(("claim",), frames[1].statements)

    def test_frames_have_their_bytes(self):
        before = startup("x") + query("BEGIN")
        commit = query("COMMIT")
        to_server, _ = _postgres_scanners()
        frame, = to_server.feed(before + commit + query("BEGIN"))
        self.assertEqual((len(before), len(before) + len(commit)), (frame.begin, frame.end))

    def test_what_is_not_clear_waits(self):
        to_server, _ = _postgres_scanners()
        to_server.feed(startup("x"))
        begin = to_server.safe
        to_server.feed(query("COMMIT")[:-1])
        self.assertEqual(begin, to_server.safe)
        self.assertEqual(1, len(to_server.feed(b"\0")))

    def test_long_values_flow(self):
        to_server, _ = _postgres_scanners()
        to_server.feed(startup("x") + said(b"B", b"\0big\0" + bytes(10_000_000))[:200_000])
        self.assertEqual(to_server.position, to_server.safe)


class AmqpTest(Scanned):
    def test_what_is_published_and_confirmed(self):
        conversation = [
            (TO_SERVER, b"AMQP\0\0\x09\x01"), (TO_CLIENT, method(0, (10, 10), b"\0\x09")),
            (TO_SERVER, start_ok("reserver-publisher") + SELECT), (TO_CLIENT, method(1, (85, 11))),
            (TO_SERVER, publish(1, "order.ready", b"one, ", b"two") + HEARTBEAT + publish(1, "stock.fill")),
            (TO_SERVER, publish(1, "order.ready", b"three")),
            (TO_CLIENT, HEARTBEAT + ack(1, 2) + ack(1, 3, several=True)),
        ]
        for frames in self.each_way(_amqp_scanners, conversation):
            self.assertEqual([PUBLISH] * 3 + [CONFIRM] * 2, [frame.point for frame in frames])
            self.assertEqual({"reserver-publisher"}, {frame.who for frame in frames})
            self.assertEqual(b"one, two", frames[0].messages[0].body)
            self.assertTrue(frames[0].carries("order.ready", "two") and not frames[0].carries("order.ready", "four"))
            self.assertEqual([b""], [message.body for message in frames[3].messages])
            self.assertEqual([b"one, two", b"three"], [message.body for message in frames[4].messages])

    def test_what_is_delivered_and_acknowledged(self):
        conversation = [
            (TO_SERVER, start_ok("reserver")),
            (TO_CLIENT, deliver(1, 1, "cart.submitted", b"a") + deliver(2, 1, "stock.moved", b"b")),
            (TO_CLIENT, deliver(1, 2, "cart.submitted", b"c")),
            (TO_SERVER, ack(1, 2) + ack(2, 1) + ack(1, 1)),
        ]
        for frames in self.each_way(_amqp_scanners, conversation):
            self.assertEqual([DELIVER] * 3 + [ACK] * 3, [frame.point for frame in frames])
            self.assertEqual([b"c", b"b", b"a"], [frame.messages[0].body for frame in frames[3:]])
            self.assertTrue(frames[4].carries("stock.moved"))

    def test_messages_of_two_channels_meet(self):
        one, two = publish(1, "a", b"1", b"1"), publish(2, "b", b"2")
        middle = len(one) - len(content(1, b"1")[-9:])
        conversation = [(TO_SERVER, one[:middle] + two + one[middle:])]
        for frames in self.each_way(_amqp_scanners, conversation):
            self.assertEqual([b"2", b"11"], [frame.messages[0].body for frame in frames])

    def test_a_message_waits_for_its_rest(self):
        to_server, _ = _amqp_scanners()
        whole = publish(1, "order.ready", b"one", b"two")
        to_server.feed(HEARTBEAT + whole[:-1])
        self.assertEqual(len(HEARTBEAT), to_server.safe)
        frame, = to_server.feed(whole[-1:])
        self.assertEqual((len(HEARTBEAT), len(HEARTBEAT) + len(whole)), (frame.begin, frame.end))


class StopTest(unittest.TestCase):
    """A server that takes what comes; the gate before it stops at points."""

    def setUp(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(self.listener.close)
        self.gate = PointGate(f"postgresql://me@127.0.0.1:{self.listener.getsockname()[1]}/x")
        self.addCleanup(self.gate.close)

    def connected(self, name: str) -> tuple[socket.socket, socket.socket]:
        port = int(self.gate.url.split("@127.0.0.1:")[1].split("/")[0])
        client = socket.create_connection(("127.0.0.1", port), 10)
        server, _ = self.listener.accept()
        for end in (client, server):
            end.settimeout(10)
            self.addCleanup(end.close)
        client.sendall(startup(name))
        self.assertEqual(startup(name), self.heard(server, len(startup(name))))
        return client, server

    def heard(self, end: socket.socket, count: int) -> bytes:
        data = b""
        while len(data) < count and (piece := end.recv(count - len(data))):
            data += piece
        return data

    def silent(self, end: socket.socket) -> bool:
        end.settimeout(0.15)
        try:
            end.recv(1)
            return False
        except TimeoutError:
            return True
        finally:
            end.settimeout(10)

    def test_the_nth_that_fits_is_held_with_everything_behind_it(self):
        client, server = self.connected("a")
        stop = self.gate.stop_at(COMMIT, 2, lambda frame: frame.who == "a" and "one" in frame.statements)
        passing = query("one") + query("COMMIT") + query("two") + query("COMMIT") + query("one")
        client.sendall(passing + query("COMMIT") + query("behind"))
        self.assertEqual(passing, self.heard(server, len(passing)))
        self.assertEqual(("one",), stop.wait().statements)
        self.assertEqual(client.getsockname()[1], stop.client_port)
        self.assertTrue(self.silent(server))
        server.sendall(complete("SELECT 1"))
        self.assertEqual(complete("SELECT 1"), self.heard(client, len(complete("SELECT 1"))))
        stop.release()
        rest = query("COMMIT") + query("behind")
        self.assertEqual(rest, self.heard(server, len(rest)))

    def test_what_a_dead_sender_said_arrives_when_it_is_released(self):
        client, server = self.connected("a")
        stop = self.gate.stop_at(COMMIT)
        client.sendall(query("COMMIT"))
        stop.wait()
        client.close()
        self.assertTrue(self.silent(server))
        stop.release()
        self.assertEqual(query("COMMIT"), self.heard(server, 1000))

    def test_what_is_dropped_never_arrives(self):
        client, server = self.connected("a")
        stop = self.gate.stop_at(COMMIT)
        client.sendall(query("one") + query("COMMIT"))
        stop.wait()
        stop.drop()
        heard = b""
        with self.assertRaises(ConnectionError):
            while True:
                piece = server.recv(1000)
                self.assertTrue(piece)
                heard += piece
        self.assertEqual(query("one"), heard)

    def test_an_answer_is_held_and_cut_inside(self):
        client, server = self.connected("a")
        stop = self.gate.stop_at(COMMITTED)
        client.sendall(query("COMMIT"))
        self.heard(server, len(query("COMMIT")))
        server.sendall(complete("COMMIT"))
        frame = stop.wait()
        self.assertTrue(self.silent(client))
        stop.cut_inside()
        with self.assertRaises(ConnectionError):
            while client.recv(1000):
                pass
            raise AssertionError("ended in peace")
        self.assertEqual(len(said(b"C", b"COMMIT\0")), frame.end - frame.begin)

    def test_two_stops_on_one_connection_are_reached_in_turn(self):
        client, server = self.connected("a")
        first, second = self.gate.stop_at(COMMIT), self.gate.stop_at(COMMIT)
        client.sendall(query("COMMIT") + query("COMMIT"))
        first.wait()
        self.assertTrue(self.silent(server))
        self.assertFalse(second.reached)
        first.release()
        second.wait()
        self.assertEqual(query("COMMIT"), self.heard(server, len(query("COMMIT"))))
        second.cancel()
        self.assertEqual(query("COMMIT"), self.heard(server, len(query("COMMIT"))))

    def test_waiting_ends(self):
        stop = self.gate.stop_at(COMMIT)
        with self.assertRaises(AssertionError):
            stop.wait(0.05)
        client, server = self.connected("a")
        client.sendall(query("COMMIT"))
        self.assertEqual(query("COMMIT"), self.heard(server, len(query("COMMIT"))))

    def test_a_long_message_passes_while_others_wait(self):
        client, server = self.connected("a")
        stop = self.gate.stop_at(COMMIT)
        big = query("x" * 5_000_000)
        threading.Thread(target=client.sendall, args=(big + query("COMMIT"),), daemon=True).start()
        self.assertEqual(big, self.heard(server, len(big)))
        stop.wait()
        stop.release()
        self.assertEqual(query("COMMIT"), self.heard(server, len(query("COMMIT"))))


if __name__ == "__main__":
    unittest.main()
