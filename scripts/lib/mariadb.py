"""A throw-away MariaDB 10.11 on loopback: root, with a generated password; `cartwright migrate` makes the reader."""

from __future__ import annotations

from .server import Server

DATABASE = "cartwright"
READER = "cartwright_reserver"

_SETTINGS = """
[mariadbd]
datadir = {folder}/data
socket = {folder}/mariadb.sock
pid-file = {folder}/mariadb.pid
tmpdir = {folder}
init-file = {folder}/accounts.sql
bind-address = 127.0.0.1
port = {port}
skip-name-resolve
skip-log-bin
max-connections = 200
character-set-server = utf8mb4
collation-server = utf8mb4_bin
default-time-zone = +00:00
innodb-buffer-pool-size = 512M
innodb-flush-log-at-trx-commit = 1
"""

# Run at every start, before the first client: it must hold for old and new data directories alike.
_ACCOUNTS = """
ALTER USER 'root'@'127.0.0.1' IDENTIFIED BY '{admin_password}';
ALTER USER 'root'@'localhost' IDENTIFIED BY '{admin_password}';
CREATE DATABASE IF NOT EXISTS {database} CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
"""


class MariaDb(Server):
    """MariaDB with the database `cartwright`. Passwords are those of the environment's state."""

    name = "mariadb"
    title = "MariaDB"
    user = "mysql"

    @property
    def url(self) -> str:
        """For the reserver, the only one who reads the catalogue."""
        return self._url(READER, self._state["passwords"]["reserver"])

    @property
    def admin_url(self) -> str:
        return self._url("root", self._state["mariadb_admin_password"])

    def ready(self) -> bool:
        import pymysql
        try:
            pymysql.connect(host="127.0.0.1", port=self.ports["mariadb"], user="root",
                            password=self._state["mariadb_admin_password"], connect_timeout=2,
                            read_timeout=2).close()
            return True
        except (pymysql.err.OperationalError, OSError):
            return False

    def _prepare(self) -> None:
        self._make_folder()
        if not (self.folder / "initialised").exists():
            self._run_tool(["/usr/bin/mariadb-install-db", "--no-defaults", f"--datadir={self.folder}/data",
                            f"--tmpdir={self.folder}", "--auth-root-authentication-method=normal",
                            "--skip-test-db"])
            self._write("initialised", "")
        self._write("accounts.sql", _ACCOUNTS.format(
            database=DATABASE, admin_password=self._state["mariadb_admin_password"]))
        self._write("mariadb.cnf", _SETTINGS.format(folder=self.folder, port=self.ports["mariadb"]))

    def _launch(self) -> None:
        self._spawn(["/usr/sbin/mariadbd", f"--defaults-file={self.folder}/mariadb.cnf"])

    def _url(self, user: str, password: str) -> str:
        return f"mysql://{user}:{password}@127.0.0.1:{self.ports['mariadb']}/{DATABASE}"
