"""Writes docs/images/report.png: the report of an evaluation of people who do not exist, as the README shows it.

`python -m scripts.report_picture` draws the people, quantizes the embedded encoder, evaluates both under three
protocols, writes the page, and photographs it in Chromium. Some minutes; the folder given keeps what was made, so
that a second run only photographs.
"""

from __future__ import annotations

import argparse
import io
import os
import subprocess
import sys
from pathlib import Path

from PIL import Image

from facesearch.workshop.sample_people import draw_people, write_photos
from scripts.chromium import find_chromium, open_page

ROOT = Path(__file__).parents[1]
PICTURE = ROOT / "docs" / "images" / "report.png"

PEOPLE, PHOTOS = 400, 3
SIDE = 128  # px: small, blurred photos, so that there is something to get wrong
PROTOCOLS = ("leave-one-out", "open-set", "gallery-probe")
ENCODERS = ("dlib-resnet:fp32@onnx", "dlib-resnet:int8@onnx")
KINDS = ("flat", "sq8", "sq6", "sq4", "pca64,sq4", "pca32,sq4")
WINDOW = (1280, 1640)  # CSS pixels


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--folder", type=Path, default=Path("report-picture"), help="where people and runs are kept")
    folder = parser.parse_args().folder.resolve()
    chromium = find_chromium()
    if chromium is None:
        sys.exit("no Chromium: install it, or set FACESEARCH_CHROMIUM")
    page = folder / "report.html"
    if not page.exists():
        _measure(folder, page)
    with open_page(chromium) as browser:
        browser.view(width=WINDOW[0], height=WINDOW[1], dark=False)
        browser.open(page)
        picture = Image.open(io.BytesIO(browser.screenshot())).convert("RGB")
    PICTURE.parent.mkdir(parents=True, exist_ok=True)
    picture.quantize(128, dither=Image.Dither.NONE).save(PICTURE, optimize=True)
    print(f"{PICTURE.relative_to(ROOT)}: {PICTURE.stat().st_size:,} bytes")


def _measure(folder: Path, page: Path) -> None:
    photos = folder / "drawn-people"
    if not photos.exists():
        people = draw_people(PEOPLE + 200)
        write_photos(folder / "other-people", people[PEOPLE:], 2, (SIDE, SIDE))
        write_photos(photos, people[:PEOPLE], PHOTOS, (SIDE, SIDE))
    _facesearch(folder, "encoders", "quantize", "dlib-resnet", "--precision", "int8", "--calibration", "other-people")
    options = ["--min-face", "24", "--codec-training", "other-people"]
    options += [word for name in ENCODERS for word in ("--encoder", name)]
    options += [word for kind in KINDS for word in ("--index", kind)]
    for protocol in PROTOCOLS:
        _facesearch(folder, "evaluate", photos.name, "--protocol", protocol, *options)
    _facesearch(folder, "report", "--all", "--html", str(page))


def _facesearch(folder: Path, *words: str) -> None:
    """The program as a user runs it, in the folder, with models and runs of its own."""
    environment = {**os.environ, "FACESEARCH_HOME": str(folder / "home"), "PYTHONPATH": str(ROOT)}
    print("$ facesearch", *words, flush=True)
    subprocess.run([sys.executable, "-m", "facesearch", *words], cwd=folder, env=environment, check=True)


if __name__ == "__main__":
    main()
