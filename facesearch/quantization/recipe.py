"""How a model is made INT8: recipes by name, and the one that measurements favour for each family and backend.

Figures are in benchmarks/results/int8_recipes.json, written by `python -m benchmarks.int8_recipes`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from facesearch.errors import UsageError

Method = Literal["static", "dynamic", "balanced", "equalised", "weights", "nncf"]
CalibrationMethod = Literal["minmax", "percentile", "entropy", "error"]


@dataclass(frozen=True, slots=True)
class Recipe:
    """One way to quantize.

    method:
        static    ranges of activations from calibration, in every operator of `op_types` (ONNX Runtime)
        dynamic   ranges of activations measured anew in every call (ONNX Runtime)
        balanced  the inputs of linear layers from calibration; of all other layers only the weights, widened at load
        equalised dense convolutions in integers once their channels are equalised; of other layers only the weights
        weights   the weights of all layers, widened at load; arithmetic stays float
        nncf      OpenVINO's quantizer
    op_types: empty is all that the method knows. per_channel: a scale for each output channel of the weights.
    activations: the type of activations; weights are always int8. calibration, percentile: how a range is found.
    smooth: the α of SmoothQuant or of equalisation, None for none. keep_float: how many of the layers that suffer most
    keep float activations (balanced, equalised; of those that alone cost any similarity worth speaking of) or stay
    float (static); their weights are INT8 still where the method is not static.
    """

    name: str
    method: Method
    scheme: str
    op_types: tuple[str, ...] = ()
    per_channel: bool = True
    activations: Literal["uint8", "int8"] = "uint8"
    calibration: CalibrationMethod = "minmax"
    percentile: float = 99.99
    smooth: float | None = None
    keep_float: int = 0


_LINEAR = ("MatMul", "Gemm")

PAPER = Recipe("paper", "static", "int8-paper", per_channel=False, activations="int8")
"""Monteiro, Raphaloski, Matsubara, SBAC-PAD 2025 Workshops: `quantize_static` with its defaults, per tensor, MinMax, in
every operator, those inside softmax and layer normalisation included."""

STATIC = Recipe("static", "static", "int8-qdq-u8s8-perchannel", ("Conv", *_LINEAR))
DYNAMIC = Recipe("dynamic", "dynamic", "int8-dynamic-perchannel", _LINEAR)
BALANCED = Recipe("balanced", "balanced", "int8-qdq-u8s8-smooth", _LINEAR, smooth=0.5, keep_float=8)
EQUALISED = Recipe(
    "equalised", "equalised", "int8-qdq-u8s8-equalised", ("Conv",), calibration="error", smooth=0.7, keep_float=8
)
WEIGHTS = Recipe("weights", "weights", "int8-weights", ("Conv", *_LINEAR))
NNCF = Recipe("nncf", "nncf", "int8-nncf-mixed")
NNCF_TRANSFORMER = Recipe("nncf", "nncf", "int8-nncf-smoothquant", smooth=0.5)

NEAR = 0.99
"""Mean cosine to FP32, on crops that nothing was calibrated with, from which a recipe is near enough."""

RECIPES: tuple[str, ...] = ("balanced", "static", "equalised", "weights", "dynamic", "paper", "nncf")
"""What --recipe takes."""

_ATTENTION = ("edgeface", "transface")  # families whose linear layers are those of a transformer
_BY_NAME = {recipe.name: recipe for recipe in (PAPER, STATIC, DYNAMIC, BALANCED, EQUALISED, WEIGHTS)}


@dataclass(frozen=True, slots=True)
class Overrides:
    """What a user wants otherwise than the table has it; None leaves it."""

    recipe: str | None = None
    percentile: float | None = None
    smooth: float | None = None
    keep_float: int | None = None


def choose_recipe(family: str, backend: str, *, attention: bool = False, overrides: Overrides | None = None) -> Recipe:
    """The recipe for a family on a backend ("onnx", "openvino"), with what the user wants otherwise.

    attention: of a model of no known family, whether its graph has any. Raises `UsageError` for what does not go
    together.
    """
    wanted = overrides or Overrides()
    transformer = attention or family.startswith(_ATTENTION)
    if wanted.recipe is None:
        recipe = BALANCED if transformer else (NNCF if backend == "openvino" else STATIC)
    elif wanted.recipe == "nncf":
        if backend != "openvino":
            raise UsageError("recipe nncf is for --backend openvino")
        recipe = NNCF_TRANSFORMER if transformer else NNCF
    elif wanted.recipe in _BY_NAME:
        recipe = _BY_NAME[wanted.recipe]
    else:
        raise UsageError(f"no recipe is named '{wanted.recipe}'; there are: {', '.join(RECIPES)}")
    return _changed(recipe, wanted)


def candidate_recipes(
    family: str, backend: str, *, attention: bool = False, overrides: Overrides | None = None
) -> tuple[Recipe, ...]:
    """What is tried, arguments as of `choose_recipe`: the recipe of the family first, then those that lose less.

    Where a user wants anything otherwise, that alone.
    """
    first = choose_recipe(family, backend, attention=attention, overrides=overrides)
    if overrides not in (None, Overrides()):
        return (first,)
    return (first, WEIGHTS) if first.method == "balanced" else (first, EQUALISED, WEIGHTS)


def _changed(recipe: Recipe, wanted: Overrides) -> Recipe:
    scheme = recipe.scheme
    if recipe.method == "weights" and wanted != Overrides(recipe=wanted.recipe):
        raise UsageError(f"recipe {recipe.name} rounds no activations: no other option goes with it")
    if wanted.percentile is not None:
        if recipe.method not in ("static", "balanced"):
            raise UsageError(f"--percentile does not go with recipe {recipe.name}")
        if not 50 < wanted.percentile <= 100:
            raise UsageError(f"--percentile is {wanted.percentile:g}, but has to lie between 50 and 100")
        recipe = replace(recipe, calibration="percentile", percentile=wanted.percentile)
        scheme += f"-p{wanted.percentile:g}"
    if wanted.smooth is not None:
        if not 0 <= wanted.smooth <= 1:
            raise UsageError(f"--smooth is {wanted.smooth:g}, but has to lie between 0 and 1")
        recipe = replace(recipe, smooth=wanted.smooth or None)
        scheme += f"-a{wanted.smooth:g}"
    if wanted.keep_float is not None:
        if wanted.keep_float < 0:
            raise UsageError("--keep-float cannot be negative")
        if recipe.method == "dynamic" and wanted.keep_float:
            raise UsageError(f"--keep-float does not go with recipe {recipe.name}")
        recipe = replace(recipe, keep_float=wanted.keep_float)
        scheme += f"-k{wanted.keep_float}"
    return replace(recipe, scheme=scheme)
