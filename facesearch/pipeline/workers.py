"""Who looks at many photos."""

from __future__ import annotations

import os
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Workers:
    """Who looks at many photos: this machine, or a cluster.

    count: photos that this machine looks at at once; None: one per core. by_name: whether others may share the work,
    who load the encoder by its name. cluster: the address of a Dask scheduler, whose workers do it then.
    """

    count: int | None = None
    by_name: bool = True
    cluster: str | None = None

    @property
    def at_once(self) -> int:
        """Photos that this machine looks at at once."""
        return self.count or os.cpu_count() or 1
