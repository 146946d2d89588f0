"""What is said of faces beforehand: those that are together, those that are apart, those of one photo."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from facesearch.errors import UsageError

RowPairs = Sequence[tuple[int, int]]


class Constraints:
    """Which clusters may be joined. A cluster has the number of one of its faces, at first of each face alone."""

    def __init__(
        self, n: int, photos: Sequence[Hashable] | None = None, together: RowPairs = (), apart: RowPairs = ()
    ) -> None:
        """Of faces 0 to n − 1. photos: of each face the one it is in; together, apart: faces (a, b).

        Raises `UsageError` for faces that there are not, and for a contradiction.
        """
        if photos is not None and len(photos) != n:
            raise UsageError(f"there are {n} faces and {len(photos)} photos: give one photo for each face")
        for a, b in (*together, *apart):
            if not (0 <= a < n and 0 <= b < n):
                raise UsageError(f"faces {a} and {b} cannot be kept together or apart: there are faces 0 to {n - 1}")
        self._photos: list[set[Hashable]] | None = None if photos is None else [{photo} for photo in photos]
        self._apart: dict[int, set[int]] = {}
        for a, b in apart:
            if a == b:
                raise UsageError(f"face {a} cannot be apart from itself")
            self._apart.setdefault(a, set()).add(b)
            self._apart.setdefault(b, set()).add(a)
        self.clusters = list(range(n))  # of each face the number of its cluster
        self._faces = [[face] for face in range(n)]
        for a, b in together:
            one, other = sorted((self.clusters[a], self.clusters[b]))
            if one == other:
                continue
            if not self.allow(one, other):
                raise UsageError(
                    f"faces {a} and {b} cannot be together: what else was said puts them, or faces that are together "
                    "with them, into one photo or apart"
                )
            self.join(one, other)

    def allow(self, one: int, other: int) -> bool:
        """Whether two clusters may be joined."""
        if self._photos is not None and not self._photos[one].isdisjoint(self._photos[other]):
            return False
        return other not in self._apart.get(one, ())

    def join(self, one: int, other: int) -> None:
        """Join two clusters; the result has the number of the first one."""
        if self._photos is not None:
            self._photos[one] |= self._photos[other]
            self._photos[other] = set()
        for enemy in self._apart.pop(other, ()):
            self._apart[enemy].discard(other)
            self._apart[enemy].add(one)
            self._apart.setdefault(one, set()).add(enemy)
        for face in self._faces[other]:
            self.clusters[face] = one
        self._faces[one] += self._faces[other]
        self._faces[other] = []
