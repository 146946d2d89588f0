"""A gallery on a server that is followed: answers of bounded age, and answers while the server is away."""

from __future__ import annotations

import gc
import os
import random
import shutil
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import psycopg
import pytest

from benchmarks.faults.network import Network
from facesearch import Gallery
from facesearch.errors import StoreError, StoreUnreachableError, UsageError
from facesearch.gallery import replica_file
from facesearch.gallery.groups import Tagged
from facesearch.gallery.sources import FollowingSource
from facesearch.store.postgresql import schema
from facesearch.store.postgresql.address import Address
from facesearch.store.postgresql.listening import ServerListener
from facesearch.store.records import ACTIVE

from .doubles import unit_vectors

pytestmark = pytest.mark.folder  # what stands for folders elsewhere would be in the way
PEOPLE = [f"person {number // 2}" for number in range(80)]
VECTORS = unit_vectors(len(PEOPLE))
NEW = unit_vectors(40, seed=9)
SOON = "connect_timeout=2&tcp_user_timeout=1000"
ENCODER = "dlib-resnet:fp32@onnx"
PATIENCE = 20.0  # seconds


@pytest.fixture
def url(gallery_url: str) -> str:
    """A gallery with people in it."""
    with Gallery.open(gallery_url, encoder=ENCODER) as gallery:
        gallery.enroll_templates(PEOPLE, VECTORS)
    return gallery_url


@pytest.fixture
def far(url: str, network: Network) -> str:
    """The gallery, reached through that network."""
    return f"postgresql://postgres@127.0.0.1:{network.port}/postgres?{SOON}&gallery={Address.of(url).gallery}"


def cut(network: Network) -> None:
    """Whoever connects is sent away, and whoever is connected is cut off, until `network.mend`."""
    network.when(lambda number, message: network.reset())
    network.reset()


def mend(network: Network) -> None:
    network.when(None)
    network.mend()


def until(true: Callable[[], bool]) -> None:
    due = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < due
        time.sleep(0.02)


def following(gallery: Gallery) -> FollowingSource:
    source = gallery.parts.source
    assert isinstance(source, FollowingSource)
    return source


def best(gallery: Gallery, vector: np.ndarray) -> str:
    return gallery.search(vector[None], 1)[0][0].identity


@pytest.mark.parametrize(
    ("seed", "steps"), [(0, 12), *(pytest.param(seed, 60, marks=pytest.mark.slow) for seed in range(1, 5))]
)
def test_what_follows_answers_as_the_store_does_whatever_is_changed(url: str, seed: int, steps: int) -> None:
    chance = random.Random(seed)
    probes = np.concatenate([VECTORS[::7], NEW[::5]])
    with Gallery.open(url) as store, Gallery.open(url, consistency="bounded:1ms") as follower:
        fresh = list(range(len(NEW)))

        def people() -> list[str]:
            return [person.name for person in store.identities() if person.templates]

        def enrol() -> None:
            number = fresh.pop()
            store.enroll_templates(
                [chance.choice([f"new {number}", chance.choice(people())])], NEW[number : number + 1]
            )

        changes: list[Callable[[], object]] = [
            enrol,
            enrol,
            lambda: store.forget(chance.choice(people())),
            lambda: store.rename(chance.choice(people()), f"renamed {chance.random()}"),
            lambda: store.merge(chance.choice(people()), into=chance.choice(people())),
            lambda: store.set_attributes(chance.choice(people()), tags=[chance.choice(["staff", "guests"])]),
            lambda: store.ignore(chance.choice(people()), chance.random() < 0.6),
            lambda: store.remove_templates([store.identity(chance.choice(people()))[1][0].id]),
            lambda: store.move_templates([store.identity(chance.choice(people()))[1][0].id], chance.choice(people())),
            lambda: store.set_threshold(chance.random()),
            lambda: store.build_index(chance.choice(["flat", "sq8", "fp16"])),
            lambda: store.restore_templates([each.id for each in store.templates() if each.state != ACTIVE][:1]),
        ]
        for _ in range(steps):
            with suppress(UsageError):  # nobody is merged with themselves
                chance.choice(changes)()
            time.sleep(0.002)
            assert follower.search(probes, 4) == store.search(probes, 4)
            assert follower.threshold == store.threshold
            for tag in ("staff", "guests"):
                try:
                    expected = store.search(probes, 3, among=Tagged(tag))
                except UsageError as error:
                    with pytest.raises(type(error), match=str(error).split("\n")[0][:30]):
                        follower.search(probes, 3, among=Tagged(tag))
                else:
                    assert follower.search(probes, 3, among=Tagged(tag)) == expected
            name = chance.choice(people())
            assert follower.search(probes, 3, among=name) == store.search(probes, 3, among=name)


def test_within_its_bound_an_answer_needs_no_server(far: str, network: Network) -> None:
    with Gallery.open(far, consistency="bounded:1m") as gallery:
        assert best(gallery, VECTORS[6]) == PEOPLE[6]
        cut(network)
        for number in (6, 7, 42):
            assert best(gallery, VECTORS[number]) == PEOPLE[number]
        with pytest.raises(StoreError):
            gallery.enroll_templates(["new"], NEW[:1])


def test_beyond_its_bound_nothing_is_answered_without_the_server(far: str, network: Network) -> None:
    with Gallery.open(far, consistency="bounded:200ms") as gallery:
        assert best(gallery, VECTORS[6]) == PEOPLE[6]
        cut(network)
        time.sleep(0.3)
        with pytest.raises(StoreUnreachableError):
            best(gallery, VECTORS[6])
        mend(network)
        assert best(gallery, VECTORS[6]) == PEOPLE[6]


def test_what_others_change_is_heard_long_before_the_bound(url: str) -> None:
    with Gallery.open(url, consistency="bounded:1m") as follower, Gallery.open(url) as other:
        assert best(follower, NEW[0]) != "new"
        other.enroll_templates(["new"], NEW[:1])
        until(lambda: best(follower, NEW[0]) == "new")
        other.forget("new")
        until(lambda: best(follower, NEW[0]) != "new")


def test_an_answer_within_a_bound_says_how_old_it_is(url: str, tmp_path: Path, people_photos: Path) -> None:
    photo = sorted(people_photos.rglob("*.jpg"))[0]
    place = f"{url}_photos"
    with Gallery.open(place) as gallery:
        gallery.enroll("somebody", photo)
        assert gallery.identify_faces(photo).as_of is None
    with Gallery.open(place, consistency="bounded:10s") as gallery:
        as_of = gallery.identify_faces(photo).as_of
        assert as_of is not None
        assert not as_of.away
        assert 0 <= as_of.age <= 10


def test_while_the_server_is_away_answers_go_on_and_say_so_and_everything_resumes(far: str, network: Network) -> None:
    with Gallery.open(far, stale_for="1m") as gallery:
        assert best(gallery, VECTORS[6]) == PEOPLE[6]
        until(lambda: following(gallery)._following.held is not None)
        cut(network)
        assert best(gallery, VECTORS[7]) == PEOPLE[7]
        with following(gallery).moment() as moment:
            assert moment.as_of is not None
            assert moment.as_of.away
        with pytest.raises(StoreError):
            gallery.enroll_templates(["new"], NEW[:1])
        mend(network)
        until(lambda: not following(gallery)._following.away)
        gallery.enroll_templates(["new"], NEW[:1])
        assert best(gallery, NEW[0]) == "new"
        with following(gallery).moment() as moment:
            assert moment.as_of is None


def test_answers_while_the_server_is_away_end_with_the_age_that_was_allowed(far: str, network: Network) -> None:
    with Gallery.open(far, stale_for="1m") as gallery:
        assert best(gallery, VECTORS[6]) == PEOPLE[6]
        follows = following(gallery)._following
        until(lambda: follows.held is not None)
        cut(network)
        assert best(gallery, VECTORS[6]) == PEOPLE[6]
        assert follows.held is not None
        follows.held = follows.held._replace(confirmed=follows.held.confirmed - 90)
        with pytest.raises(
            StoreUnreachableError,
            match=r"what is known here is 9\d s old, and may be used for 60 s",
        ):
            best(gallery, VECTORS[6])


def test_where_the_network_falls_silent_questions_wait_only_briefly(far: str, network: Network) -> None:
    with Gallery.open(far.replace("tcp_user_timeout=1000", "tcp_user_timeout=15000"), stale_for="1m") as gallery:
        assert best(gallery, VECTORS[6]) == PEOPLE[6]
        until(lambda: following(gallery)._following.held is not None)
        network.drop()
        until(lambda: following(gallery)._following.away)
        asked = time.monotonic()
        assert best(gallery, VECTORS[7]) == PEOPLE[7]
        assert time.monotonic() - asked < 1
        network.mend()
        until(lambda: not following(gallery)._following.away)
        assert best(gallery, VECTORS[8]) == PEOPLE[8]


@pytest.mark.parametrize("kind", ["flat", "sq8", "tcq64"])
def test_a_process_that_begins_while_the_server_is_away_answers_as_the_last_one_did(
    far: str, network: Network, kind: str
) -> None:
    with Gallery.open(far) as gallery:
        if kind != "flat":
            gallery.build_index(kind)
        gallery.set_attributes(PEOPLE[8], tags=["staff"])
        gallery.ignore(PEOPLE[20])
    with Gallery.open(far, stale_for="1h") as gallery:
        gallery.enroll_templates([PEOPLE[0], "new"], NEW[:2])
        gallery.forget(PEOPLE[30])
        expected = gallery.search(VECTORS, 3), gallery.search(VECTORS, 3, among=Tagged("staff"))
        identities = gallery.search(NEW[:2], 1)
    cut(network)
    with pytest.raises(StoreUnreachableError):
        Gallery.open(far)
    with Gallery.open(far, stale_for="1h") as gallery:
        assert (gallery.search(VECTORS, 3), gallery.search(VECTORS, 3, among=Tagged("staff"))) == expected
        assert gallery.search(NEW[:2], 1) == identities
        with pytest.raises(StoreError):
            gallery.enroll_templates(["newer"], NEW[2:3])
        mend(network)
        until(lambda: not following(gallery)._following.away)
        gallery.enroll_templates(["newer"], NEW[2:3])
        assert best(gallery, NEW[2]) == "newer"


def test_what_is_too_old_is_neither_used_nor_kept(far: str, network: Network) -> None:
    with Gallery.open(far, stale_for="1h") as gallery:
        best(gallery, VECTORS[0])
        folder = gallery.parts.folder
    written = folder / replica_file.NAME
    os.utime(written, (time.time() - 7200, time.time() - 7200))
    cut(network)
    with pytest.raises(StoreUnreachableError, match=r"what is known here is 2 h old"):
        Gallery.open(far, stale_for="1h")
    mend(network)
    Gallery.open(far).close()
    assert not written.exists()


def test_a_damaged_file_is_never_answered_from(far: str, network: Network) -> None:
    with Gallery.open(far, stale_for="1h") as gallery:
        best(gallery, VECTORS[0])
        written = gallery.parts.folder / replica_file.NAME
    whole = written.read_bytes()
    cut(network)
    for place in (len(whole) // 3, len(whole) // 2, len(whole) - 5):
        written.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(StoreError, match="damaged"):
            Gallery.open(far, stale_for="1h")
    mend(network)
    with Gallery.open(far, stale_for="1h") as gallery:
        assert best(gallery, VECTORS[6]) == PEOPLE[6]
    assert replica_file.load(written.parent).replica.people.names


def test_who_was_forgotten_here_is_in_no_file_of_what_follows(url: str) -> None:
    with Gallery.open(url, stale_for="1h") as gallery:
        best(gallery, VECTORS[0])
        written = gallery.parts.folder / replica_file.NAME
        until(written.exists)
        gallery.forget(PEOPLE[6])
    assert not written.exists() or PEOPLE[6] not in replica_file.load(written.parent).replica.people.names


def test_without_an_age_that_is_allowed_nothing_of_people_is_kept_here(url: str) -> None:
    with Gallery.open(url, consistency="bounded:5s") as gallery:
        best(gallery, VECTORS[0])
        assert not (gallery.parts.folder / replica_file.NAME).exists()


def test_where_another_server_took_over_what_was_known_is_known_anew(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with Gallery.open(url, consistency="bounded:1ms") as gallery:
        assert best(gallery, VECTORS[6]) == PEOPLE[6]
        before = gallery.parts
        real = schema.server_of
        monkeypatch.setattr(schema, "server_of", lambda driver: (*real(driver)[:-1], "0000000F"))
        before.store.transactions.close()  # connections are cut when a server goes
        assert best(gallery, VECTORS[6]) == PEOPLE[6]
        assert gallery.parts is not before
        assert gallery.parts.folder != before.folder


def test_galleries_that_nobody_closes_leave_no_thread(url: str) -> None:
    before = set(threading.enumerate())
    gallery = Gallery.open(url, consistency="bounded:100ms")
    best(gallery, VECTORS[0])
    (thread,) = (each for each in set(threading.enumerate()) - before if each.name == "facesearch-following")
    del gallery

    def gone() -> bool:
        gc.collect()
        return not thread.is_alive()

    until(gone)


def test_a_fork_follows_by_itself(url: str) -> None:
    with Gallery.open(url, consistency="bounded:1m") as gallery:
        assert best(gallery, VECTORS[6]) == PEOPLE[6]
        child = os.fork()
        if not child:
            try:
                os._exit(0 if best(gallery, VECTORS[7]) == PEOPLE[7] else 1)
            finally:
                os._exit(2)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert best(gallery, VECTORS[6]) == PEOPLE[6]


@pytest.mark.parametrize(
    "given", ["latest:2s", "bounded", "bounded:", "bounded:0s", "bounded:-1s", "bounded:2x", "", 3]
)
def test_another_consistency_is_refused_in_one_line(given: object) -> None:
    with pytest.raises(UsageError):
        Gallery.open("nowhere", consistency=given)  # type: ignore[arg-type]


def test_a_search_in_the_database_has_no_other_age(url: str) -> None:
    with pytest.raises(UsageError, match="consistency and stale_for go with index files"):
        Gallery.open(url, search="database", stale_for="1m")


def test_a_folder_is_always_the_latest(tmp_path: Path) -> None:
    with Gallery.open(tmp_path / "gallery", encoder=ENCODER, consistency="bounded:1h", stale_for="1h") as gallery:
        gallery.enroll_templates(PEOPLE, VECTORS)
        assert best(gallery, VECTORS[6]) == PEOPLE[6]
        with Gallery.open(tmp_path / "gallery") as other:
            other.enroll_templates(["new"], NEW[:1])
        assert best(gallery, NEW[0]) == "new"


def test_who_was_forgotten_elsewhere_is_kept_no_longer_once_a_question_here_knows_of_it(url: str) -> None:
    with Gallery.open(url, stale_for="1h") as gallery:
        best(gallery, VECTORS[0])
        written = gallery.parts.folder / replica_file.NAME
        until(written.exists)
    with Gallery.open(url, search="projection") as other:
        assert best(other, VECTORS[0]) == PEOPLE[0]
        assert written.exists()
        other.parts.store.identities.forget([PEOPLE[6]])  # as another machine does
        assert best(other, VECTORS[0]) == PEOPLE[0]
    assert not written.exists()


def test_what_another_process_wrote_is_not_taken_for_confirmed(url: str) -> None:
    with Gallery.open(url, stale_for="1h") as gallery:
        best(gallery, VECTORS[0])
        written = gallery.parts.folder / replica_file.NAME
        until(written.exists)
        other = written.with_name("other")
        shutil.copy(written, other)
        os.utime(other, (time.time() - 900, time.time() - 900))
        number = other.stat().st_ino
        other.replace(written)  # of a process that was slow
        until(lambda: written.stat().st_ino != number)
        age = replica_file.age_of(written.parent)
        assert age is not None
        assert age < PATIENCE


@pytest.mark.parametrize("place", ["address", "opened", "usable", "removal", "format"])
def test_a_damaged_head_is_told_and_harms_nobody_while_the_server_is_there(
    far: str, network: Network, place: str
) -> None:
    with Gallery.open(far, stale_for="1h") as gallery:
        best(gallery, VECTORS[0])
        written = gallery.parts.folder / replica_file.NAME
    written.write_bytes(written.read_bytes().replace(place.encode(), b"x" * len(place), 1))
    with Gallery.open(far) as gallery:
        assert best(gallery, VECTORS[6]) == PEOPLE[6]
    cut(network)
    with pytest.raises(StoreUnreachableError, match="nothing of it is kept here"):
        Gallery.open(far, stale_for="1h")
    mend(network)
    with Gallery.open(far, stale_for="1h") as gallery:
        assert best(gallery, VECTORS[6]) == PEOPLE[6]


@pytest.mark.parametrize("refusal", ["ALTER ROLE {} NOLOGIN", "ALTER ROLE {} CONNECTION LIMIT 0"])
def test_a_server_that_refuses_is_not_away(url: str, postgresql_server: str, refusal: str) -> None:
    role = f"asker_{os.getpid()}_{abs(hash(refusal)) % 1000}"
    name = Address.of(url).gallery
    with psycopg.connect(postgresql_server, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {role} LOGIN".encode())
        connection.execute(f"GRANT USAGE ON SCHEMA {name} TO {role}".encode())
        connection.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA {name} TO {role}".encode())
        as_role = url.replace("postgres@", f"{role}@")
        with Gallery.open(as_role, stale_for="1h") as gallery:
            assert best(gallery, VECTORS[6]) == PEOPLE[6]
            until(lambda: following(gallery)._following.held is not None)
            connection.execute(refusal.format(role).encode())
            connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s", (role,))
            until(lambda: not following(gallery)._following.away)
            time.sleep(1.5)
            with pytest.raises(StoreError, match=r"does not let this user in|no connection left"):
                best(gallery, VECTORS[6])
        with pytest.raises(StoreError, match=r"does not let this user in|no connection left"):
            Gallery.open(as_role, stale_for="1h")
        connection.execute(f"DROP OWNED BY {role}; DROP ROLE {role}".encode())


def test_the_thread_that_follows_goes_on_whatever_fails(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with Gallery.open(url, consistency="bounded:200ms") as gallery, Gallery.open(url) as other:
        assert best(gallery, VECTORS[6]) == PEOPLE[6]
        failing = [ValueError("too many files"), OSError(24, "too many files")]

        def wait(self: ServerListener, seconds: float) -> None:
            if failing:
                raise failing.pop()
            real(self, seconds)

        real = ServerListener.wait
        monkeypatch.setattr(ServerListener, "wait", wait)
        monkeypatch.setattr(ServerListener, "__init__", _fails_once(ServerListener.__init__))
        until(lambda: not failing)
        other.enroll_templates(["new"], NEW[:1])
        until(lambda: best(gallery, NEW[0]) == "new")


def _fails_once(real: Callable[..., None]) -> Callable[..., None]:
    times = [0]

    def made(self: ServerListener, address: Address) -> None:
        times[0] += 1
        if times[0] == 1:
            raise OSError(24, "too many files")
        real(self, address)

    return made


@pytest.mark.parametrize(
    "given", ["postgresql:/u:secret@host/db", " postgresql:/u:secret@host/db", "Postgres:u:secret@host/db"]
)
def test_what_is_nearly_a_url_makes_no_folder_and_shows_no_password(
    given: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError) as told:
        Gallery.open(given, encoder=ENCODER)
    assert "secret" not in str(told.value)
    assert list(tmp_path.iterdir()) == []


def test_space_around_a_url_is_of_no_consequence(url: str) -> None:
    with Gallery.open(f" {url} ") as gallery:
        assert best(gallery, VECTORS[6]) == PEOPLE[6]
