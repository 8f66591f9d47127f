"""The gate in front of a server that echoes: what passes, what does not, and what both sides see of it."""

import contextlib
import socket
import threading
import time
import unittest

from gate import BUFFER_BYTES_MAX, TO_CLIENT, TO_SERVER, Gate

SOON_S = 0.15   # nothing came within this: it is held
LATEST_S = 10


class Echo:
    """A server that says everything it hears again and remembers it, and how each conversation ended."""

    def __init__(self):
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"amqp://me:secret@127.0.0.1:{self._listener.getsockname()[1]}/x%2Fy?z=1"
        self.heard: list[bytearray] = []
        self.ends: list[str] = []
        self.conversations: list[socket.socket] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        with contextlib.suppress(OSError):  # closed before
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for conversation in self.conversations:
            conversation.close()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                conversation, _ = self._listener.accept()
                self.conversations.append(conversation)
                self.heard.append(bytearray())
                threading.Thread(target=self._talk, args=(conversation, self.heard[-1]), daemon=True).start()

    def _talk(self, conversation: socket.socket, heard: bytearray) -> None:
        try:
            while data := conversation.recv(65536):
                heard += data
                conversation.sendall(data)
            self.ends.append("end")
        except OSError:
            self.ends.append("reset")


class GateTest(unittest.TestCase):
    def setUp(self):
        self.echo = Echo()
        self.addCleanup(self.echo.close)
        self.gate = Gate(self.echo.url)
        self.addCleanup(self.gate.close)

    def client(self) -> socket.socket:
        port = int(self.gate.url.split("@127.0.0.1:")[1].split("/")[0])
        client = socket.create_connection(("127.0.0.1", port), LATEST_S)
        self.addCleanup(client.close)
        return client

    def say(self, client: socket.socket, text: bytes) -> None:
        client.sendall(text)

    def hear(self, client: socket.socket, count: int) -> bytes:
        """So many bytes, or what came before the end."""
        client.settimeout(LATEST_S)
        heard = b""
        while len(heard) < count and (data := client.recv(count - len(heard))):
            heard += data
        return heard

    def echoed(self, client: socket.socket, text: bytes) -> None:
        self.say(client, text)
        self.assertEqual(text, self.hear(client, len(text)))

    def silent(self, client: socket.socket) -> bool:
        """Neither bytes nor an end come soon."""
        client.settimeout(SOON_S)
        with contextlib.suppress(TimeoutError):
            client.recv(1)
            return False
        return True

    def wait_for(self, condition) -> None:
        deadline = time.monotonic() + LATEST_S
        while not condition():
            self.assertLess(time.monotonic(), deadline, "waited too long")
            time.sleep(0.005)

    def assert_reset(self, client: socket.socket) -> None:
        client.settimeout(LATEST_S)
        with self.assertRaises(ConnectionError):
            while client.recv(65536):
                pass
            raise AssertionError("ended in peace")

    # Tests

    def test_everything_passes(self):
        url = self.gate.url
        self.assertTrue(url.startswith("amqp://me:secret@127.0.0.1:") and url.endswith("/x%2Fy?z=1"), url)
        clients = [self.client() for _ in range(20)]
        for number, client in enumerate(clients):
            self.echoed(client, b"hello %d" % number)
        big = bytes(range(256)) * 8192
        threading.Thread(target=self.say, args=(clients[0], big), daemon=True).start()
        self.assertEqual(big, self.hear(clients[0], len(big)))
        self.assertEqual(20, self.gate.connections())

    def test_ends_are_passed_on(self):
        client = self.client()
        self.echoed(client, b"a")
        self.say(client, b"bc")
        client.shutdown(socket.SHUT_WR)
        self.wait_for(lambda: self.echo.ends)
        self.assertEqual((["end"], b"abc"), (self.echo.ends, bytes(self.echo.heard[0])))
        self.echo.conversations[0].close()
        self.assertEqual(b"bc", self.hear(client, 3))
        self.wait_for(lambda: self.gate.connections() == 0)

    def test_cut(self):
        clients = [self.client() for _ in range(3)]
        for client in clients:
            self.echoed(client, b"a")
        self.assertEqual(3, self.gate.cut())
        for client in clients:
            self.assert_reset(client)
        self.wait_for(lambda: self.echo.ends == ["reset"] * 3)
        self.assertEqual(0, self.gate.connections())
        self.echoed(self.client(), b"again")

    def test_cut_off_from_the_server(self):
        client = self.client()
        self.echoed(client, b"a")
        self.gate.cut(TO_SERVER)
        self.wait_for(lambda: self.echo.ends == ["reset"])
        self.say(client, b"nobody is there")
        self.assertTrue(self.silent(client))
        client.close()
        self.wait_for(lambda: self.gate.connections() == 0)

    def test_cut_off_from_the_client(self):
        client = self.client()
        self.echoed(client, b"a")
        self.gate.cut(TO_CLIENT)
        self.assert_reset(client)
        self.echo.conversations[0].sendall(b"anybody?")
        time.sleep(SOON_S)
        self.assertEqual([], self.echo.ends)

    def test_refuse(self):
        client = self.client()
        self.gate.refuse()
        self.gate.refuse()
        with self.assertRaises(ConnectionRefusedError):
            self.client()
        self.echoed(client, b"who is in stays in")
        self.gate.go_on()
        self.echoed(self.client(), b"b")

    def test_the_server_is_away(self):
        self.echo.close()
        with self.assertRaises(ConnectionError):  # at once or soon after
            self.client().recv(1)

    def test_stall(self):
        client = self.client()
        self.echoed(client, b"a")
        self.gate.stall()
        self.say(client, b"b")
        late = self.client()
        self.say(late, b"c")
        leaver = self.client()
        leaver.close()
        self.assertTrue(self.silent(client))
        self.assertTrue(self.silent(late))
        self.assertEqual([b"a", b"", b""], [bytes(heard) for heard in self.echo.heard])
        self.assertEqual([], self.echo.ends)
        self.gate.go_on()
        self.assertEqual(b"b", self.hear(client, 1))
        self.assertEqual(b"c", self.hear(late, 1))
        self.wait_for(lambda: self.echo.ends == ["end"])

    def test_stall_of_the_answers_only(self):
        client = self.client()
        self.gate.stall(TO_CLIENT)
        self.say(client, b"ab")
        self.assertTrue(self.silent(client))
        self.wait_for(lambda: self.echo.heard[0] == b"ab")
        self.gate.go_on()
        self.assertEqual(b"ab", self.hear(client, 2))

    def test_a_stalled_sender_feels_it(self):
        client = self.client()
        self.echoed(client, b"a")
        self.gate.stall(TO_SERVER)
        client.settimeout(SOON_S)
        with self.assertRaises(TimeoutError):
            for _ in range(10_000):
                client.sendall(bytes(BUFFER_BYTES_MAX))

    def test_black_hole(self):
        client, idle = self.client(), self.client()
        self.echoed(client, b"a")
        self.echoed(idle, b"a")
        self.gate.black_hole(TO_SERVER)
        for _ in range(100):
            self.say(client, bytes(100_000))
        self.assertTrue(self.silent(client))
        self.assertEqual([b"a", b"a"], [bytes(heard) for heard in self.echo.heard])
        self.gate.go_on()
        self.assert_reset(client)  # what it says would have a hole
        self.echoed(idle, b"b")
        self.echoed(self.client(), b"c")

    def test_slow(self):
        client = self.client()
        self.echoed(client, b"a")
        self.gate.slow(20_000, TO_CLIENT)
        began = time.monotonic()
        self.echoed(client, bytes(10_000))
        self.assertGreater(time.monotonic() - began, 0.4)
        self.gate.go_on()
        self.echoed(client, bytes(200_000))
        self.assertLess(time.monotonic() - began, 5)

    def test_truncate(self):
        client, other = self.client(), self.client()
        self.echoed(client, b"a")
        self.gate.truncate(5, times=2)
        self.echoed(other, b"123")
        self.say(client, b"45678")
        self.assert_reset(client)
        self.assertEqual(1, self.gate.truncations_left())
        self.say(other, b"4567890")
        self.assert_reset(other)
        self.echoed(self.client(), bytes(1000))
        self.assertEqual(0, self.gate.truncations_left())

    def test_what_is_truncated_arrives_up_to_there(self):
        self.gate.truncate(5, TO_SERVER)
        client = self.client()
        self.say(client, b"1234567")
        self.assert_reset(client)
        self.wait_for(lambda: self.echo.ends == ["reset"])
        self.assertIn(bytes(self.echo.heard[0]), (b"12345", b""))  # a reset may overtake

    def test_half_close(self):
        client = self.client()
        self.echoed(client, b"a")
        self.assertEqual(1, self.gate.half_close())
        self.assertEqual(b"", self.hear(client, 1))
        self.say(client, b"b")
        self.wait_for(lambda: self.echo.heard[0] == b"ab")
        self.assertEqual([], self.echo.ends)
        self.echoed(self.client(), b"c")

    def test_half_close_towards_the_server(self):
        client = self.client()
        self.echoed(client, b"a")
        self.gate.half_close(TO_SERVER)
        self.wait_for(lambda: self.echo.ends == ["end"])
        self.echo.conversations[0].sendall(b"late")
        self.assertEqual(b"late", self.hear(client, 4))

    def test_an_idle_gate_costs_nothing(self):
        clients = [self.client() for _ in range(5)]
        for client in clients:
            self.echoed(client, b"a")
        self.gate.stall()
        clients[0].close()
        self.echo.conversations[1].close()
        before = time.process_time()
        time.sleep(0.5)
        self.assertLess(time.process_time() - before, 0.1)


if __name__ == "__main__":
    unittest.main()
