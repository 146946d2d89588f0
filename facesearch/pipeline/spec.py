"""How photos become templates, as one value that travels whole."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, replace

from facesearch.encoders import Encoder
from facesearch.faces import DEFAULT_MIN_FACE

DETECTOR = "mtcnn"
STAGES = ("quality",)


@dataclass(frozen=True, slots=True)
class PipelineSpec:
    """Everything that decides which template a photo gives.

    encoder: `model:precision@backend`, with the `fingerprint` (SHA-256, hex) of its weights. crop: what it is given.
    min_face: side in pixels of the smallest face that is looked for. stages: what is measured on each face, in order.
    """

    encoder: str
    fingerprint: str
    crop: str
    detector: str = DETECTOR
    min_face: int = DEFAULT_MIN_FACE
    stages: tuple[str, ...] = STAGES

    @classmethod
    def of(cls, encoder: Encoder, min_face: int = DEFAULT_MIN_FACE) -> PipelineSpec:
        """The pipeline that ends in this encoder."""
        return cls(str(encoder.spec), encoder.fingerprint, encoder.crop, min_face=min_face)

    def with_encoder(self, encoder: Encoder) -> PipelineSpec:
        """The same pipeline with another encoder at its end."""
        return replace(self, encoder=str(encoder.spec), fingerprint=encoder.fingerprint, crop=encoder.crop)

    def to_json(self) -> str:
        """Canonical JSON: the same value gives the same text."""
        return json.dumps(asdict(self), sort_keys=True, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> PipelineSpec:
        """Read `to_json`."""
        fields = json.loads(text)
        return cls(**{**fields, "stages": tuple(fields["stages"])})

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of all that it says."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()
