"""Fetching one file: whole, checked and in its place, or an error and nothing at all."""

from __future__ import annotations

import hashlib
import socket
import threading
import time
from pathlib import Path

import pytest

from facesearch.errors import UsageError, WeightsError
from facesearch.workshop.connections import Redirects
from facesearch.workshop.download import download, resolve_source

from . import web_server as web

CONTENT = bytes(range(256)) * 2000
SHA256 = hashlib.sha256(CONTENT).hexdigest()
AT_ONCE = (0.0, 0.0, 0.0)


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def fails(url: str, folder: Path, **options: object) -> str:
    """The message of a download that must fail and leave nothing."""
    with pytest.raises((WeightsError, UsageError)) as caught:
        download(url, folder / "weights.pt", waits=(0.0,), **options)  # type: ignore[arg-type]
    assert files(folder) == []
    assert len(str(caught.value).splitlines()) == 1
    return str(caught.value)


def test_a_file_is_fetched_whole_and_checked(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    with web.serving(CONTENT, web.whole) as server:
        fetched = download(
            server.url, tmp_path / "weights.pt", sha256=SHA256, progress=lambda done, total: seen.append((done, total))
        )
    assert (fetched.sha256, fetched.size_bytes) == (SHA256, len(CONTENT))
    assert (tmp_path / "weights.pt").read_bytes() == CONTENT
    assert files(tmp_path) == ["weights.pt"]
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


def test_a_server_that_does_not_say_how_much_it_sends_is_believed(tmp_path: Path) -> None:
    with web.serving(CONTENT, web.chunked) as server:
        assert download(server.url, tmp_path / "weights.pt").sha256 == SHA256


def test_a_broken_download_goes_on_where_it_broke(tmp_path: Path) -> None:
    with web.serving(CONTENT, web.cut(100_000), web.ranged) as server:
        fetched = download(server.url, tmp_path / "weights.pt", waits=AT_ONCE)
        first, second = server.requests
    assert (fetched.sha256, fetched.size_bytes) == (SHA256, len(CONTENT))
    assert "range" not in first
    assert (second["range"], second["if-range"]) == ("bytes=100000-", web.tag(CONTENT))


def test_a_file_that_changed_meanwhile_is_fetched_from_the_start(tmp_path: Path) -> None:
    with web.serving(b"old" * 1000, web.cut(1000), web.ranged) as server:

        def change(done: int, total: int) -> None:
            server.change(CONTENT)

        assert download(server.url, tmp_path / "weights.pt", waits=AT_ONCE, progress=change).sha256 == SHA256
    assert (tmp_path / "weights.pt").read_bytes() == CONTENT


def test_a_server_that_ignores_ranges_is_read_from_the_start(tmp_path: Path) -> None:
    with web.serving(CONTENT, web.cut(1000), web.cut(2000), web.whole) as server:
        assert download(server.url, tmp_path / "weights.pt", waits=AT_ONCE).sha256 == SHA256


def test_without_a_version_or_a_known_hash_nothing_is_resumed(tmp_path: Path) -> None:
    with web.serving(CONTENT, web.cut_without_tag(1000), web.ranged) as server:
        assert download(server.url, tmp_path / "weights.pt", waits=AT_ONCE).sha256 == SHA256
        assert "range" not in server.requests[1]
    with web.serving(CONTENT, web.cut_without_tag(1000), web.ranged) as server:
        assert download(server.url, tmp_path / "again.pt", waits=AT_ONCE, sha256=SHA256).sha256 == SHA256
        assert server.requests[1]["range"] == "bytes=1000-"


@pytest.mark.parametrize("fault", [web.wrong_part, web.status(416)], ids=["another part", "no such part"])
def test_a_wrong_part_is_not_taken(tmp_path: Path, fault: web.Behaviour) -> None:
    with web.serving(CONTENT, web.cut(1000), fault, web.ranged) as server:
        assert download(server.url, tmp_path / "weights.pt", waits=AT_ONCE).sha256 == SHA256
        assert "range" not in server.requests[2]


def test_a_server_in_trouble_is_asked_again(tmp_path: Path) -> None:
    with web.serving(CONTENT, web.status(500), web.status(503), web.whole) as server:
        assert download(server.url, tmp_path / "weights.pt", waits=AT_ONCE).sha256 == SHA256
        assert len(server.requests) == 3


def test_a_file_that_is_not_there_is_not_asked_for_again(tmp_path: Path) -> None:
    with web.serving(CONTENT, web.status(404)) as server:
        assert "the server answers 404" in fails(server.url, tmp_path)
        assert len(server.requests) == 1


def test_a_connection_that_breaks_every_time_ends_in_one_line(tmp_path: Path) -> None:
    with web.serving(CONTENT, web.cut_without_tag(1000)) as server:
        assert f"the connection ended after 1000 of {len(CONTENT)} bytes" in fails(server.url, tmp_path)
        assert len(server.requests) == 2


def test_a_silent_server_is_given_up(tmp_path: Path) -> None:
    over = threading.Event()
    with web.serving(CONTENT, web.stalled(over)) as server:
        assert "the server is silent" in fails(server.url, tmp_path, timeout=0.3)
        over.set()


def test_another_file_than_expected_is_deleted(tmp_path: Path) -> None:
    with web.serving(b"something else", web.whole) as server:
        message = fails(server.url, tmp_path, sha256=SHA256)
    assert SHA256 in message and hashlib.sha256(b"something else").hexdigest() in message


@pytest.mark.parametrize("behaviour", [web.whole, web.chunked], ids=["announced", "unannounced"])
def test_what_is_too_large_is_not_read_to_the_end(tmp_path: Path, behaviour: web.Behaviour) -> None:
    with web.serving(CONTENT, behaviour) as server:
        assert "is larger than 1000 bytes" in fails(server.url, tmp_path, largest=1000)


def test_redirects_are_followed_to_the_web_only(tmp_path: Path) -> None:
    (tmp_path / "download").mkdir()
    secret = tmp_path / "secret"
    secret.write_text("x")
    with web.serving(CONTENT, web.whole) as there, web.serving(b"", web.redirect(there.url)) as here:
        assert download(here.url, tmp_path / "weights.pt").sha256 == SHA256
    for location in (secret.as_uri(), "ftp://127.0.0.1/weights.pt", "data:,x"):
        with web.serving(b"", web.redirect(location)) as here:
            assert "which is not followed" in fails(here.url, tmp_path / "download")


def test_from_https_nothing_leads_back_to_http() -> None:
    import urllib.request

    request = urllib.request.Request("https://example.org/weights.pt")
    with pytest.raises(WeightsError, match="which is not followed"):
        Redirects().redirect_request(request, None, 302, "Found", {}, "http://example.org/weights.pt")


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://example.org/x", "weights.pt", "http://", "http://a b/c"])
def test_only_the_web_is_fetched(tmp_path: Path, url: str) -> None:
    assert "is not an http(s) URL" in fails(url, tmp_path)


def test_a_machine_that_cannot_be_reached_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound but not listening: refused
        assert "connection refused" in fails(f"http://127.0.0.1:{taken.getsockname()[1]}/x.pt", tmp_path)

    def no_names(*_: object, **__: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", no_names)
    assert "is this machine online?" in fails("http://nowhere.invalid/x.pt", tmp_path)


def test_an_interrupt_leaves_nothing(tmp_path: Path) -> None:
    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with web.serving(CONTENT, web.whole) as server, pytest.raises(KeyboardInterrupt):
        download(server.url, tmp_path / "weights.pt", progress=interrupt)
    assert files(tmp_path) == []


def test_the_source_is_a_file_a_folder_a_mirror_or_a_url(tmp_path: Path) -> None:
    (tmp_path / "a.pt").write_bytes(b"x")
    (tmp_path / "other name.bin").write_bytes(b"x")
    assert resolve_source(str(tmp_path), "a.pt") == tmp_path / "a.pt"
    assert resolve_source(str(tmp_path / "other name.bin"), "a.pt") == tmp_path / "other name.bin"
    assert resolve_source((tmp_path / "other name.bin").as_uri(), "a.pt") == tmp_path / "other name.bin"
    assert resolve_source("https://mirror.example/models/", "a.pt") == "https://mirror.example/models/a.pt"
    assert resolve_source("https://mirror.example", "a.pt") == "https://mirror.example/a.pt"
    assert resolve_source("https://mirror.example/b.pth", "a.pt") == "https://mirror.example/b.pth"
    assert resolve_source("https://mirror.example/get?id=3", "a.pt") == "https://mirror.example/get?id=3"


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        ("nowhere.pt", "there is no file nowhere.pt"),
        ("ftp://mirror.example/a.pt", "of a kind that is not fetched"),
        ("file://mirror.example/a.pt", "on another machine"),
    ],
)
def test_a_source_that_there_is_not_is_refused(source: str, complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        resolve_source(source, "a.pt")


@pytest.mark.parametrize("where", ["head", "body", "length"])
def test_a_server_that_sends_a_byte_now_and_then_is_not_waited_for(tmp_path: Path, where: str) -> None:
    stop = threading.Event()
    with web.serving(CONTENT, web.trickling(where, stop)) as server:
        started = time.monotonic()
        message = fails(server.url, tmp_path, window=0.3)
        stop.set()
    assert "the server sends less than 4096 bytes a second" in message
    assert time.monotonic() - started < 4


def test_a_slow_server_that_goes_on_is_waited_for(tmp_path: Path) -> None:
    def slow(answer: web.Answer, content: bytes) -> None:
        answer.head(200, Content_Length=len(content))
        for start in range(0, len(content), 50_000):
            answer.wfile.write(content[start : start + 50_000])
            time.sleep(0.05)

    with web.serving(CONTENT, slow) as server:
        assert download(server.url, tmp_path / "weights.pt", window=0.25).sha256 == SHA256


@pytest.mark.parametrize(
    "location",
    [
        "http://[::1/weights.pt",
        "http://127.0.0.1:99999/weights.pt",
        "http://127.0.0.1:port/weights.pt",
        "http://a..b/weights.pt",
        f"http://{'a' * 300}/weights.pt",
        "//[",
        "http://",
        "http:///weights.pt",
        "http://127.0.0.1:0x50/",
        "ht!tp://[]",
        "http://\u00b2\u00b3/",
    ],
)
def test_a_redirect_to_no_address_ends_in_one_line(tmp_path: Path, location: str) -> None:
    with web.serving(CONTENT, web.redirect(location)) as server:
        fails(server.url, tmp_path)


@pytest.mark.parametrize("length", ["9" * 5000, "\u00b2", "-1", "abc"])
def test_a_length_that_is_none_ends_in_one_line_or_is_passed_over(tmp_path: Path, length: str) -> None:
    def answers(answer: web.Answer, content: bytes) -> None:
        answer.head(200, Content_Length=length)
        answer.wfile.write(content)

    with web.serving(CONTENT, answers) as server:
        try:
            assert download(server.url, tmp_path / "weights.pt", waits=()).sha256 == SHA256
        except WeightsError as error:
            assert len(str(error).splitlines()) == 1


@pytest.mark.parametrize("url", ["http://[x/a.pt", "http://127.0.0.1:99999/a.pt", "http://127.0.0.1:x/a.pt", "http://"])
def test_an_address_that_is_not_possible_is_wrong_usage(tmp_path: Path, url: str) -> None:
    with pytest.raises(UsageError, match=r"is not an http\(s\) URL"):
        download(url, tmp_path / "weights.pt")
    with pytest.raises(UsageError, match=r"is not an http\(s\) URL"):
        resolve_source(url, "weights.pt")
