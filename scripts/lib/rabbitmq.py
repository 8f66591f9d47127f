"""A throw-away RabbitMQ 3.10 node on loopback with the management plugin and an epmd of its own."""

from __future__ import annotations

import base64
import json
import secrets
import socket
import subprocess
import urllib.error
import urllib.request

from . import ports, processes
from .console import Trouble
from .processes import SYSTEM_PATH
from .run_directory import account
from .server import Server

NODE = "cartwright@localhost"
_PROGRAMS = "/usr/lib/rabbitmq/bin"
_PROTOCOL_HEADER = b"AMQP\x00\x00\x09\x01"

# Heaps that begin at 256 kB, and messages of 32 MB between two collections, of each Erlang process: less than a tenth
# more memory for a tenth less CPU.
_HEAPS = "+hms 32768 +hmbs 4000000"
# Messages between workers are up to 1 MB: from memory that is kept, not mapped for each and given back.
_CARRIERS = "+MBsbct 4096 +MHsbct 4096 +MBlmbcs 8192 +MHlmbcs 8192"
MEMORY_ARGUMENTS = f"{_HEAPS} {_CARRIERS}"

_SETTINGS = """
listeners.tcp.default = 127.0.0.1:{amqp}
management.tcp.ip = 127.0.0.1
management.tcp.port = {management}
# Without statistics of every message, which nothing here reads.
management.rates_mode = none
disk_free_limit.absolute = 64MB
vm_memory_high_watermark.relative = 0.6
log.file = false
log.console = true
log.console.level = info
"""


class RabbitMq(Server):
    """One node; guest may log in from loopback. Stopping and killing it leaves epmd to `stop_epmd`.

    A quorum queue declared less than a second before `kill` comes back empty, confirmed messages and all: the
    broker writes the directory of its logs down every half second only.
    """

    name = "rabbitmq"
    title = "RabbitMQ"
    user = "rabbitmq"

    @property
    def url(self) -> str:
        return f"amqp://guest:guest@127.0.0.1:{self.ports['amqp']}"

    def url_of(self, program: str) -> str:
        """For a program of the fleet; `cartwright topology apply` makes its user."""
        password = self._state["passwords"][program]
        return f"amqp://cartwright_{program}:{password}@127.0.0.1:{self.ports['amqp']}"

    @property
    def management_url(self) -> str:
        return f"http://guest:guest@127.0.0.1:{self.ports['management']}"

    def start(self) -> None:
        if not self.running():
            self._start_epmd()
        super().start()

    def ready(self) -> bool:
        """AMQP answers the protocol header, and the management API answers too."""
        if not self._speaks_amqp():
            return False
        try:
            self.management("GET", "/api/overview")
            return True
        except Trouble:
            return False

    def management(self, method: str, path: str, body: object = None):
        """A call to the management API; the decoded answer (None if empty), Trouble on a failure."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.ports['management']}{path}", method=method,
                                         data=None if body is None else json.dumps(body).encode())
        request.add_header("Authorization", "Basic " + base64.b64encode(b"guest:guest").decode())
        request.add_header("Content-Type", "application/json")
        try:
            with urllib.request.urlopen(request, timeout=10) as response:
                content = response.read()
        except (urllib.error.URLError, OSError) as error:
            detail = error.read().decode() if isinstance(error, urllib.error.HTTPError) else ""
            raise Trouble(f"management API: {method} {path}: {error} {detail}",
                          f"read {self.log}") from error
        return json.loads(content) if content else None

    def control(self, *arguments: str, timeout_s: float = 60) -> str:
        """Runs rabbitmqctl against this node; its output."""
        result = subprocess.run([f"{_PROGRAMS}/rabbitmqctl", "-q", "-n", NODE, *arguments], check=False,
                                env=self._environment() | {"PATH": SYSTEM_PATH, "LANG": "C.UTF-8"},
                                capture_output=True, text=True, timeout=timeout_s, cwd=self.folder,
                                **account(self.user).popen_arguments())
        if result.returncode != 0:
            raise Trouble(f"rabbitmqctl {' '.join(arguments)} failed: {result.stdout}{result.stderr}",
                          f"read {self.log}")
        return result.stdout

    def stop_epmd(self) -> None:
        """Stops the name server; nobody else uses it."""
        if (process := processes.load(self._record("epmd"))) is not None:
            process.terminate(timeout_s=5)

    def _start_epmd(self) -> None:
        process = processes.load(self._record("epmd"))
        if process is None or not process.alive():
            self._make_folder()
            process = self._spawn(["/usr/bin/epmd", "-address", "127.0.0.1", "-port",
                                   str(self.ports["epmd"])], "epmd")
        self._wait(lambda: ports.listening(self.ports["epmd"]) or not process.alive(), 10,
                   process_must_live=False)
        if not process.alive():
            raise Trouble(f"epmd ended at once; port {self.ports['epmd']} is taken?", f"read {self.log}")

    def _prepare(self) -> None:
        self._make_folder()
        for name in ("mnesia", "log", "generated"):
            (self.folder / name).mkdir(mode=0o700, exist_ok=True)
            account(self.user).give(self.folder / name)
        self._write("enabled_plugins", "[rabbitmq_management].\n")
        self._write("rabbitmq.conf", _SETTINGS.format(**self.ports))
        if not (self.folder / ".erlang.cookie").exists():
            self._write(".erlang.cookie", secrets.token_hex(16), mode=0o400)

    def _launch(self) -> None:
        self._spawn([f"{_PROGRAMS}/rabbitmq-server"], **self._environment())

    def _environment(self) -> dict[str, str]:
        """Everything the start scripts would else take from the system's own configuration."""
        folder = self.folder
        return {
            "HOME": str(folder),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_EPMD_PORT": str(self.ports["epmd"]),
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "RABBITMQ_NODENAME": NODE,
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self.ports["amqp"]),
            "RABBITMQ_DIST_PORT": str(self.ports["distribution"]),
            "RABBITMQ_MNESIA_BASE": f"{folder}/mnesia",
            "RABBITMQ_LOG_BASE": f"{folder}/log",
            "RABBITMQ_LOG": "info,-color",
            "RABBITMQ_PID_FILE": f"{folder}/rabbitmq.pid",
            "RABBITMQ_CONFIG_FILE": f"{folder}/rabbitmq.conf",
            "RABBITMQ_ADVANCED_CONFIG_FILE": f"{folder}/advanced.config",
            "RABBITMQ_GENERATED_CONFIG_DIR": f"{folder}/generated",
            "RABBITMQ_ENABLED_PLUGINS_FILE": f"{folder}/enabled_plugins",
            # The server script then becomes the Erlang VM instead of watching over it: one pid, ours.
            "RABBITMQ_ALLOW_INPUT": "1",
            "RABBITMQ_SERVER_START_ARGS": "-noinput +B i",
            # Schedulers neither spin nor sit on a core each: the machine is shared with everything else.
            "RABBITMQ_SCHEDULER_BIND_TYPE": "u",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1} "
                                                   f"+sbwt none +sbwtdcpu none +sbwtdio none {MEMORY_ARGUMENTS}",
            "RABBITMQ_CTL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
        }

    def _speaks_amqp(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.ports["amqp"]), 2) as connection:
                connection.settimeout(2)
                connection.sendall(_PROTOCOL_HEADER)
                return connection.recv(1) == b"\x01"
        except OSError:
            return False
