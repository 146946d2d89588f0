"""Where a gallery on a server is: `postgresql://user@host/database?gallery=NAME`.

All but `gallery` is libpq's own: further parameters (`sslmode`, `service`, …), environment (`PGPASSWORD`, …) and files
(`~/.pgpass`, `~/.pg_service.conf`) mean what they mean to other programs.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, quote, urlencode

from facesearch.errors import UsageError

SCHEMES = ("postgresql://", "postgres://")
DEFAULT_NAME = "facesearch"
_NAME = re.compile(r"(?!pg_)[a-z][a-z0-9_]{0,62}")
_NOT_OURS = {"public", "information_schema"}
_FORM = "postgresql://user@host/database?gallery=NAME"
_SHOWN = {"host", "port", "dbname", "service", "user"}  # parameters that say where it is
_PORT = re.compile(r"[0-9]{0,5}")


@dataclass(frozen=True, slots=True)
class Address:
    """A gallery on a server. conninfo: for libpq, maybe with a password; shown: to people, never with one.

    gallery: its name, which is that of its schema.
    """

    conninfo: str = field(repr=False)
    gallery: str
    shown: str

    @classmethod
    def of(cls, url: str) -> Address:
        """Raises `UsageError`, which never repeats what may be a password."""
        scheme = next((each for each in SCHEMES if url.startswith(each)), None)
        if scheme is None:
            raise UsageError(f"a gallery on a server is given as {_FORM}")
        rest, _, query = url.removeprefix(scheme).partition("?")
        authority, slash, database = rest.partition("/")
        user, at, hosts = authority.rpartition("@")
        if "@" in user or "@" in database or "#" in rest:
            raise UsageError("the URL of the gallery cannot be read: write @, /, : and # in a password as %40, %2F, …")
        ports = [host.rpartition(":")[2] for host in hosts.split(",") if ":" in host and not host.endswith("]")]
        if not all(_PORT.fullmatch(port) for port in ports):
            raise UsageError(f"the URL of the gallery cannot be read: it has the form {_FORM}")
        name, others = _split(query)
        conninfo = f"postgresql://{authority}{slash}{database}"
        if others:
            conninfo += f"?{urlencode(others, quote_via=quote)}"
        known_as = user.partition(":")[0]
        asked = [f"{key}={quote(value)}" for key, value in others if key in _SHOWN]
        shown = f"postgresql://{known_as}{at}{hosts}{slash}{database}?" + "&".join([*asked, f"gallery={name}"])
        return cls(conninfo, name, shown)


def shown_address(url: str) -> str:
    """The URL of a gallery as people are told it, without a password; raises `UsageError`."""
    return Address.of(url).shown


def is_address(given: str) -> bool:
    """Whether this names a gallery on a server, rather than a folder."""
    return given.startswith(SCHEMES)


def _split(query: str) -> tuple[str, list[tuple[str, str]]]:
    """The name of the gallery, and what is libpq's."""
    try:
        asked = parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query), errors="strict")
    except ValueError:
        raise UsageError(f"the URL of the gallery cannot be read: it has the form {_FORM}") from None
    names = [value for key, value in asked if key == "gallery"] or [DEFAULT_NAME]
    if len(names) > 1:
        raise UsageError("the URL names two galleries")
    if not _NAME.fullmatch(names[0]) or names[0] in _NOT_OURS:
        raise UsageError(
            f"{names[0]!a} cannot be the name of a gallery on a server: at most 63 of a-z, 0-9 and _, a letter first, "
            "and none of PostgreSQL's own names"
        )
    return names[0], [(key, value) for key, value in asked if key != "gallery"]
