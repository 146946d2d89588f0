"""All models by name: the catalog's and those that the user imported, with the files there are on this machine."""

from __future__ import annotations

import difflib
import logging
from dataclasses import dataclass, replace

from facesearch.assets import manifest as asset_manifest
from facesearch.assets import read_asset
from facesearch.encoders.catalog import CATALOG, Model, Variant
from facesearch.encoders.manifest import Manifest, is_model_name, variants_of
from facesearch.encoders.spec import EncoderSpec
from facesearch.encoders.storage import read_file, read_manifest, stored_names
from facesearch.errors import UnknownEncoderError, WeightsError

_log = logging.getLogger("facesearch")


@dataclass(frozen=True, slots=True)
class VariantInfo:
    """A variant on this machine. sha256: of the weights' file; fingerprint: of all that shapes templates."""

    spec: EncoderSpec
    installed: bool
    size_bytes: int
    sha256: str
    fingerprint: str
    scheme: str = "fp32"


def find_model(name: str) -> Model:
    """The model of that name; raises `UnknownEncoderError` naming the nearest, or all, `WeightsError` if damaged."""
    known = {model.name: model for model in CATALOG}
    stored = read_manifest(name) if is_model_name(name) else None
    if stored is not None:
        return _merged(known.get(name), stored)
    if name in known:
        return known[name]
    names = sorted({*known, *stored_names()}, key=lambda each: (each not in known, each))
    near = difflib.get_close_matches(name, names, n=1)
    hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(names)}"
    raise UnknownEncoderError(f"no model named '{name}'; {hint}")


def models() -> list[Model]:
    """Every model: the catalog's, installed or not, then the user's own. Damaged ones are left out with a warning."""
    known = [model.name for model in CATALOG]
    found = []
    for name in [*known, *(name for name in stored_names() if name not in known)]:
        try:
            found.append(find_model(name))
        except WeightsError as error:
            _log.warning("%s", error)
            found += [model for model in CATALOG if model.name == name]
    return found


def variants(model: Model) -> list[VariantInfo]:
    """What can be run of a model."""
    rows = []
    for variant in model.variants:
        spec = EncoderSpec(model.name, variant.precision, variant.backend)
        held = variant.file or asset_manifest()[variant.asset]
        scheme = variant.file.scheme if variant.file else "fp32"
        rows.append(VariantInfo(spec, True, held.size_bytes, held.sha256, model.fingerprint(variant), scheme))
    return rows


def read_variant(variant: Variant) -> bytes:
    """The bytes of a variant's file; raises `WeightsError` if it is missing or damaged (SHA-256)."""
    return read_asset(variant.asset) if variant.file is None else read_file(variant.file)


def _merged(entry: Model | None, stored: Manifest) -> Model:
    """A model in the model folder. Of one in the catalog, the catalog says what it is and the folder what there is."""
    model = stored.model
    found = variants_of(stored.files)
    if entry is None:
        return replace(model, variants=found)
    for fact in ("family", "crop", "crop_size", "normalisation", "dimension"):
        if getattr(entry, fact) != getattr(model, fact):
            raise WeightsError(
                f"model {model.name} was imported with {fact} {getattr(model, fact)}, but is {getattr(entry, fact)}: "
                f"facesearch encoders pull {model.name} --force"
            )
    taken = {(variant.precision, variant.backend) for variant in found}
    kept = tuple(each for each in entry.variants if (each.precision, each.backend) not in taken)
    return replace(entry, variants=kept + found, parameters=model.parameters)
