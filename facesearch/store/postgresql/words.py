"""Failures of PostgreSQL in plain words. What a server says may hold values of rows; only what is safe is repeated."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from sqlalchemy.exc import DBAPIError, MultipleResultsFound, NoResultFound

from facesearch.errors import DiskFullError, StoreBusyError, StoreError, StoreUnreachableError, UsageError

_DAMAGED = {"XX001", "XX002", "22P03"}
_BUSY = {"55P03", "40001", "40P01"}
_FULL = {"53100"}
_GONE = {"57P01", "57P02", "57P03", "57P05"}
_UNUSABLE_TEXT = {"22021", "22P05"}
_NO_ROOM = ("too many clients", "remaining connection slots", "too many connections for")
_NOT_YET = ("starting up", "shutting down", "recovery", "accepting connections", "terminating connection")
_NO_PASSWORD = ("password authentication failed", "no password supplied", "authentication failed")


@contextmanager
def in_plain_words(where: str) -> Iterator[None]:
    """Turn failures of the database into errors for the user; `where` names the gallery."""
    try:
        yield
    except DBAPIError as error:
        raise _plain(error.orig, where) from None
    except psycopg.Error as error:
        raise _plain(error, where) from None
    except (MultipleResultsFound, NoResultFound):
        raise StoreError(f"{where} is damaged; restore it from a backup") from None
    except UnicodeEncodeError as error:  # bytes of a file name or an argument that are not UTF-8
        raise UsageError(f"{error.object!a} is not valid text") from None
    except UnicodeDecodeError:
        raise StoreError(f"{where} is damaged; restore it from a backup") from None


def _plain(error: BaseException | None, where: str) -> StoreError | UsageError:
    state = getattr(error, "sqlstate", None) or ""
    said = getattr(getattr(error, "diag", None), "message_primary", None) or _first_line(str(error))
    if state in _BUSY:
        return StoreBusyError(f"another process is writing to {where}; try again when it has finished")
    if state in _FULL:
        return DiskFullError(f"the disk of the server is full; nothing was changed in {where}")
    if state == "42501":
        return StoreError(f"no permission for this in {where} ({said})")
    if state == "25006":
        return StoreError(f"{where} cannot be written: the server takes no changes ({said})")
    if state in _DAMAGED:
        return StoreError(f"{where} is damaged; restore it from a backup")
    if state in _UNUSABLE_TEXT or "NUL (0x00)" in said:
        return UsageError("text with a NUL character cannot be kept or looked up")
    if state == "54000":
        return UsageError("this text is too long for a name or a tag")
    if state == "53300":
        return StoreBusyError(f"the server of {where} has no connection left; try again later")
    if state in _GONE or state.startswith("08"):
        return StoreUnreachableError(f"the server of {where} went away; the change that was under way was not made")
    if not state and isinstance(error, psycopg.OperationalError):
        return _unreachable(said, where)
    if state in {"42P01", "3F000", "42703"}:
        return StoreError(f"{where} is damaged: a table is missing; restore it from a backup")
    return StoreError(f"{where} cannot be used ({said})")


def _unreachable(said: str, where: str) -> StoreError:
    if any(sign in said for sign in _NO_ROOM):
        return StoreBusyError(f"the server of {where} has no connection left; try again later")
    reason = re.sub(r".*(FATAL|failed|ERROR):\s*", "", said)
    if any(sign in said for sign in _NO_PASSWORD) or re.search(r'role ".*" does not exist', said):
        return StoreError(f"the server of {where} does not let this user in ({reason})")
    if re.search(r'database ".*" does not exist', said):
        return StoreError(f"{where} cannot be opened: {reason}; create it with createdb")
    if "FATAL:" in said and not any(sign in said for sign in _NOT_YET):  # it is there, and refuses
        return StoreError(f"the server of {where} does not let this user in ({reason})")
    if "closed the connection" in said or "connection is closed" in said or "connection is lost" in said:
        return StoreUnreachableError(f"the server of {where} went away; the change that was under way was not made")
    return StoreUnreachableError(f"the server of {where} cannot be reached ({reason})")


def _first_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[0] if lines else "no reason given"
