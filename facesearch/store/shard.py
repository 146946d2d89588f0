"""Which part of a gallery's people a shard has."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self

from facesearch.errors import UsageError

MOST_SHARDS = 4096
SPREAD = 2_654_435_761  # odd, and 2³² divided by the golden ratio: numbers in a row fall far from each other
IDS, HASHES = 2**31, 2**32

_WRITTEN = re.compile(r"([0-9]{1,9})/([0-9]{1,9})")


@dataclass(frozen=True, slots=True)
class Shard:
    """Shard `number` of `count`: the templates of the identities whose ids have a hash that falls to it.

    The hash of an id is (id mod 2³¹) · 2654435761 mod 2³², and it falls to shard ⌊hash · count / 2³²⌋ + 1 (Fibonacci
    hashing: Knuth, The Art of Computer Programming 3, 6.4). This depends on nothing else and stays as it is. With twice
    as many shards, each is cut in two, 2 · number − 1 and 2 · number.
    """

    number: int
    count: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `2/4`; raises `UsageError`."""
        match = _WRITTEN.fullmatch(text)
        number, count = map(int, match.groups()) if match else (0, 0)
        if not 1 <= number <= count <= MOST_SHARDS:
            raise UsageError(f"{text!r} is no shard: give its number and how many there are, as in 2/4")
        return cls(number, count)

    def has(self, identity_id: int) -> bool:
        """Whether the templates of an identity are in it."""
        return identity_id % IDS * SPREAD % HASHES * self.count // HASHES == self.number - 1

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"
