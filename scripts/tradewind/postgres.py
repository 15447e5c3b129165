"""PostgreSQL 18 of an instance: the cluster on disk, its settings, databases and roles.

Runs as an unprivileged user also when the caller is root, because PostgreSQL insists.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from pathlib import Path

from tradewind import paths, secrets_store
from tradewind.console import Failure, say
from tradewind.instance import POSTGRES_PORT, SERVICES, Instance

# Four pools of 20, the relays' and listeners' own connections, and test databases beside them.
MAX_CONNECTIONS = 300
PSQL_TIMEOUT_SECONDS = 30


def prepare(instance: Instance) -> None:
    """Makes the cluster on the first start and writes its settings on every start."""
    _ensure_server_user()
    data = instance.postgres_data
    if not (data / "PG_VERSION").exists():
        _initialise(instance, data)
    _owned(data / "tradewind.conf", _settings(instance))
    _owned(data / "pg_hba.conf", "host all all 127.0.0.0/8 scram-sha-256\n")
    configuration = data / "postgresql.conf"
    if "include 'tradewind.conf'" not in configuration.read_text():
        with configuration.open("a") as file:
            file.write("\ninclude 'tradewind.conf'\n")


def command(instance: Instance) -> list[str]:
    """The server in the foreground, for the supervisor."""
    return [str(paths.POSTGRES_BIN / "postgres"), "-D", str(instance.postgres_data)]


def ready(instance: Instance) -> bool:
    """Whether the server answers a query."""
    return _psql(instance, "select 1").returncode == 0


def provision(instance: Instance) -> None:
    """A database and a role per service; nobody else may connect to it. Safe to repeat."""
    result = _psql(instance, "\n".join(_provisioning(instance)))
    if result.returncode != 0:
        raise Failure(f"could not make databases and roles:\n{result.stderr}")


def query(instance: Instance, database: str, sql: str) -> str | None:
    """What one query answers, a line per row; None while there is no answer."""
    try:
        result = _psql(instance, sql, database)
    except subprocess.TimeoutExpired:
        return None
    return result.stdout.strip() if result.returncode == 0 else None


def _provisioning(instance: Instance) -> list[str]:
    lines = ["revoke connect on database postgres, template1 from public;"]
    for service in SERVICES:
        password = secrets_store.read(instance, f"postgres.{service}")
        # "order" is a word of SQL; every name is quoted.
        lines += [
            f"select 'create role \"{service}\"' where not exists"
            f" (select from pg_roles where rolname = '{service}') \\gexec",
            f"alter role \"{service}\" login nosuperuser nocreatedb nocreaterole"
            f" password '{password}';",
            f"select 'create database \"{service}\" owner \"{service}\"' where not exists"
            f" (select from pg_database where datname = '{service}') \\gexec",
            f"revoke all on database \"{service}\" from public;",
        ]
    return lines


def _psql(
    instance: Instance, script: str, database: str = "postgres"
) -> subprocess.CompletedProcess[str]:
    """Runs SQL as the superuser. Script and password stay out of the process list."""
    environment = {
        **os.environ,
        "PGPASSWORD": secrets_store.read(instance, "postgres.admin"),
        "PGCONNECT_TIMEOUT": "2",
    }
    return subprocess.run(
        [
            str(paths.POSTGRES_BIN / "psql"), "--no-psqlrc", "--quiet", "--set", "ON_ERROR_STOP=1",
            "--host", instance.address("postgres"), "--port", str(POSTGRES_PORT),
            "--username", "postgres", "--dbname", database, "--file", "-",
            "--tuples-only", "--no-align",
        ],
        input=script, env=environment, timeout=PSQL_TIMEOUT_SECONDS,
        capture_output=True, text=True, check=False,
    )


def _settings(instance: Instance) -> str:
    return f"""\
# Written by scripts/tradewind/postgres.py at every start.
listen_addresses = '{instance.address("postgres")}'
port = {POSTGRES_PORT}
unix_socket_directories = ''        # one way in, the one that services use
password_encryption = 'scram-sha-256'
max_connections = {MAX_CONNECTIONS}
shared_buffers = '128MB'
fsync = on                          # what was acknowledged exists, also on a developer's machine
synchronous_commit = on
full_page_writes = on
log_timezone = 'UTC'
timezone = 'UTC'
log_destination = 'stderr'          # the supervisor keeps and rotates it
logging_collector = off
log_line_prefix = '%m [%p] %q%u@%d '
log_min_duration_statement = '500ms'
log_lock_waits = on
idle_in_transaction_session_timeout = '60s'   # a forgotten transaction holds locks and vacuum
"""


def _initialise(instance: Instance, data: Path) -> None:
    say(f"creating the PostgreSQL cluster of instance {instance.number}")
    # A folder without PG_VERSION is what an interrupted initdb left behind.
    shutil.rmtree(data, ignore_errors=True)
    data.mkdir(parents=True)
    password = data.with_name(f"{data.name}.password")
    _owned(password, secrets_store.read(instance, "postgres.admin"))
    _give(data)
    try:
        result = subprocess.run(
            [
                str(paths.POSTGRES_BIN / "initdb"), "--pgdata", str(data),
                "--username", "postgres", "--auth", "scram-sha-256", "--pwfile", str(password),
                "--encoding", "UTF8", "--locale-provider", "builtin",
                "--builtin-locale", "C.UTF-8", "--locale", "C",
            ],
            capture_output=True, text=True, check=False, cwd="/", **_as_server_user(),
        )
    finally:
        password.unlink()
    if result.returncode != 0:
        shutil.rmtree(data, ignore_errors=True)
        raise Failure(f"initdb failed:\n{result.stdout}{result.stderr}")


def _owned(path: Path, text: str) -> None:
    """Writes a file that only the server's user reads."""
    secrets_store.write_private(path, text)
    _give(path)


def _give(path: Path) -> None:
    if paths.as_root():
        shutil.chown(path, paths.SERVER_USER, paths.SERVER_USER)


def _as_server_user() -> dict[str, object]:
    """Arguments that make `subprocess` drop root, and nothing for an ordinary user."""
    if not paths.as_root():
        return {}
    account = pwd.getpwnam(paths.SERVER_USER)
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


def _ensure_server_user() -> None:
    if not paths.as_root():
        return
    try:
        pwd.getpwnam(paths.SERVER_USER)
    except KeyError:
        say(f"adding the system user {paths.SERVER_USER}, because PostgreSQL refuses to be root")
        subprocess.run(
            ["useradd", "--system", "--user-group", "--no-create-home",
             "--shell", "/usr/sbin/nologin", paths.SERVER_USER],
            check=True,
        )
