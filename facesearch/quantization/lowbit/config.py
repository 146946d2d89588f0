"""What a network is made low-bit with: one configuration per method, all of them for the same `quantize`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from facesearch.encoders.spec import LOW_BIT
from facesearch.errors import UsageError

Scaling = Literal["none", "fixed", "search"]
Rotation = Literal["none", "all", "search"]
Activations = Literal["static", "dynamic"]
RangeMethod = Literal["minmax", "percentile", "mse"]

FEWEST, MOST = 3, 8


@dataclass(frozen=True, slots=True)
class Distillation:
    """Distillation from the float network on crops without labels; nothing but its own output is known of a crop.

    weights: also the weights that are rounded are trained, not only what corrects them. features: how many layers are
    compared besides the embedding, each with weight `feature_loss` / features. rate:
    Adam's, relative to the size of each parameter; `correction_rate` that of low-rank branches.
    """

    steps: int = 400
    batch: int = 16
    rate: float = 2e-3
    correction_rate: float = 2e-3
    weights: bool = True
    ranges: bool = True
    features: int = 8
    feature_loss: float = 0.3


@dataclass(frozen=True, slots=True)
class Allocation:
    """Widths per layer under a budget of average bits; `identity` is λ, what identity similarity weighs.

    budget: bits of weights and of activations on average; None: those of the configuration. crops: measured on.
    """

    identity: float = 1.0
    budget: float | None = None
    fewest: int = 3
    most: int = 8
    crops: int = 24


@dataclass(frozen=True, slots=True)
class Config:
    """How to quantize. weight_bits, activation_bits: of every layer, or with `allocation` the average.

    weight_ranges, activation_ranges: how ranges are found. weight_group: numbers of a weight that share a scale, 0 for
    an output channel. activations: ranges found beforehand for a layer as a whole, or in each call for the finest rows
    that the layer allows. scaling: SmoothQuant's channel scales with α = `alpha`, or for each layer the best α tried.
    rotation: of all layers that can be rotated, or of those where it lowers the error. rank: of the branch L1·L2 from
    the SVD of the weight. adapter_rank: of the branch A·B that starts at zero.
    """

    method: str
    weight_bits: int = 4
    activation_bits: int = 4
    weight_ranges: RangeMethod = "mse"
    activation_ranges: RangeMethod = "mse"
    weight_group: int = 0
    activations: Activations = "dynamic"
    activation_group: int = 0
    scaling: Scaling = "none"
    alpha: float = 0.5
    rotation: Rotation = "none"
    rank: int = 0
    adapter_rank: int = 0
    training: Distillation | None = None
    allocation: Allocation | None = None
    seed: int = 0

    @property
    def precision(self) -> str:
        return f"w{self.weight_bits}a{self.activation_bits}"

    @property
    def scheme(self) -> str:
        """The name of the file's scheme."""
        return f"{self.precision}-{self.method}-simulated"


_TRAINED = Distillation()

METHODS: dict[str, Config] = {
    "maxmin": Config("maxmin", weight_ranges="minmax", activation_ranges="minmax", activations="static"),
    "rounding": Config("rounding"),
    "smoothquant": Config("smoothquant", scaling="fixed"),
    "rotation": Config("rotation", rotation="all"),
    "svdquant": Config("svdquant", scaling="fixed", rank=4),
    "distillation": Config(
        "distillation",
        weight_ranges="minmax",
        activation_ranges="minmax",
        activations="static",
        training=replace(_TRAINED, ranges=False, features=0),
    ),
    "quantface": Config(
        "quantface",
        scaling="search",
        rotation="search",
        rank=2,
        adapter_rank=2,
        training=_TRAINED,
        allocation=Allocation(),
    ),
}
"""maxmin: plain rounding; rounding: with the finest ranges; smoothquant, rotation, svdquant: that, and one idea more;
distillation: Boutros' QuantFace, all weights trained to the float network's embeddings; quantface: everything."""


def unknown_precision(precision: str) -> UsageError:
    """The error for a precision that nothing is quantized to."""
    return UsageError(
        f"no precision '{precision}'; there are int8, w4, and w3a3 to w8a8 (bits of weights, activations)"
    )


def choose_config(
    precision: str, method: str = "quantface", budget_bits: float | None = None, steps: int | None = None
) -> Config:
    """The configuration for a precision as "w4a4"; raises `UsageError` for what there is not.

    budget_bits: the average of activations' and weights' widths instead of those in `precision`, of a method with
    allocation. steps: of training, 0 for none.
    """
    match = LOW_BIT.fullmatch(precision)
    if match is None:
        raise unknown_precision(precision)
    if method not in METHODS:
        raise UsageError(f"no method '{method}'; there are: {', '.join(METHODS)}")
    config = replace(METHODS[method], weight_bits=int(match[1]), activation_bits=int(match[2]))
    if budget_bits is not None:
        if config.allocation is None:
            raise UsageError(f"--budget-bits goes with a method that allocates bits, {method} does not")
        if not FEWEST <= budget_bits <= MOST:
            raise UsageError(f"--budget-bits is {budget_bits:g}, but has to lie between {FEWEST} and {MOST}")
        config = replace(config, allocation=replace(config.allocation, budget=budget_bits))
    if steps is not None:
        if steps < 0:
            raise UsageError("--steps cannot be negative")
        if config.training is None and steps:
            raise UsageError(f"--steps goes with a method that trains, {method} does not")
        config = replace(config, training=replace(config.training, steps=steps) if config.training and steps else None)
    return config
