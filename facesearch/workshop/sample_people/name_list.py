"""Names for people who do not exist."""

from __future__ import annotations

import numpy as np

_FIRST = """
Ada Alma Amos Anouk Basil Bela Bruno Cato Clara Cleo Dario Della Doris Edda Elio Emil Enid Ezra Faye Felix
Flora Gala Goran Greta Hana Hugo Ida Igor Imre Ines Ivo Jana Joel Juno Kato Kira Lara Leif Lena Levi
Lior Lotte Luca Mara Milo Mina Nadia Nils Noor Odin Olga Oona Orla Otis Petra Pia Quinn Rafa Rhea Rosa
Rufus Selma Silas Sven Tara Theo Tilda Ugo Una Vera Viggo Wanda Willa Xenia Yara Yuri Zelda Zeno
"""
_LAST = """
Alder Ash Aspen Bay Birch Bramble Briar Cedar Clover Cypress Dogwood Elder Elm Fern Fir Gorse Hawthorn Hazel
Heather Holly Hornbeam Ivy Juniper Larch Laurel Lime Linden Maple Medlar Moss Myrtle Nettle Oak Olive Osier
Pine Plane Poplar Quince Reed Rowan Rush Sage Sedge Sorrel Spruce Sumac Tansy Teasel Thorn Thyme Vetch
Walnut Willow Yarrow Yew
"""


def names(count: int, seed: int) -> list[str]:
    """`count` different names, such as "Ada Alder", the same for the same seed and a prefix of any longer list."""
    first, last = _FIRST.split(), _LAST.split()
    pairs = len(first) * len(last)
    if count > pairs:
        raise ValueError(f"there are {pairs} names, not {count}")
    order = np.random.default_rng(np.random.SeedSequence([seed, 1])).permutation(pairs)[:count]
    return [f"{first[pair // len(last)]} {last[pair % len(last)]}" for pair in order]
