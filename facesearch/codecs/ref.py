"""What names a codec."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CodecRef:
    """A codec: of a kind (`fp32`, or the codes of an index kind, as `tcq64`), and the number of its codebook, if it
    has one. Written as `fp32` or `tcq64@1`; so it stands beside every template in the store."""

    kind: str
    codebook: int | None = None

    @classmethod
    def parse(cls, text: str) -> CodecRef:
        """Read a codec's name; one that there is not is found out by who looks for it."""
        kind, at, number = text.partition("@")
        return cls(kind, int(number)) if at and number.isascii() and number.isdigit() else cls(text)

    def __str__(self) -> str:
        return self.kind if self.codebook is None else f"{self.kind}@{self.codebook}"

    @property
    def is_plain(self) -> bool:
        """Whether it stores the components themselves and needs no codebook."""
        return self.codebook is None
