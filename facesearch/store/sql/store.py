"""The store of a gallery in SQL: its roles, opened together.

What the methods do, return and raise is told in `facesearch.store.roles.GalleryStore`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Self

from facesearch.store.published_roles import PublishedRole
from facesearch.store.records import Progress
from facesearch.store.roles import Listener
from facesearch.store.sql.audit import SqlAudit
from facesearch.store.sql.codebooks import SqlCodebooks
from facesearch.store.sql.cohort import SqlCohort
from facesearch.store.sql.corrections import SqlCorrections
from facesearch.store.sql.groups import SqlGroups
from facesearch.store.sql.identities import SqlIdentities
from facesearch.store.sql.index_state import SqlIndexState
from facesearch.store.sql.moment import SqlMoment
from facesearch.store.sql.negatives import SqlNegatives
from facesearch.store.sql.recoding import SqlRecoding
from facesearch.store.sql.settings import SqlSettings
from facesearch.store.sql.suspicions import SqlSuspicions
from facesearch.store.sql.templates import SqlTemplates
from facesearch.store.sql.thinning import SqlThinning
from facesearch.store.sql.transactions import Transactions
from facesearch.store.sql.unknown import SqlUnknown
from facesearch.store.vector_roles import VectorsRole


class SqlStore(ABC):
    """A `GalleryStore` on one database. Subclasses do what concerns the whole of it.

    kind: of database, in a word. on_server: other machines may use it, and this one's index files are its own.
    outlived: the server is no longer the one that the store was opened on; it has to be opened anew.
    """

    kind: ClassVar[str]
    on_server: ClassVar[bool]
    outlived = False

    def __init__(self, transactions: Transactions) -> None:
        self.transactions = transactions
        self.settings = SqlSettings(transactions)
        self.identities = SqlIdentities(transactions)
        self.groups = SqlGroups(transactions)
        self.templates = SqlTemplates(transactions)
        self.corrections = SqlCorrections(transactions)
        self.suspicions = SqlSuspicions(transactions)
        self.negatives = SqlNegatives(transactions)
        self.thinning = SqlThinning(transactions)
        self.unknown = SqlUnknown(transactions)
        self.recoding = SqlRecoding(transactions)
        self.codebooks = SqlCodebooks(transactions)
        self.cohort = SqlCohort(transactions)
        self.index_state = SqlIndexState(transactions)
        self.audit = SqlAudit(transactions)
        self.vectors: VectorsRole | None = None
        self.published: PublishedRole | None = None

    @property
    def read_only(self) -> bool:
        """Whether nothing may be written."""
        return self.transactions.read_only

    @property
    def known(self) -> dict[str, Any]:
        """What is needed to open the store while its server is away, for JSON; nothing without a server."""
        return {}

    def listener(self) -> Listener | None:
        return None

    @contextmanager
    def moment(self) -> Iterator[SqlMoment]:
        with self.transactions.reading() as connection:
            yield SqlMoment(connection)

    @abstractmethod
    def known_as(self) -> str: ...

    def ping(self) -> None:
        """Make sure of a connection; a new one tells whether the server is the one that the store was opened on
        (`outlived`). Raises `StoreError`."""
        with self.transactions.outside(object):
            pass

    def incarnation(self) -> str:
        return self.known_as()

    @abstractmethod
    def checkpoint(self) -> bool: ...

    @abstractmethod
    def wipe(self, traces: Collection[bytes]) -> bool: ...

    @abstractmethod
    def vacuum(self) -> bool: ...

    @abstractmethod
    def snapshot(self, target: Path, progress: Progress) -> None: ...

    @abstractmethod
    def integrity_check(self) -> list[str]: ...

    @abstractmethod
    def database_bytes(self) -> int: ...

    @abstractmethod
    def bytes_when_empty(self) -> int:
        """About what a database takes that holds nobody."""

    def close(self) -> None:
        self.transactions.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
