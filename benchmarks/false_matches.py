"""False match rates in total and by groups of people, at the default thresholds, by cosine and by normalised scores.

    python -m benchmarks.false_matches UTKFACE_FOLDER PORTRAITS_FOLDER [--encoder MODEL] …

What `facesearch evaluate FOLDER --layout photos --protocol false-match` measures. UTKFace's file names say age, sex and
origin as its authors estimated them; every photo counts as another person, and those that are of one person are false
matches here. Writes benchmarks/results/false_matches.json.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks.common import measured
from benchmarks.photos import PRODUCT
from facesearch.evaluation.json_documents import to_document
from facesearch.evaluation.matrix import Request, evaluate

ENCODERS = ("mobilefacenet", "dlib-resnet", "edgeface-xs")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("utkface", type=Path)
    parser.add_argument("portraits", type=Path)
    parser.add_argument("--encoder", action="append", help="repeatable; default: " + ", ".join(ENCODERS))
    arguments = parser.parse_args()
    encoders = tuple(arguments.encoder or ENCODERS)
    rows = []
    for name, folder in (("utkface", arguments.utkface), ("portraits", arguments.portraits)):
        run = evaluate(Request(folder, encoders, ("flat",), "false-match", "photos"))
        rows += [
            {"data": name, "encoder": row.encoder, "photos": row.gallery_size, "groups": to_document(row.groups)}
            for row in run.rows
        ]
    command = "python -m benchmarks.false_matches utkface/unlabelled portraits/photos"
    measured(
        "false_matches", rows, command + "".join(f" --encoder {name}" for name in arguments.encoder or ()), PRODUCT
    )
    print(rows)


if __name__ == "__main__":
    main()
