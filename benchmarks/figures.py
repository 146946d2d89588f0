"""Write the tables of README.md and docs/ from the results beside this file.

    python -m benchmarks.figures            # write them
    python -m benchmarks.figures --check    # only say which documents differ from the results; status 1 if any does

A table stands between `<!-- figures NAME: … -->` and `<!-- /figures -->`; NAME is one of `TABLES`. A test fails when a
document and the results differ. The charts in docs/images are drawn from the same results.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from pathlib import Path

from benchmarks import (
    figures_clustering,
    figures_clusters,
    figures_compact,
    figures_copying,
    figures_dask,
    figures_database,
    figures_evaluation,
    figures_faults,
    figures_hygiene,
    figures_indexes,
    figures_int8,
    figures_low_bit,
    figures_membership,
    figures_overview,
    figures_scores,
    figures_sharding,
    figures_sharing,
    figures_thinning,
)

ROOT = Path(__file__).parents[1]
IMAGES = ROOT / "docs" / "images"
DOCUMENTS = (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
TABLES: dict[str, Callable[[], str]] = {
    "overview": figures_overview.overview,
    "ready-templates": figures_overview.ready_templates,
    "cluster-enrolment": figures_dask.enrolment,
    "database-search": figures_database.search,
    "database-cost": figures_database.cost,
    "two-servers": figures_database.two_servers,
    "postgresql-published": figures_database.published,
    "postgresql-faults": figures_faults.kinds,
    "postgresql-faults-commands": figures_faults.commands,
    "postgresql-faults-several": figures_faults.several,
    "clustering-lfw": figures_clustering.lfw,
    "clustering-noise": figures_clustering.noise,
    "clustering-grown": figures_clustering.grown,
    "clustering-photos": figures_clustering.photos,
    "clustering-growing": figures_clustering.growing,
    "cluster-folder": figures_clusters.folder,
    "cluster-folder-cost": figures_clusters.cost,
    "compact-loss": figures_compact.loss,
    "compact-others": figures_compact.others,
    "compact-whole": figures_compact.whole,
    "copying": figures_copying.copying,
    "hygiene-alike": figures_hygiene.alike,
    "hygiene-discard": figures_hygiene.discard,
    "hygiene-negatives": figures_hygiene.negatives,
    "hygiene-poor": figures_hygiene.poor_photos,
    "hygiene-poisoned": figures_hygiene.poisoned,
    "hygiene-quality": figures_hygiene.quality,
    "hygiene-refused": figures_hygiene.refused,
    "hygiene-refusals": figures_hygiene.refusals,
    "hygiene-suspects": figures_hygiene.suspects,
    "hygiene-two-people": figures_hygiene.two_people,
    "hygiene-two-people-confidence": figures_hygiene.two_people_confidence,
    "hygiene-two-names": figures_hygiene.two_names,
    "hygiene-two-names-by-length": figures_hygiene.two_names_by_length,
    "hygiene-confidence": figures_hygiene.confidence,
    "hygiene-suspects-cost": figures_hygiene.suspects_cost,
    "index-kinds": figures_indexes.kinds,
    "index-million": figures_indexes.million,
    "index-scalar": figures_membership.scalar,
    "membership": figures_membership.membership,
    "index-growth": figures_indexes.growth,
    "index-groups": figures_indexes.groups,
    "int8-lfw": figures_int8.accuracy,
    "int8-recipes": figures_int8.recipes,
    "int8-recipes-mobilefacenet": figures_int8.recipes_of_mobilefacenet,
    "int8-lfw-mobilefacenet": figures_int8.accuracy_of_mobilefacenet,
    "int8-layers": figures_int8.layers,
    "int8-lfw-without-vnni": figures_int8.accuracy_without_vnni,
    "int8-speed": figures_int8.speed,
    "int8-speed-transface": figures_int8.speed_of_transface,
    "int8-speed-without-vnni": figures_int8.speed_without_vnni,
    "prelu": figures_int8.prelu,
    "low-bit-accuracy": figures_low_bit.accuracy,
    "low-bit-ablation": figures_low_bit.ablation,
    "low-bit-int8": figures_low_bit.int8,
    "low-bit-weights": figures_low_bit.weights,
    "sharding-questions": figures_sharding.questions,
    "sharding-parts": figures_sharding.parts,
    "sharding-larger": figures_sharding.larger,
    "sharing-soak": figures_sharing.soak,
    "sharing-changes": figures_sharing.changes,
    "sharing-crowds": figures_sharing.crowds,
    "sharing-latency": figures_sharing.latency,
    "sharing-threads": figures_sharing.threads,
    "template-codes": figures_evaluation.template_codes,
    "lfw-data": figures_evaluation.data,
    "lfw-leave-one-out": figures_evaluation.identification,
    "lfw-gallery-probe": figures_evaluation.closed_set,
    "lfw-open-set": figures_evaluation.open_set,
    "lfw-pairs": figures_evaluation.pairs,
    "lfw-cross-precision": figures_evaluation.cross_precision,
    "paper": figures_evaluation.paper,
    "scores-by-age": figures_scores.by_age,
    "scores-by-group": figures_scores.by_group,
    "scores-children": figures_scores.of_children,
    "scores-families": figures_scores.of_families,
    "scores-cost": figures_scores.cost,
    "encoders": figures_scores.encoders,
    "scores-lfw": figures_scores.on_lfw,
    "thinning-drawn": figures_thinning.drawn,
    "thinning-methods": figures_thinning.methods,
    "thinning-thinned": figures_thinning.thinned,
    "thinning-rules": figures_thinning.rules,
    "thinning-gallery": figures_thinning.gallery,
    "thresholds-mobilefacenet": figures_evaluation.default_thresholds,
    "thresholds-edgeface-xs": figures_evaluation.edgeface_xs_thresholds,
    "thresholds-edgeface-xxs": figures_evaluation.edgeface_xxs_thresholds,
}

CHARTS: dict[Path, Callable[[], str]] = {
    IMAGES / "index-growth.svg": figures_indexes.chart,
    IMAGES / "low-bit-budget.svg": figures_low_bit.chart,
}

_BLOCK = re.compile(r"(<!-- figures (\S+): [^>]*-->\n).*?(<!-- /figures -->)", re.DOTALL)


def filled(text: str) -> str:
    """A document with its tables up to date."""
    return _BLOCK.sub(lambda match: match[1] + TABLES[match[2]]() + match[3], text)


def outdated() -> dict[Path, str]:
    """Documents and charts that differ from the results, with the text that they should have."""
    texts = {path: filled(path.read_text(encoding="utf-8")) for path in DOCUMENTS}
    texts |= {path: chart() for path, chart in CHARTS.items()}
    return {path: text for path, text in texts.items() if not path.exists() or path.read_text(encoding="utf-8") != text}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; status 1 if a document is out of date")
    check = parser.parse_args().check
    differing = outdated()
    for path, text in differing.items():
        print(path.relative_to(ROOT))
        if not check:
            path.write_text(text, encoding="utf-8")
    raise SystemExit(bool(check and differing))


if __name__ == "__main__":
    main()
