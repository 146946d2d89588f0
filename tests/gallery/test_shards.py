"""A gallery asked through the servers of its shards: answers are those of one index of all."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import Command
from postgres_server import new_gallery

from facesearch import Gallery, Tagged
from facesearch.errors import FacesearchError, ShardError, StoreBusyError, UsageError
from facesearch.gallery import shard_index, shard_server, sharded_search
from facesearch.gallery.answers import Candidate
from facesearch.gallery.shard_client import ShardClient
from facesearch.gallery.shard_index import Missed, ShardIndex, ShardMoment
from facesearch.gallery.shard_server import ShardServer, serving
from facesearch.gallery.shard_wire import Hello, HostPort, Question, Reply, Wire
from facesearch.gallery.view import View
from facesearch.store import GalleryState, NewTemplate, Shard, SqlStore
from facesearch.store.postgresql import schema

from .doubles import KEY, add_templates, unit_vectors

pytestmark = pytest.mark.folder  # what stands for folders elsewhere would be in the way

PEOPLE = [f"person {number}" for number in range(60)]
STAFF = PEOPLE[3::7]
ANYWHERE = HostPort("127.0.0.1", 0)

Told = list[list[tuple[str, float, float, int]]]


def _like(known: np.ndarray, seed: int) -> np.ndarray:
    near = known + 0.8 * unit_vectors(len(known), seed)
    return np.asarray(near / np.linalg.norm(near, axis=1, keepdims=True), np.float32)


VECTORS = np.concatenate([_like(unit_vectors(len(PEOPLE)), seed) for seed in (1, 2)])
PROBES = _like(unit_vectors(len(PEOPLE)), 3)


def _told(answers: list[list[Candidate]]) -> Told:
    return [[(each.identity, each.similarity, each.score, each.template_id) for each in found] for found in answers]


def _same(whole: Gallery, sharded: Gallery, k: int = 3, **asked: Any) -> Told:
    expected = _told(whole.search(PROBES, k, **asked))
    assert _told(sharded.search(PROBES, k, **asked)) == expected
    return expected


def _store(gallery: Gallery) -> SqlStore:
    return gallery.parts.store


@pytest.fixture(autouse=True)
def secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FACESEARCH_SHARD_SECRET", "a secret of this test")


@pytest.fixture
def whole(gallery_url: str) -> Iterator[Gallery]:
    """A gallery of 60 people with two templates each, searched by index files of all."""
    with Gallery.open(gallery_url, encoder="dlib-resnet:fp32@onnx", index="flat") as gallery:
        gallery.enroll_templates(PEOPLE * 2, VECTORS)
        yield gallery


@contextmanager
def _served(url: str, count: int) -> Iterator[list[ShardServer]]:
    with ExitStack() as servers:
        yield [
            servers.enter_context(serving(url, Shard(number, count), ANYWHERE, threads=1))
            for number in range(1, count + 1)
        ]


@contextmanager
def _sharded(url: str, count: int = 3) -> Iterator[Gallery]:
    with _served(url, count) as servers:
        addresses = [str(server.listening) for server in reversed(servers)]
        with Gallery.open(url, shards=addresses) as gallery:
            yield gallery


@pytest.mark.parametrize(
    "kind", ["sq8", *(pytest.param(kind, marks=pytest.mark.slow) for kind in ("flat", "fp16+sq8", "sq4"))]
)
def test_answers_are_those_of_one_index_to_the_last_digit(whole: Gallery, gallery_url: str, kind: str) -> None:
    if kind != "flat":
        whole.build_index(kind)
    for name in STAFF:
        whole.set_attributes(name, tags=["staff"])
    whole.ignore(PEOPLE[11])
    with _sharded(gallery_url) as sharded:
        for k in (1, 3, 100):
            assert _same(whole, sharded, k)[0][0][0] == PEOPLE[0]
        for score in ("cosine", "normalised"):
            _same(whole, sharded, score=score)
            _same(whole, sharded, 5, score=score, among=Tagged("staff"))
        _same(whole, sharded, among=STAFF[0])
        _same(whole, sharded, fused=True)
        assert _told(sharded.search(PROBES[:1], 3)) == _told(whole.search(PROBES, 3))[:1]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["pca32,fs16+sq8", "rabitq+sq8"])
def test_what_shards_propose_is_ranked_as_by_one_index(whole: Gallery, gallery_url: str, kind: str) -> None:
    crowd = unit_vectors(6000, seed=8)
    add_templates(_store(whole), [f"one of many {number // 3}" for number in range(len(crowd))], crowd)
    add_templates(_store(whole), ["twins"] * 700, np.repeat(PROBES[2:3], 700, axis=0))
    whole.build_index(kind)
    many = [f"one of many {number}" for number in range(900)]  # too many to be compared one by one
    with _sharded(gallery_url) as sharded:
        view = sharded.parts.sharded
        _same(whole, sharded, 6)
        assert view is not None and not view._ready.precise  # type: ignore[union-attr]
        _same(whole, sharded, 40, score="normalised")
        for among in ([PEOPLE[3], "one of many 7"], many):
            _same(whole, sharded, 6, among=among)
        whole.ignore("twins")
        whole.forget(PEOPLE[5])
        _same(whole, sharded, 6)


def test_answers_follow_every_change(whole: Gallery, gallery_url: str) -> None:
    with _sharded(gallery_url) as sharded:
        _same(whole, sharded)
        whole.ignore(PEOPLE[0])
        assert _same(whole, sharded)[0][0][0] != PEOPLE[0]
        whole.rename(PEOPLE[1], "Ada")
        whole.merge(PEOPLE[2], into="Ada")
        assert [found[0][0] for found in _same(whole, sharded)[1:3]] == ["Ada", "Ada"]
        gone = [each.id for each in whole.templates(PEOPLE[4])]
        whole.remove_templates(gone)
        assert _same(whole, sharded)[4][0][0] != PEOPLE[4]
        whole.restore_templates(gone)
        assert _same(whole, sharded)[4][0][0] == PEOPLE[4]
        sharded.enroll_templates(["Grace"] * 2, PROBES[10:12])
        assert [found[0][0] for found in _same(whole, sharded)[10:12]] == ["Grace"] * 2
        sharded.forget(PEOPLE[7])
        assert _same(whole, sharded, 100)[7][0][0] != PEOPLE[7]
        whole.build_index("sq8")
        _same(whole, sharded)


def test_templates_that_are_given_to_somebody_go_to_the_shard_of_that_person(whole: Gallery, gallery_url: str) -> None:
    with _served(gallery_url, 2) as servers:
        sharded = Gallery.open(gallery_url, shards=[str(server.listening) for server in servers])
        _same(whole, sharded)
        moved = [each.id for name in PEOPLE[20:40] for each in whole.templates(name)]
        for target in ("somebody new", PEOPLE[41], PEOPLE[42], PEOPLE[43]):  # of either shard
            whole.move_templates(moved, target)
            assert {found[0][0] for found in _same(whole, sharded, 2)[20:40]} == {target}
            assert [server.index.open().ids().tolist() for server in servers] == _shares(whole)
        for name in PEOPLE[40:50]:
            whole.merge(name, into="somebody new")
        _same(whole, sharded, 2)
        assert [server.index.open().ids().tolist() for server in servers] == _shares(whole)
        sharded.close()


def _shares(gallery: Gallery) -> list[list[int]]:
    return [_held(gallery, Shard(number, 2)) for number in (1, 2)]


def _held(gallery: Gallery, shard: Shard) -> list[int]:
    return [number for batch in _store(gallery).templates.batches(shard=shard) for number in batch.ids.tolist()]


def test_a_shard_has_the_people_that_its_formula_says_in_any_database(
    whole: Gallery, gallery_url: str, tmp_path: Path
) -> None:
    Gallery.copy(gallery_url, tmp_path / "copy")
    with Gallery.open(tmp_path / "copy") as copied:
        owners = {number: owner.identity_id for number, owner in _store(copied).templates.owners(range(1, 121)).items()}
        for count in (1, 2, 3, 7):
            for number in range(1, count + 1):
                shard = Shard(number, count)
                expected = [template for template, owner in owners.items() if shard.has(owner)]
                assert _held(whole, shard) == _held(copied, shard) == expected
                halves = [Shard(2 * number - 1, 2 * count), Shard(2 * number, 2 * count)]
                assert all(shard.has(owner) == any(half.has(owner) for half in halves) for owner in owners.values())


def test_people_are_shared_out_evenly() -> None:
    for count in (2, 3, 10):
        shares = [sum(Shard(number, count).has(each) for each in range(1, 1001)) for number in range(1, count + 1)]
        assert sum(shares) == 1000 and max(shares) <= 1.02 * 1000 / count
    assert Shard(1, 1).has(2**62)


def test_many_templates_of_one_person_and_equal_ones_are_ranked_as_by_one_index(
    whole: Gallery, gallery_url: str
) -> None:
    with _sharded(gallery_url) as sharded:
        twins = [f"twin {number}" for number in range(80)]
        ids = add_templates(_store(whole), twins, np.repeat(PROBES[:1], 80, axis=0))
        add_templates(_store(whole), ["crowd"] * 3000, _like(np.repeat(PROBES[1:2], 3000, axis=0), 5))
        found = _same(whole, sharded, 5)
        assert [each[3] for each in found[0]] == ids[:5]
        assert found[1][0][0] == "crowd" and len({name for name, *_ in found[1]}) == 5


def test_faces_that_are_not_a_persons_are_not_given_the_name_by_shards_either(whole: Gallery, gallery_url: str) -> None:
    with _sharded(gallery_url) as sharded:
        best = _same(whole, sharded)[0][0]
        face = NewTemplate(best[0], b"n" * 32, "n.jpg", 10, 10, PROBES[0].tobytes(), 1.0, None)
        _store(whole).negatives.add(best[0], [face], KEY, "fp32")
        assert _same(whole, sharded)[0][0][0] != best[0]


def test_a_shard_that_is_started_anew_reads_its_files_and_catches_up(
    whole: Gallery, gallery_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with _sharded(gallery_url, 2) as sharded:
        _same(whole, sharded)
    built = []
    monkeypatch.setattr(ShardIndex, "_built", lambda *given: built.append(given))
    add_templates(_store(whole), ["newcomer"] * 2, PROBES[20:22])
    whole.forget(PEOPLE[9])
    whole.move_templates([each.id for name in PEOPLE[30:35] for each in whole.templates(name)], "somebody new")
    whole.merge(*PEOPLE[40:44])
    with _sharded(gallery_url, 2) as sharded:
        found = _same(whole, sharded, 100)
        assert [found[20][0][0], found[31][0][0]] == ["newcomer", "somebody new"]
        assert PEOPLE[9] not in {name for name, *_ in found[9]}
    assert not built


def test_files_are_written_anew_without_who_was_taken_out_and_with_who_came(whole: Gallery, gallery_url: str) -> None:
    with _served(gallery_url, 2) as servers:
        many = unit_vectors(3000, seed=9)
        add_templates(_store(whole), [f"late {number // 30}" for number in range(len(many))], many)
        whole.forget(PEOPLE[7])
        whole.move_templates([each.id for name in PEOPLE[30:35] for each in whole.templates(name)], "somebody new")
        assert all(server.index.keep_up() for server in servers)
        assert not any(server.index.keep_up() for server in servers)
        views = [server.index.open() for server in servers]
        assert sum(map(len, views)) == whole.counts().templates
        assert all(not view.removed.size and not len(view.delta) for view in views)
        assert all(segment.stored for view in views for segment in view.segments)
        assert [view.ids().tolist() for view in views] == _shares(whole)
    with _sharded(gallery_url, 2) as sharded:
        _same(whole, sharded, 100)


def test_damaged_files_of_a_shard_are_built_anew(
    whole: Gallery, gallery_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    with _served(gallery_url, 2):
        folder = whole.parts.folder
    for path in folder.glob("shard-*/*.faiss"):
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 255
        path.write_bytes(content)
    with _sharded(gallery_url, 2) as sharded:
        _same(whole, sharded)
    (folder / "shard-1-of-2" / "shard.json").write_text("{}")
    with _sharded(gallery_url, 2) as sharded:
        _same(whole, sharded)
    assert "built anew" in caplog.text


def test_a_shard_that_was_started_anew_is_reached_again(whole: Gallery, gallery_url: str) -> None:
    with _served(gallery_url, 1) as (server,):
        address = server.listening
        sharded = Gallery.open(gallery_url, shards=[str(address)])
        _same(whole, sharded)
    with pytest.raises(ShardError, match=rf"shard 1/1 at {address} cannot be reached .*; nobody is named without"):
        sharded.search(PROBES, 1)
    with serving(gallery_url, Shard(1, 1), address):
        _same(whole, sharded)
    sharded.close()


def test_wrong_shards_are_refused_in_one_line(
    whole: Gallery, gallery_url: str, postgresql_server: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def refusal(*shards: str, url: str = gallery_url) -> str:
        with pytest.raises(FacesearchError) as refused, Gallery.open(url, shards=shards) as gallery:
            gallery.search(PROBES, 1)
        return str(refused.value)

    with _served(gallery_url, 2) as servers:
        one, other = (str(server.listening) for server in servers)
        assert f"shard 1/2 at {one} is one of 2, and the addresses of 1 were given" in refusal(one)
        assert "each given once" in refusal(one, one)
        assert "give HOST:PORT" in refusal(one, "nowhere")
        with serving(gallery_url, Shard(1, 3), ANYWHERE) as third:
            assert "is one of 3" in refusal(one, str(third.listening))
        elsewhere = new_gallery(postgresql_server)
        with Gallery.open(elsewhere, encoder="dlib-resnet:fp32@onnx", index="flat") as another:
            another.enroll_templates(PEOPLE, VECTORS[: len(PEOPLE)])
        assert "is of another gallery" in refusal(one, other, url=elsewhere)
        with pytest.raises(StoreBusyError, match="serves shard 1/2 of this gallery"), _served(gallery_url, 2):
            pass
        with pytest.raises(UsageError, match="in place of a search in the database"):
            Gallery.open(gallery_url, shards=[one, other], search="database")
        with pytest.raises(UsageError, match="for a gallery on a server"):
            Gallery.open(tmp_path, shards=[one, other])
        monkeypatch.setenv("FACESEARCH_SHARD_SECRET", "another secret, longer")
        assert "does not accept the secret" in refusal(one, other)
        monkeypatch.setenv("FACESEARCH_SHARD_SECRET", "short")
        assert "shorter than 16 characters" in refusal(one, other)
        monkeypatch.delenv("FACESEARCH_SHARD_SECRET")
        assert "name its file in FACESEARCH_SHARD_SECRET_FILE" in refusal(one, other)
        path = tmp_path / "secret"
        path.write_text("a secret of this test\n")
        path.chmod(0o644)
        monkeypatch.setenv("FACESEARCH_SHARD_SECRET_FILE", str(path))
        assert "others may read the secret" in refusal(one, other)
        path.chmod(0o600)
        with Gallery.open(gallery_url, shards=[one, other]) as sharded:
            _same(whole, sharded)


def test_a_template_that_goes_from_shard_to_shard_while_it_is_asked_for_is_always_found(
    whole: Gallery, gallery_url: str
) -> None:
    wanderer = unit_vectors(1, seed=77)
    (number,) = add_templates(_store(whole), ["nobody"], wanderer)
    hosts = [next(name for name in PEOPLE if part.has(_id(whole, name))) for part in (Shard(1, 2), Shard(2, 2))]
    found, failed = [], []
    done = threading.Event()

    def ask(sharded: Gallery) -> None:
        try:
            while not done.is_set():
                best = sharded.search(wanderer, 1)[0][0]
                found.append((best.template_id, best.identity in {"nobody", *hosts}))
        except FacesearchError as error:
            failed.append(str(error))

    with _sharded(gallery_url, 2) as sharded:
        askers = [threading.Thread(target=ask, args=(sharded,)) for _ in range(2)]
        for asker in askers:
            asker.start()
        for turn in range(40):
            whole.move_templates([number], hosts[turn % 2])
        done.set()
        for asker in askers:
            asker.join()
    assert not failed and len(found) > 10
    assert set(found) == {(number, True)}


def _id(gallery: Gallery, name: str) -> int:
    return _store(gallery).identities.find(name).id


def test_what_is_no_question_is_answered_by_none(whole: Gallery, gallery_url: str) -> None:
    with _served(gallery_url, 1) as (server,):
        as_of = ShardMoment.of(state_of(whole))
        address = server.listening

        def reply(question: Question, body: bytes = b"") -> Reply:
            client = ShardClient(address, b"a secret of this test")
            try:
                return client.ask(question, body).result()[0]
            finally:
                client.close()

        assert reply(Question(as_of)).templates == 120
        for wrong in (
            Question(as_of, "best", 1, 128, 1),
            Question(as_of, "best", -1, 128, 1),
            Question(as_of, "best", 1 << 40, 128, 1),
            Question(as_of, k=3),
            Question(as_of, excluded=5),
        ):
            with pytest.raises(ShardError, match="is not"):
                reply(wrong)
        with pytest.raises(ShardError, match="must have shape"):
            reply(Question(as_of, "best", 1, 1, 1), b"\0" * 4)
        with socket.create_connection((address.host, address.port)) as stranger:
            stranger.sendall(b"GET / HTTP/1.1\r\n\r\n" + b"x" * 100)
            stranger.settimeout(10)
            while stranger.recv(1000):
                pass
        for garbage in (struct.pack(">II", 1 << 30, 1 << 30), struct.pack(">II", 2, 0) + b"[]"):
            with socket.create_connection((address.host, address.port)) as known:
                wire = Wire(known)
                wire.prove_as_asker(b"a secret of this test")
                wire.receive(Hello)
                known.sendall(garbage)
                known.settimeout(10)
                assert known.recv(1) == b""
        assert reply(Question(as_of)).templates == 120


def test_a_moment_that_is_gone_or_not_there_yet_is_not_answered_for(
    whole: Gallery, gallery_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shard_index, "_WAIT", 0.1)
    with _served(gallery_url, 1) as (server,):
        then = ShardMoment.of(state_of(whole))
        assert isinstance(server.index.at(then), View)
        add_templates(_store(whole), ["Ada"], PROBES[:1])
        now = ShardMoment.of(state_of(whole))
        assert isinstance(server.index.at(now), View)
        before = server.index.at(then)  # those who still ask at it
        assert isinstance(before, View) and len(before) == 120
        assert server.index.at(replace(then, event=0)) is Missed.PASSED
        assert server.index.at(replace(now, event=now.event + 1)) is Missed.BEHIND


def state_of(gallery: Gallery) -> GalleryState:
    with gallery.parts.store.moment() as moment:
        state = moment.state()
    assert state is not None
    return state


def test_commands_say_what_is_wrong(whole: Gallery, gallery_url: str, facesearch: Command, tmp_path: Path) -> None:
    serve = "index", "serve", "--shard"
    for shard in ("0/2", "3/2", "1", "1/5000", "a/b"):
        assert "is no shard" in facesearch(*serve, shard, "-g", gallery_url).err
    assert "only a gallery on a server has shards" in facesearch(*serve, "1/2", "-g", tmp_path).err
    assert "give HOST:PORT" in facesearch(*serve, "1/2", "--listen", "7411", "-g", gallery_url).err
    with _served(gallery_url, 1) as (server,):
        taken = facesearch(*serve, "1/2", "--listen", str(server.listening), "-g", gallery_url)
        assert taken.status == 2 and f"nothing can listen on {server.listening}" in taken.err
    with pytest.raises(UsageError, match="list of addresses"):
        Gallery.open(gallery_url, shards="127.0.0.1:7411")


def test_addresses_are_read_as_they_are_written() -> None:
    for text, host, port in (("db.example.com:7411", "db.example.com", 7411), ("[::1]:80", "::1", 80)):
        parsed = HostPort.parse(text)
        assert (parsed.host, parsed.port, str(parsed)) == (host, port, text)
    for wrong in ("", ":1", "host", "host:", "host:0", "host:65536", "host:٣", "host:-1", "host:1e3"):
        with pytest.raises(UsageError, match="give HOST:PORT"):
            HostPort.parse(wrong)


def test_shards_of_a_copy_of_the_database_are_of_another_gallery(
    whole: Gallery, gallery_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with _served(gallery_url, 1) as (server,):
        real = schema.server_of
        monkeypatch.setattr(schema, "server_of", lambda driver: ("7", "copy", *real(driver)[2:]))
        with (
            Gallery.open(gallery_url, shards=[str(server.listening)]) as copy,
            pytest.raises(ShardError, match="is of another gallery"),
        ):
            copy.search(PROBES, 1)


def test_a_shard_is_read_anew_where_another_server_took_over(
    whole: Gallery, gallery_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shard_server, "_CATCH_UP_SECONDS", 0.1)
    with _served(gallery_url, 1) as (server,):
        before = server.index
        assert isinstance(before.at(ShardMoment.of(_state(whole))), View)
        real = schema.server_of
        monkeypatch.setattr(schema, "server_of", lambda driver: (*real(driver)[:-1], "0000000F"))
        _store_of(before).transactions.close()  # connections are cut when a server goes
        due = time.monotonic() + 20
        while server.index is before:
            assert time.monotonic() < due
            time.sleep(0.05)
        assert server.index.gallery != before.gallery
        with Gallery.open(gallery_url, shards=[str(server.listening)]) as sharded:
            assert _told(sharded.search(PROBES, 3)) == _told(whole.search(PROBES, 3))


def test_shards_ahead_of_the_database_that_is_asked_end_the_question(
    whole: Gallery, gallery_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sharded_search, "_PATIENCE", 0.3)
    with _sharded(gallery_url, 1) as sharded:
        monkeypatch.setattr(ShardIndex, "at", lambda self, asked: Missed.PASSED)
        with pytest.raises(ShardError, match="the shards are ahead of the server that is asked"):
            sharded.search(PROBES, 1)


def _state(gallery: Gallery) -> GalleryState:
    with _store(gallery).moment() as moment:
        state = moment.state()
    assert state is not None
    return state


def _store_of(index: ShardIndex) -> SqlStore:
    store = index._store
    assert isinstance(store, SqlStore)
    return store
