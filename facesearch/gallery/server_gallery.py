"""What a server keeps of an open gallery for those who ask: vectors to search in the database."""

from __future__ import annotations

from facesearch.errors import UsageError
from facesearch.gallery.exchanging import ExchangingGallery
from facesearch.store import IN_A_FOLDER, VectorsInfo


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
