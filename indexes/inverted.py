"""An inverted file in front of codes: vectors in lists around centroids, of which a search looks at the nearest ones.

FAISS keeps ids in the lists, and its id map in front of an inverted file answers with wrong ones after a removal. Here
the lists hold serial numbers that a row keeps for life; rows are found from them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from indexes.among import sought
from indexes.codes import (
    FaissFamily,
    Floats,
    Mask,
    Progress,
    Rows,
    copy_of_faiss,
    owned_copy,
    read_faiss,
    without,
    write_faiss,
)
from indexes.container import SectionReader, SectionWriter
from indexes.errors import VectorIndexError
from indexes.faiss_library import faiss

# Part of the lists that a search looks at. A photo's nearest centroids are those of its person's other photos often,
# not always: what the widest part of a gallery would add to the right identities is in docs/research/indexes.md.
PROBED = 1 / 8
_ITERATIONS = 8
_PER_LIST = 64  # vectors to find a centroid from, at most
_LEAST_PER_LIST = 16  # fewer vectors make fewer lists


class InvertedCodes:
    """Codes in an `IndexIVF` of FAISS, whose codes do not depend on the list (no residuals).

    make: the empty base of so many lists. lists: at most; there are fewer where training saw few vectors.
    """

    def __init__(
        self,
        make: Callable[[int], Any],
        lists: int,
        base: Any,
        family: FaissFamily,
        serials: Rows | None = None,
        mapped: NDArray[np.uint8] | None = None,
    ) -> None:
        self._make = make
        self._lists = lists
        self._base = base
        self._family = family
        self._serials = np.empty(0, np.int64) if serials is None else serials  # (n,), ascending: of row r
        self._mapped = mapped
        self._places: NDArray[np.int64] | None = None  # (n, 2): list and place in it; found when first needed

    @classmethod
    def restored(
        cls,
        reader: SectionReader,
        name: str,
        make: Callable[[int], Any],
        lists: int,
        is_base: Callable[[Any, int], bool],
        family: FaissFamily,
    ) -> InvertedCodes:
        content = reader.section(name)
        base = read_faiss(content)
        found = getattr(base, "nlist", 0)
        if not 1 <= found <= lists or not is_base(base, found):
            raise VectorIndexError("its contents are not what its kind and dimension say")
        serials = np.asarray(reader.array(f"{name}.serials", "<i8", (base.ntotal,)), np.int64)
        if not (np.diff(serials, prepend=-1) > 0).all():
            raise VectorIndexError("its serial numbers do not ascend")
        return cls(make, lists, _completed(base), family, serials, content)

    @property
    def is_trained(self) -> bool:
        return bool(self._base.is_trained)

    @property
    def is_precise(self) -> bool:
        return self._family.precise

    def __len__(self) -> int:
        return len(self._serials)

    def train(self, x: Floats, progress: Progress | None = None) -> None:
        library = faiss()
        lists = max(1, min(self._lists, len(x) // _LEAST_PER_LIST))
        self._base, self._mapped = self._make(lists), None
        settings = library.ClusteringParameters()
        settings.niter, settings.max_points_per_centroid, settings.min_points_per_centroid = _ITERATIONS, _PER_LIST, 1
        settings.spherical = True
        clustering = library.Clustering(x.shape[1], lists, settings)
        clustering.train(x, library.IndexFlatIP(x.shape[1]))
        centroids = library.vector_to_array(clustering.centroids).reshape(lists, x.shape[1])
        quantizer = library.downcast_index(self._base.quantizer)
        quantizer.add(centroids)
        if self._family.train is not None:
            self._family.train(self._base, x, progress)
        self._base.is_trained = True

    def emptied(self) -> InvertedCodes:
        if not self.is_trained:
            return InvertedCodes(self._make, self._lists, self._make(self._lists), self._family)
        library = faiss()
        base = self._make(self._base.nlist)
        centroids = library.downcast_index(self._base.quantizer).reconstruct_n(0, self._base.nlist)
        library.downcast_index(base.quantizer).add(centroids)
        if self._family.copy_training is not None:
            self._family.copy_training(self._base, base)
        base.is_trained = True
        return InvertedCodes(self._make, self._lists, _completed(base), self._family)

    def copy(self) -> InvertedCodes:
        base = _completed(owned_copy(self._base, self._mapped))
        return InvertedCodes(self._make, self._lists, base, self._family, self._serials.copy())

    def add(self, x: Floats) -> None:
        self._own()
        following = self._serials[-1] + 1 if len(self) else 0
        new = np.arange(following, following + len(x))
        self._base.add_with_ids(x, new)
        self._serials = np.concatenate([self._serials, new])
        self._places = None

    def remove(self, rows: Rows) -> None:
        self._own()
        self._base.remove_ids(self._serials[rows])
        self._serials = np.delete(self._serials, rows)
        self._places = None
        self._wipe_tails()

    def candidates(
        self, q: Floats, count: int, passed: Rows | None = None, allowed: Mask | None = None
    ) -> tuple[Floats, Rows]:
        if allowed is not None:
            return sought(self, self.candidates, q, count, allowed)
        if passed is not None:
            return without(self.candidates(q, min(len(self), count + len(passed))), passed, count)
        wanted = min(count, len(self))
        scores, serials = self._base.search(q, count)
        short = np.flatnonzero(serials[:, wanted - 1] < 0) if wanted else np.empty(0, np.int64)
        if short.size:  # the lists looked at hold too few: look at all
            everywhere = faiss().SearchParametersIVF(nprobe=self._base.nlist)
            scores[short], serials[short] = self._base.search(q[short], count, params=everywhere)
        found = serials >= 0
        rows = np.full(serials.shape, -1, np.int64)
        rows[found] = np.searchsorted(self._serials, serials[found])
        return scores, rows

    def coded_queries(self, q: Floats) -> Floats:
        return q

    def decode(self, rows: Rows) -> Floats:
        places = self._rows_places()[rows]
        vectors = np.empty((len(rows), self._base.d), np.float32)
        library = faiss()
        for row, (inverted_list, place) in enumerate(places.tolist()):
            self._base.reconstruct_from_offset(inverted_list, place, library.swig_ptr(vectors[row]))
        return vectors

    def reconstruct(self, rows: Rows) -> Floats:
        return self.decode(rows)

    def save(self, writer: SectionWriter, name: str) -> None:
        write_faiss(writer, name, self._base)
        writer.array(f"{name}.serials", self._serials)

    def _own(self) -> None:
        if self._mapped is not None:
            self._base = _completed(copy_of_faiss(self._mapped))
            self._serials = self._serials.copy()
            self._mapped = None

    def _rows_places(self) -> NDArray[np.int64]:
        if self._places is None:
            places = np.empty((len(self), 2), np.int64)
            for number in range(self._base.nlist):
                serials = self._list(number)
                rows = np.searchsorted(self._serials, serials)
                places[rows, 0] = number
                places[rows, 1] = np.arange(len(serials))
            self._places = places
        return self._places

    def _list(self, number: int) -> Rows:
        """Serial numbers in a list, in its order."""
        lists = self._base.invlists
        size = lists.list_size(number)
        if not size:
            return np.empty(0, np.int64)
        serials: Rows = faiss().rev_swig_ptr(lists.get_ids(number), size)
        return serials

    def _wipe_tails(self) -> None:
        """Blocks of 32 codes keep those of the removed behind a list's end, where the next ones are mixed with them."""
        library = faiss()
        lists = library.downcast_InvertedLists(self._base.invlists)
        if not isinstance(lists, library.BlockInvertedLists):
            return
        nothing = np.zeros(lists.packer.code_size, np.uint8)
        for number in range(self._base.nlist):
            held = lists.list_size(number)
            blocks = -(-held // lists.n_per_block)
            packed = library.rev_swig_ptr(lists.get_codes(number), blocks * lists.block_size)
            for place in range(held, blocks * lists.n_per_block):
                lists.packer.pack_1(nothing, place, packed.reshape(blocks, lists.block_size))


def _completed(base: Any) -> Any:
    """Give an inverted file that FAISS read what FAISS forgets, and crashes without: what decodes its codes."""
    if isinstance(base, faiss().IndexIVFPQFastScan):
        base.fine_quantizer = base.pq
    return base
