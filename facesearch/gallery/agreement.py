"""What a gallery is fixed to, what of that may be asked for later, and whether its threshold still holds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from facesearch.codecs.gallery_codecs import GalleryCodecs, originals_kept, plain_codec
from facesearch.encoders import DEFAULT_MODEL, Encoder, EncoderSpec, find_model
from facesearch.errors import EncoderMismatchError, UsageError
from facesearch.gallery.scoring import Rule
from facesearch.pipeline.pipeline_spec import PipelineSpec
from facesearch.store import EncoderKey, GallerySettings
from facesearch.store.records import Calibration
from facesearch.text.figures import counted
from indexes import VectorIndexError, parse_kind

DEFAULT_INDEX_KIND = "flat"
_OUTGROWN = 1.5  # times the calibrated FPIR that a gallery may come to before it is worth a warning


@dataclass(frozen=True, slots=True)
class NewGallery:
    """What a gallery that holds nobody yet is to be fixed to.

    keep: what to keep of templates beside the codes of the kind, see `facesearch.codecs.gallery_codecs`.
    """

    model: str
    dimension: int
    kind: str
    keep: str | None

    @classmethod
    def asked(cls, encoder: str | Encoder | None, index: str | None, keep: str | None) -> NewGallery:
        """Raises `UsageError` for an encoder, a kind of index or a codec that there is not."""
        spec, dimension = encoder_asked(encoder)
        kind = index or DEFAULT_INDEX_KIND
        check_kind(kind, dimension)
        plain_codec(kind, keep)
        return cls(spec.model, dimension, kind, keep)

    def settings(self, codecs: GalleryCodecs) -> GallerySettings:
        """The settings of the gallery once the first template comes."""
        codec = codecs.started(self.model, self.dimension, self.kind, self.keep)
        return GallerySettings(self.model, self.dimension, codec, self.kind, score=Rule.asked(self.model, None).score)


def encoder_asked(encoder: str | Encoder | None) -> tuple[EncoderSpec, int]:
    """Name and dimension; raises `UnknownEncoderError` for a name that is not in the catalog."""
    if encoder is not None and not isinstance(encoder, str):
        return encoder.spec, encoder.dimension
    spec = EncoderSpec.parse(encoder or DEFAULT_MODEL)
    model = find_model(spec.model)
    model.variant(spec)
    return spec, model.dimension


def check_kind(kind: str, dimension: int) -> None:
    """Raises `UsageError` for a kind of index that there is not, or that does not fit the dimension."""
    try:
        parse_kind(kind).check_dimension(dimension)
    except VectorIndexError as error:
        raise UsageError(str(error)) from error


def check_agreement(settings: GallerySettings, spec: EncoderSpec, index: str | None, keep: str | None) -> None:
    """See that what is asked of an existing gallery agrees with it; None asks for nothing.

    Raises `EncoderMismatchError`, and `UsageError` with the command that changes it.
    """
    if settings.model != spec.model:
        raise EncoderMismatchError(
            f"this gallery holds templates of {settings.model}; those of {spec.model} cannot be compared with "
            "them: use another gallery (--gallery)"
        )
    if index is not None and index != settings.index_kind:
        raise UsageError(
            f"this gallery has index {settings.index_kind}; to change it: facesearch index build --kind {index}"
        )
    if keep is not None and keep != originals_kept(settings.codec):
        raise UsageError(
            f"this gallery keeps its templates as {settings.codec}; to change it: facesearch index build "
            f"--keep-originals {keep}"
        )


def key_of(encoder: Encoder, pipeline: PipelineSpec | None = None) -> EncoderKey:
    """An encoder as templates remember it, with the pipeline that gave them, if there was one."""
    spec, digest = encoder.spec, pipeline.digest if pipeline else ""
    return EncoderKey(spec.model, spec.precision, spec.backend, encoder.fingerprint, digest)


def in_force(found: Calibration | None, settings: GallerySettings | None) -> Calibration | None:
    """The calibration that was kept, if the gallery's threshold is still the one that it gave."""
    if found is None or settings is None or settings.threshold is None:
        return None
    return found if np.float32(settings.threshold) == np.float32(found.threshold) else None


def outgrown(found: Calibration, templates: int) -> str | None:
    """Why a calibrated threshold no longer holds with so many templates, in words; None while it does."""
    expected = found.expected_fpir(templates)
    if templates <= found.templates or expected <= _OUTGROWN * found.fpir:
        return None
    return (
        f"the threshold was calibrated for an FPIR of {found.fpir:g} with {counted(found.templates, 'template')}; "
        f"with {templates} now, {expected:.2g} is to be expected; to calibrate again: "
        f"facesearch calibrate DIR --fpir {found.fpir:g}"
    )
