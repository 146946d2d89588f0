"""What a server keeps of an open gallery for those who ask: vectors to search in the database, and
index files that machines take from each other."""

from __future__ import annotations

from facesearch.errors import UsageError
from facesearch.gallery.exchanging import ExchangingGallery
from facesearch.gallery.index_building import Progress
from facesearch.store import IN_A_FOLDER, PublishedInfo, VectorsInfo


class ServerGallery(ExchangingGallery):
    """An open gallery, and what its server keeps for searches."""

    def vectors_info(self) -> VectorsInfo | None:
        """What the database keeps for searches in it; None where it has not been made ready for them."""
        vectors = self.parts.store.vectors
        return None if vectors is None else vectors.info()

    def drop_vectors(self) -> bool:
        """Drop what `build_index(search="database")` made; False where there is nothing of it.

        Raises `UsageError` for a gallery in a folder, `StoreError` for a user who is not the owner.
        """
        vectors = self.parts.store.vectors
        if vectors is None:
            raise UsageError(IN_A_FOLDER)
        return vectors.drop()

    def publish_index(self, progress: Progress | None = None) -> PublishedInfo:
        """Put the index files of this machine, brought up to date, into the database of a gallery on a server: machines
        that have none take them from there instead of building their own. Files that are there already stay.

        The owner of the gallery does it for the first time. progress: called with (bytes done, bytes in all). Raises
        `UsageError` for a gallery in a folder, `IndexStateError` where there are too few templates for files,
        `StoreBusyError` where another process publishes, `StoreError`.
        """
        from facesearch.gallery.publishing import publish  # a question does not wait for it

        return publish(self.parts, progress)

    def withdraw_index(self) -> bool | None:
        """Delete what is published: None where there is nothing, False where its bytes stay in pages of the server
        until `compact`, because this user does not own the tables. Raises as `publish_index` does."""
        from facesearch.gallery.publishing import withdraw  # a question does not wait for it

        return withdraw(self.parts)

    def published_info(self) -> PublishedInfo | None:
        """What is published; None where nothing is, or nothing that this user may see."""
        published = self.parts.store.published
        return None if published is None else published.info()
