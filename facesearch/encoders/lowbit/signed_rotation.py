"""Randomised Hadamard rotations of any width.

A rotation of n = 2^k · m channels (m odd) is H = D · (H_2^k ⊗ C_m): D the signs, H_2^k the Hadamard matrix of Sylvester
divided by √2^k, and for the odd rest C_m, the orthonormal cosine transform (DCT-II), which has an orthogonal matrix of
every size where Hadamard's do not exist. Its entries are at most √(2/m), so that every channel still gets a share of
all others of nearly equal size. Both factors are applied one after the other: n · (k + m) additions or products for a
row instead of n².

The random signs and their use before quantization: Tseng et al., "QuIP#", ICML 2024; Ashkboos et al., "QuaRot",
NeurIPS 2024.
"""

from __future__ import annotations

import math

import torch


def random_signs(width: int, seed: int) -> torch.Tensor:
    """(width,) float32 of +1 and -1."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 2, (width,), generator=generator).to(torch.float32) * 2 - 1


def factors(width: int) -> tuple[int, int]:
    """The power of two, and the odd rest, whose product is `width`."""
    power = width & -width
    return power, width // power


def rotate(rows: torch.Tensor, signs: torch.Tensor) -> torch.Tensor:
    """rows (…, n) times H, for signs (n,): lengths and inner products stay what they were."""
    width = len(signs)  # a number, where the exporter's rows.shape[-1] is none
    power, rest = factors(width)
    turned = (rows * signs).reshape(*rows.shape[:-1], power, rest)
    if rest > 1:
        turned = turned @ _cosines(rest).to(rows)
    step = 1
    while step < power:  # Sylvester: sums and differences of halves
        halves = turned.reshape(*rows.shape[:-1], power // (2 * step), 2, step * rest)
        first, second = halves.unbind(dim=-2)
        turned = torch.stack([first + second, first - second], dim=-2)
        step *= 2
    return turned.reshape(rows.shape) / math.sqrt(power)


def matrix(signs: torch.Tensor) -> torch.Tensor:
    """H (n, n) itself: `rows @ matrix(signs)` is `rotate(rows, signs)`."""
    return rotate(torch.eye(len(signs)), signs)


def operations(width: int) -> int:
    """Additions or multiply-adds to rotate one row."""
    power, rest = factors(width)
    return width * (int(math.log2(power)) + (rest if rest > 1 else 0))


def _cosines(size: int) -> torch.Tensor:
    place = torch.arange(size, dtype=torch.float64)
    waves = torch.cos(math.pi / size * (place[:, None] + 0.5) * place[None, :]) * math.sqrt(2 / size)
    waves[:, 0] *= math.sqrt(0.5)
    return waves.to(torch.float32)
