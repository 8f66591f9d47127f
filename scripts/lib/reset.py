"""Empties an environment between two tests, in well under a second: no rows, no messages."""

from __future__ import annotations

import time
import urllib.parse

from .console import Trouble
from .servers import Servers

KEPT_TABLES = ("schema_version",)
_CONSUMERS_GONE_WITHIN_S = 15
_POLL_S = 0.05


def reset(servers: Servers) -> None:
    """Purges every queue and empties every table. Workers must be stopped, else Trouble names a queue."""
    purge_queues(servers)
    empty_postgres(servers)
    empty_mariadb(servers)


def amqp_connection(servers: Servers, program: str = ""):
    """A pika.BlockingConnection, as an administrator or as a program of the fleet."""
    import pika
    parameters = pika.URLParameters(servers.rabbitmq.url_of(program) if program else servers.rabbitmq.url)
    parameters.heartbeat = 60
    return pika.BlockingConnection(parameters)


def postgres_connection(servers: Servers, program: str = ""):
    """A psycopg2 connection with autocommit, as an administrator or as a program of the fleet."""
    import psycopg2
    connection = psycopg2.connect(servers.postgres.url(program) if program else servers.postgres.admin_url)
    connection.autocommit = True
    return connection


def mariadb_connection(servers: Servers, admin: bool = True):
    """A pymysql connection with autocommit; `admin=False` is the reserver's account, which reads."""
    import pymysql
    url = urllib.parse.urlsplit(servers.mariadb.admin_url if admin else servers.mariadb.url)
    return pymysql.connect(host=url.hostname, port=url.port, user=url.username, password=url.password,
                           database=url.path.lstrip("/"), autocommit=True, charset="utf8mb4")


def purge_queues(servers: Servers) -> None:
    """Purges all queues until they stay empty, after their consumers went and gave back what they held."""
    listed = servers.rabbitmq.management("GET", "/api/queues?columns=name,exclusive,vhost")
    names = [queue["name"] for queue in listed if queue["vhost"] == "/" and not queue.get("exclusive")]
    connection = amqp_connection(servers)
    try:
        channel = connection.channel()
        # What a queue answers is current only after a purge: a broker that has just started replays its log.
        _purge(channel, names)
        while True:
            _wait_for_no_consumers(channel, names)
            if _purge(channel, names) == 0:
                break
    finally:
        connection.close()


def empty_postgres(servers: Servers) -> None:
    """TRUNCATE of every table of the database that has rows, except those of KEPT_TABLES."""
    connection = postgres_connection(servers)
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT format('%%I.%%I', schemaname, tablename) FROM pg_tables"
                           " WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
                           " AND tablename <> ALL (%s)", (list(KEPT_TABLES),))
            tables = [table for (table,) in cursor.fetchall()]
            filled = []
            for table in tables:
                cursor.execute(f"SELECT EXISTS (SELECT FROM {table})")
                if cursor.fetchone()[0]:
                    filled.append(table)
            if filled:
                cursor.execute(f"TRUNCATE {', '.join(filled)} RESTART IDENTITY CASCADE")
    finally:
        connection.close()


def empty_mariadb(servers: Servers) -> None:
    """TRUNCATE of every table of the database that has rows, except those of KEPT_TABLES."""
    connection = mariadb_connection(servers)
    try:
        with connection.cursor() as cursor:
            cursor.execute("SET SESSION foreign_key_checks = 0")
            for table in _tables(connection):
                if cursor.execute(f"SELECT 1 FROM `{table}` LIMIT 1"):
                    cursor.execute(f"TRUNCATE TABLE `{table}`")
    finally:
        connection.close()


def _tables(connection) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE() "
                       "AND table_type = 'BASE TABLE'")
        return [table for (table,) in cursor.fetchall() if table not in KEPT_TABLES]


def _purge(channel, names: list[str]) -> int:
    """Purges the queues; how many messages there were."""
    return sum(channel.queue_purge(name).method.message_count for name in names)


def _wait_for_no_consumers(channel, names: list[str]) -> None:
    deadline = time.monotonic() + _CONSUMERS_GONE_WITHIN_S
    for name in names:
        while consumers := channel.queue_declare(name, passive=True).method.consumer_count:
            if time.monotonic() > deadline:
                raise Trouble(f"queue {name} still has {consumers} consumers",
                              "stop the workers before the environment is reset: fleet.stop()")
            time.sleep(_POLL_S)
