"""Which recipe a model gets: the one that is usual for its family if it loses little, else what is fastest of the rest.

Nothing is known here of the model but what is measured: how near its templates on held-out crops are to FP32, and where
several recipes are near enough, how long one crop takes on this machine.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from facesearch.quantization.onnx_int8 import Progress, QuantizedModel
from facesearch.quantization.recipe import NEAR, Recipe

_FASTER = 0.95  # of the time of a recipe that loses less: what gains no more than this is not worth a loss

Quantize = Callable[[Recipe], QuantizedModel]
Times = Callable[[Sequence[bytes]], Sequence[float]]


@dataclass(frozen=True, slots=True)
class Chosen:
    """A model, the recipe that it was made by, and why that was taken: a line."""

    recipe: Recipe
    made: QuantizedModel
    reason: str


def quantize_best(
    recipes: Sequence[Recipe], quantize: Quantize, times: Times, step: Progress = lambda text: None
) -> Chosen:
    """Quantize by the first recipe, and if that loses too much, by the others, which lose less from one to the next.

    quantize: makes a model by a recipe. times: how long each of several models takes, in milliseconds. step: told what
    is done. Of several recipes that are near enough, the fastest is taken; if none is, the nearest.
    """
    first, *rest = recipes
    made = quantize(first)
    if not rest:
        return Chosen(first, made, f"recipe {first.name}: no other was to be tried")
    if made.fidelity.mean >= NEAR:
        return Chosen(first, made, f"recipe {first.name}: {_near(made)}, at least {NEAR} was asked for")
    step(f"{first.name} reaches {_near(made)} only: trying {' and '.join(each.name for each in rest)}")
    tried = [(first, made), *((recipe, quantize(recipe)) for recipe in rest)]
    enough = [each for each in tried if each[1].fidelity.mean >= NEAR]
    missed = " and ".join(f"{recipe.name} {_near(model)}" for recipe, model in tried if (recipe, model) not in enough)
    if not enough:
        recipe, made = max(tried, key=lambda each: each[1].fidelity.mean)
        return Chosen(recipe, made, f"recipe {recipe.name}: {_near(made)}, none reaches {NEAR}")
    reason = f"{missed} is too far from FP32"
    if len(enough) == 1:
        ((recipe, made),) = enough
        return Chosen(recipe, made, f"recipe {recipe.name}: {_near(made)}; {reason}")
    step("measuring which is faster here")
    return _fastest(enough, times, reason)


def _fastest(enough: Sequence[tuple[Recipe, QuantizedModel]], times: Times, reason: str) -> Chosen:
    """Of models that lose less from one to the next, the last but for those that are clearly faster."""
    spent = times([made.data for _, made in enough])
    best = len(enough) - 1
    for place in reversed(range(len(enough) - 1)):
        if spent[place] < _FASTER * spent[best]:
            best = place
    recipe, made = enough[best]
    others = ", ".join(
        f"{other.name} {_near(model)} in {spent[place]:.1f} ms"
        for place, (other, model) in enumerate(enough)
        if place != best
    )
    return Chosen(recipe, made, f"recipe {recipe.name}: {_near(made)} in {spent[best]:.1f} ms, {others}; {reason}")


def _near(made: QuantizedModel) -> str:
    return f"{made.fidelity.mean:.4f}"
