"""How photos become templates, as one value that travels whole."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, replace

from facesearch.encoders import Encoder
from facesearch.faces import DEFAULT_MIN_FACE, QUALITY
from facesearch.pipeline.fit_to_enrol import Quality


@dataclass(frozen=True, slots=True)
class PipelineSpec:
    """Everything that decides which template a photo gives.

    detector: what finds faces. min_face: side in pixels of the smallest face that is looked for. stages: what is
    measured on each face, in order. quality: which faces are fit to be enrolled. crop: what the encoder is given.
    encoder: `model:precision@backend`, with the `fingerprint` (SHA-256, hex) of its weights; the last three are empty
    where the spec ends with the faces.
    """

    detector: str = "mtcnn"
    min_face: int = DEFAULT_MIN_FACE
    stages: tuple[str, ...] = (QUALITY,)
    quality: Quality = "standard"
    crop: str = ""
    encoder: str = ""
    fingerprint: str = ""

    def with_encoder(self, encoder: Encoder) -> PipelineSpec:
        """The same pipeline with this encoder at its end."""
        return replace(self, crop=encoder.crop, encoder=str(encoder.spec), fingerprint=encoder.fingerprint)

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


USUAL = PipelineSpec()
"""How faces are found where nothing else is asked for."""
