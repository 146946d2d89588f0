"""A network that fails: each command ends in one line before long, and says of a change whether it was done."""

from __future__ import annotations

import time

import psycopg
import pytest

from benchmarks.faults.network import Network
from facesearch.errors import StoreUnreachableError
from facesearch.store import open_on_server
from facesearch.store.postgresql import attempt
from facesearch.store.postgresql.address import Address

from .samples import add, owners_of

SOON = "keepalives_idle=1&keepalives_interval=1&keepalives_count=1&tcp_user_timeout=1000&connect_timeout=2"
COMMIT = b"COMMIT"


@pytest.fixture
def far_url(gallery_url: str, network: Network) -> str:
    """The gallery, reached through that network."""
    return f"postgresql://postgres@127.0.0.1:{network.port}/postgres?{SOON}&gallery={Address.of(gallery_url).gallery}"


def test_where_the_answer_to_a_commit_is_lost_the_server_is_asked_and_the_change_is_done_once(
    far_url: str, network: Network
) -> None:
    def cut(number: int, message: bytes) -> None:
        if COMMIT in message:
            network.when(None)
            network.halve()

    with open_on_server(far_url) as store:
        add(store, "Ann", "1")
        network.when(cut)
        assert add(store, "Bob", "2") == [2]
        network.mend()
        assert owners_of(store, "1", "2") == {"1": "Ann", "2": "Bob"}
        assert store.integrity_check() == []


def test_where_a_commit_is_lost_on_its_way_nothing_was_changed_and_the_error_says_so(
    far_url: str, network: Network
) -> None:
    def cut(number: int, message: bytes) -> None:
        if COMMIT in message:
            network.when(None)
            network.reset()

    with open_on_server(far_url) as store:
        add(store, "Ann", "1")
        network.when(cut)
        with pytest.raises(StoreUnreachableError, match="went away; the change that was under way was not made"):
            add(store, "Bob", "2")
        assert owners_of(store, "1", "2") == {"1": "Ann"}
        assert add(store, "Bob", "2") == [2]


def test_where_the_server_cannot_be_asked_any_more_the_error_says_that_it_may_have_been_done(
    far_url: str, network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempt, "ASKING_SECONDS", 0.5)

    def cut(number: int, message: bytes) -> None:
        if COMMIT in message:
            network.when(None)
            network.drop()

    with open_on_server(far_url) as store:
        add(store, "Ann", "1")
        network.when(cut)
        began = time.monotonic()
        with pytest.raises(StoreUnreachableError, match="before it said whether this was done: it may have been"):
            add(store, "Bob", "2")
        assert time.monotonic() - began < 15
        network.mend()
        assert add(store, "Bob", "2") in ([2], [])
        assert owners_of(store, "1", "2") == {"1": "Ann", "2": "Bob"}


@pytest.mark.slow
def test_a_question_to_a_silent_network_ends_in_one_line(far_url: str, network: Network) -> None:
    with open_on_server(far_url) as store:
        add(store, "Ann", "1")
        network.drop()
        began = time.monotonic()
        with pytest.raises(StoreUnreachableError) as raised:
            store.templates.counts()
        assert time.monotonic() - began < 15 and "\n" not in str(raised.value)
        with pytest.raises(StoreUnreachableError) as raised:
            open_on_server(far_url)
        assert "\n" not in str(raised.value)
        network.mend()
        assert store.templates.counts() == (1, 1, 1)


def test_both_ends_notice_a_silent_network_before_a_waiting_writer_gives_up(far_url: str) -> None:
    """A writer whose machine is gone holds the gallery's lock until the server notices; a URL may say otherwise."""
    for url, expected in ((far_url.replace(f"{SOON}&", ""), 20_000), (far_url, 1000)):
        with open_on_server(url) as store, store.transactions.reading() as connection:
            told = [
                connection.exec_driver_sql(f"SHOW tcp_{name}").scalar_one()
                for name in ("keepalives_idle", "keepalives_interval", "keepalives_count", "user_timeout")
            ]
            assert all(value in ("0", "5", "3", "1", "20s", "1s") for value in told)
            driver = connection.connection.driver_connection
            assert isinstance(driver, psycopg.Connection)
            assert driver.info.get_parameters()["tcp_user_timeout"] == str(expected)
            assert connection.exec_driver_sql("SHOW client_connection_check_interval").scalar_one() == "5s"


@pytest.mark.slow
def test_a_slow_network_is_only_slow(far_url: str, network: Network) -> None:
    network.slow_down(0.02)
    with open_on_server(far_url) as store:
        assert add(store, "Ann", "1") == [1]
