"""The receiver of sellers' endpoints, over real sockets: what it verifies, answers, writes down and withholds."""

import base64
import concurrent.futures
import hashlib
import http.client
import json
import os
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from pathlib import Path

from lib import processes
from lib.receiver import BODY_BYTES_MAX, TOLERANCE_S, ReceiverProcess, read_log, signature, signature_fits

SECRET, OLD_SECRET, STRANGE_SECRET = (
    "whsec_" + base64.b64encode(letter * 32).decode() for letter in (b"s", b"o", b"x"))


def body_of(number: int, seller_id: str = "s1", stream: str = "main") -> bytes:
    return json.dumps({"id": f"{seller_id}/{stream}/{number}", "type": "cartwright.seller.order.v1", "sellerid": seller_id,
                       "stream": stream, "number": number, "data": {"order_id": f"o{number}", "lines": [
                           {"line_id": "1", "sku": "A", "quantity": 1,
                            "allocations": [{"warehouse": "main", "quantity": 1}]}]}}).encode()


def headers_of(message_id: str, body: bytes, secrets=(SECRET,), at_s: float | None = None) -> dict[str, str]:
    timestamp = int(time.time() if at_s is None else at_s)
    signed = f"{message_id}.{timestamp}.".encode() + body
    return {"webhook-id": message_id, "webhook-timestamp": str(timestamp),
            "webhook-signature": " ".join(signature(secret, signed) for secret in secrets)}


class SignatureTest(unittest.TestCase):
    def test_the_example_of_the_specification(self):
        headers = {"webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek", "webhook-timestamp": "1614265330",
                   "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="}
        self.assertTrue(signature_fits(["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"], headers, b'{"test": 2432232314}',
                                       1614265330))

    def test_what_does_not_fit(self):
        now, body = 1_700_000_000, b"body"
        good = headers_of("m", body, at_s=now)
        self.assertTrue(signature_fits([SECRET], good, body, now))
        self.assertFalse(signature_fits([STRANGE_SECRET], good, body, now))
        self.assertFalse(signature_fits([SECRET], good, b"bodY", now))
        self.assertFalse(signature_fits([SECRET], {**good, "webhook-id": "n"}, body, now))
        self.assertFalse(signature_fits([SECRET], {**good, "webhook-timestamp": str(now + 1)}, body, now))
        self.assertFalse(signature_fits([SECRET], {**good, "webhook-timestamp": "soon"}, body, now))
        for missing in good:
            self.assertFalse(signature_fits([SECRET], {name: good[name] for name in good if name != missing}, body, now))

    def test_it_has_to_be_fresh(self):
        headers = headers_of("m", b"", at_s=1_700_000_000)
        for difference, fits in ((-TOLERANCE_S, True), (TOLERANCE_S, True), (-TOLERANCE_S - 1, False),
                                 (TOLERANCE_S + 1, False)):
            self.assertEqual(fits, signature_fits([SECRET], headers, b"", 1_700_000_000 + difference), difference)

    def test_rotation(self):
        both = headers_of("m", b"", (SECRET, OLD_SECRET), at_s=0)
        self.assertTrue(signature_fits([OLD_SECRET], both, b"", 0))
        self.assertTrue(signature_fits([STRANGE_SECRET, OLD_SECRET], both, b"", 0))
        self.assertFalse(signature_fits([STRANGE_SECRET], both, b"", 0))


class ReceiverTest(unittest.TestCase):
    tls: tuple[Path, Path] | None = None

    def setUp(self):
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.receiver = self.enterContext(ReceiverProcess(
            self.folder / "calls.jsonl", SECRET, self.folder / "errors.log", tls=self.tls, more_secrets=[OLD_SECRET]))

    def tearDown(self):
        self.receiver.stop()
        self.assertEqual("", (self.folder / "errors.log").read_text())

    def connect(self, timeout_s: float = 10) -> http.client.HTTPConnection:
        connection = http.client.HTTPConnection("127.0.0.1", self.receiver.port, timeout=timeout_s)
        self.addCleanup(connection.close)
        return connection

    def post(self, number: int, name: str = "api", connection=None, **headers) -> http.client.HTTPResponse:
        """One signed message; the answer, read to its end."""
        connection, body = connection or self.connect(), body_of(number)
        connection.request("POST", f"/hook/{name}", body, headers_of(f"s1/main/{number}", body) | headers)
        response = connection.getresponse()
        response.content = response.read()
        return response

    def statuses(self, name: str = "api") -> list[int]:
        return [call.status for call in self.receiver.calls() if call.endpoint == name]

    def accepted(self, name: str = "api") -> list[int]:
        return [call.number for call in self.receiver.calls() if call.endpoint == name and call.arrival]


class Records(ReceiverTest):
    def test_what_is_accepted_is_written_down(self):
        self.assertEqual(204, self.post(7).status)
        call, = self.receiver.calls()
        self.assertEqual(("api", "s1/main/7", 204, True), call[:4])
        self.assertEqual(("s1", "main", 7, hashlib.sha256(body_of(7)).hexdigest()), call[5:9])
        self.assertAlmostEqual(time.monotonic(), call.at_s, delta=60)
        self.assertEqual(("endpoint:api", "o7", call.at_s), (call.arrival.queue, call.arrival.order_id, call.arrival.at_s))
        self.assertEqual((("1", "A", 1, (("main", 1),)),), call.arrival.lines)
        self.assertEqual([call], list(read_log(self.receiver.log)))

    def test_what_is_refused_too(self):
        self.receiver.behave("api", status=422)
        self.assertEqual(422, self.post(7).status)
        call, = self.receiver.calls()
        self.assertEqual((422, 7, None), (call.status, call.number, call.arrival))
        self.assertEqual(hashlib.sha256(body_of(7)).hexdigest(), call.digest)

    def test_a_signature_that_does_not_fit(self):
        self.assertEqual(401, self.post(1, **{"webhook-timestamp": "17"}).status)
        call, = self.receiver.calls()
        self.assertEqual((401, False, None), (call.status, call.signed, call.arrival))

    def test_an_old_secret_still_fits(self):
        body = body_of(1)
        connection = self.connect()
        connection.request("POST", "/hook/api", body, headers_of("s1/main/1", body, (OLD_SECRET,)))
        self.assertEqual(204, connection.getresponse().status)

    def test_what_is_no_seller_message(self):
        for body in (b"", b"[1]", b"\xff", b'{"number": 1}'):
            connection = self.connect()
            connection.request("POST", "/hook/api", body, headers_of("x", body))
            self.assertEqual(400, connection.getresponse().status)
        self.assertEqual([(400, 0, True)] * 4, [(call.status, call.number, call.signed) for call in self.receiver.calls()])

    def test_requests_are_in_order_of_arrival_over_all_connections(self):
        connections = [self.connect() for _ in range(5)]
        for number in range(1, 51):
            self.post(number, f"api-{number % 3}", connections[number % 5])
        self.assertEqual(list(range(1, 51)), [call.number for call in self.receiver.calls()])
        self.assertEqual([f"api-{number % 3}" for number in range(1, 51)],
                         [call.endpoint for call in self.receiver.calls()])

    def test_hundreds_of_connections_at_once(self):
        """Each keeps its connection, and has its own order in the record."""
        together = threading.Barrier(200)

        def client(place: int) -> None:
            connection = self.connect(30)
            connection.connect()
            together.wait(30)
            for number in range(1, 6):
                self.assertEqual(204, self.post(number, f"seller-{place}", connection).status)
        with concurrent.futures.ThreadPoolExecutor(200) as pool:
            list(pool.map(client, range(200)))
        self.assertEqual(1000, len(self.receiver.calls()))
        for place in range(200):
            self.assertEqual([1, 2, 3, 4, 5], self.accepted(f"seller-{place}"))


class Behaviours(ReceiverTest):
    def test_refusing_until_told_otherwise(self):
        self.receiver.behave("api", status=503, retry_after=2)
        response = self.post(1)
        self.assertEqual((503, "2"), (response.status, response.headers["Retry-After"]))
        self.assertEqual(204, self.post(1, "another").status)
        self.assertEqual(503, self.post(1).status)
        self.receiver.behave("api")
        self.assertEqual(204, self.post(1).status)
        self.assertEqual([503, 503, 204], self.statuses())

    def test_for_so_many_requests(self):
        self.receiver.behave("api", status=410, times=2)
        self.assertEqual([410, 410, 204, 204], [self.post(1).status for _ in range(4)])

    def test_stalling(self):
        self.receiver.behave("api", stall_s=1)
        began = time.monotonic()
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            slow = pool.submit(self.post, 1)
            self.assertEqual(204, self.post(1, "another").status)
            self.assertFalse(slow.done())  # nobody else waits
            self.assertEqual(204, slow.result().status)
        self.assertGreaterEqual(time.monotonic() - began, 1)

    def test_holding_until_told_otherwise(self):
        self.receiver.behave("api", hold=True)
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            held = pool.submit(self.post, 1)
            with self.assertRaises(concurrent.futures.TimeoutError):
                held.result(timeout=0.5)
            self.receiver.behave("another", status=503)
            self.assertEqual(503, self.post(1, "another").status)
            self.assertEqual([], self.statuses())
            self.receiver.behave("api", status=500)
            self.assertEqual(500, held.result().status)

    def test_a_caller_that_does_not_wait_so_long(self):
        """What it sent counts as accepted all the same: it cannot know."""
        self.receiver.behave("api", stall_s=0.3, times=1)
        with self.assertRaises(TimeoutError):
            self.post(1, connection=self.connect(0.1))
        self.assertEqual(204, self.post(1).status)
        deadline = time.monotonic() + 10
        while len(self.receiver.calls()) < 2 and time.monotonic() < deadline:
            time.sleep(0.01)
        self.assertEqual([204, 204], self.statuses())

    def test_cut_in_the_middle_of_the_answer(self):
        self.receiver.behave("api", cut=True, times=1)
        with self.assertRaises(http.client.IncompleteRead) as cut:
            self.post(1)
        self.assertEqual(b"half", cut.exception.partial)
        self.assertEqual(204, self.post(1).status)
        self.assertEqual(([0, 204], [1]), (self.statuses(), self.accepted()))

    def test_an_answer_that_is_lost(self):
        self.receiver.behave("api", lose=True, times=1)
        with self.assertRaises(http.client.RemoteDisconnected):
            self.post(1)
        self.assertEqual(204, self.post(1).status)
        self.assertEqual([1, 1], self.accepted())

    def test_a_huge_answer(self):
        self.receiver.behave("api", huge=True)
        response = self.post(1)
        self.assertEqual((200, 10_000_000), (response.status, len(response.content)))
        self.assertEqual([1], self.accepted())

    def test_a_redirect(self):
        self.receiver.behave("api", redirect="http://127.0.0.1:1/other")
        response = self.post(1)
        self.assertEqual((307, "http://127.0.0.1:1/other"), (response.status, response.headers["Location"]))
        self.assertEqual([], self.accepted())

    def test_it_dies_and_returns_on_its_port(self):
        connection, port = self.connect(), self.receiver.port
        self.assertEqual(204, self.post(1, connection=connection).status)
        self.receiver.behave("api", status=500)
        self.receiver.kill()
        self.assertFalse(self.receiver.running())
        with self.assertRaises(ConnectionRefusedError):
            self.post(2)
        with self.assertRaises((ConnectionError, http.client.HTTPException)):
            self.post(2, connection=connection)
        self.receiver.start()
        self.assertEqual(port, self.receiver.port)
        self.assertEqual(204, self.post(2).status)
        self.assertEqual([1, 2], self.accepted())

    def test_what_it_accepted_before_it_died_is_known(self):
        accepted = 0
        connection = self.connect()
        killer = threading.Timer(0.15, self.receiver.kill)
        killer.start()
        try:
            while self.post(accepted + 1, connection=connection).status == 204:
                accepted += 1
        except (ConnectionError, http.client.HTTPException):
            pass
        killer.join()
        written = self.accepted()
        self.assertEqual(list(range(1, len(written) + 1)), written)
        self.assertIn(len(written), (accepted, accepted + 1))


class Http(ReceiverTest):
    def say(self, text: bytes) -> bytes:
        """Raw bytes; everything that comes until the connection ends."""
        with socket.create_connection(("127.0.0.1", self.receiver.port), timeout=10) as connection:
            connection.sendall(text)
            connection.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: connection.recv(65536), b""))

    def test_a_connection_is_kept(self):
        connection = self.connect()
        self.post(1, connection=connection)
        before = connection.sock
        self.post(2, connection=connection)
        self.assertIs(before, connection.sock)
        self.assertIsNotNone(before)

    def test_a_connection_that_is_not_to_be_kept(self):
        said = self.say(b"GET /hook/api HTTP/1.1\r\nConnection: close\r\n\r\nGET /hook/api HTTP/1.1\r\n\r\n")
        self.assertEqual(1, said.count(b"HTTP/1.1 405"))

    def test_other_methods_and_paths(self):
        connection = self.connect()
        for method, path, status in (("GET", "/hook/api", 405), ("PUT", "/hook/api", 405), ("POST", "/", 404),
                                     ("POST", "/hooks/api", 404)):
            connection.request(method, path, b"x")
            response = connection.getresponse()
            self.assertEqual(status, response.status, (method, path))
            response.read()
        self.assertEqual([], self.receiver.calls())

    def test_what_is_not_http(self):
        self.assertTrue(self.say(b"hello\r\n\r\n").startswith(b"HTTP/1.1 400 "))
        self.assertTrue(self.say(b"POST /hook/api HTTP/1.1\r\nnonsense\r\n\r\n").startswith(b"HTTP/1.1 400 "))
        self.assertTrue(self.say(b"POST /hook/api HTTP/1.1\r\n\r\n").startswith(b"HTTP/1.1 411 "))
        self.assertTrue(self.say(b"POST /hook/api HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n").startswith(
            b"HTTP/1.1 411 "))
        self.assertTrue(self.say(b"POST /hook/api HTTP/1.1\r\nContent-Length: -1\r\n\r\n").startswith(b"HTTP/1.1 400 "))
        self.assertTrue(self.say(b"POST /hook/api HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % (BODY_BYTES_MAX + 1)).startswith(
            b"HTTP/1.1 413 "))
        self.assertEqual(b"", self.say(b"POST /hook/api HTTP/1.1\r\nContent-Length: 10\r\n\r\nhalf"))
        self.assertEqual([], self.receiver.calls())
        self.assertEqual(204, self.post(1).status)

    def test_it_ends_when_it_is_told_to(self):
        self.connect().connect()  # somebody who says nothing
        self.receiver.stop()
        self.assertFalse(self.receiver.running())


class Orphan(unittest.TestCase):
    def test_it_ends_with_who_started_it(self):
        folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        started = subprocess.Popen(
            [sys.executable, "-c", "import sys, time; from pathlib import Path; from lib.receiver import ReceiverProcess; "
             "folder = Path(sys.argv[1]); print(ReceiverProcess(folder / 'calls', sys.argv[2], folder / 'errors').port, "
             "flush=True); time.sleep(600)", folder, SECRET], stdout=subprocess.PIPE, text=True)
        port = int(started.stdout.readline())
        socket.create_connection(("127.0.0.1", port), timeout=10).close()
        started.kill()
        started.wait()
        started.stdout.close()
        deadline = time.monotonic() + 20
        with self.assertRaises(ConnectionRefusedError):
            while time.monotonic() < deadline:
                socket.create_connection(("127.0.0.1", port), timeout=10).close()
                time.sleep(0.05)

    def test_it_ends_though_who_started_it_was_gone_before_it_looked(self):
        gone = subprocess.Popen(["true"])
        gone.wait()
        folder = self.enterContext(tempfile.TemporaryDirectory())
        receiver = subprocess.Popen(
            [sys.executable, "-m", "lib.receiver", "--port", "0", "--log", f"{folder}/calls", "--secret", SECRET],
            stdout=subprocess.DEVNULL, env={**os.environ, processes.STARTER: str(gone.pid)})
        self.addCleanup(receiver.kill)
        self.assertEqual(0, receiver.wait(30))


class Tls(ReceiverTest):
    @classmethod
    def setUpClass(cls):
        folder = Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
        cls.tls = folder / "certificate.pem", folder / "key.pem"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days",
                        "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-out", cls.tls[0], "-keyout",
                        cls.tls[1]], check=True, capture_output=True)

    def connect(self, timeout_s: float = 10) -> http.client.HTTPConnection:
        connection = http.client.HTTPSConnection("localhost", self.receiver.port, timeout=timeout_s,
                                                 context=ssl.create_default_context(cafile=self.tls[0]))
        self.addCleanup(connection.close)
        return connection

    def test_under_its_certificate(self):
        self.assertEqual(f"https://localhost:{self.receiver.port}/hook/api", self.receiver.url("api"))
        self.assertEqual(204, self.post(1).status)
        self.receiver.behave("api", status=500)
        self.assertEqual(500, self.post(2).status)

    def test_who_does_not_trust_it_sends_nothing(self):
        connection = http.client.HTTPSConnection("localhost", self.receiver.port, timeout=10)
        with self.assertRaises(ssl.SSLCertVerificationError):
            self.post(1, connection=connection)
        self.assertEqual(204, self.post(2).status)
        self.assertEqual([2], self.accepted())


if __name__ == "__main__":
    unittest.main()
