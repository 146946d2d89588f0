"""Where MTCNN's five landmarks lie in dlib's face chip: the constants DLIB_CHIP of facesearch/faces/align.py.

    pip install 'facesearch[test]' && python -m scripts.fit_dlib_chip FOLDER_OF_FACES

dlib aligns by its own five points (four eye corners, base of the nose); MTCNN gives other five (eye centres, tip of the
nose, corners of the mouth). On photos of faces (UTKFace, no evaluation data), every face is found by both, dlib's chip
transform is applied to MTCNN's landmarks, and the mean position of each is printed, with its spread.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import dlib
import numpy as np

from facesearch.errors import UnreadableImageError
from facesearch.faces.detect import FaceDetector
from facesearch.photos.decoding import load_image
from scripts.dlib_dat import models_folder

SIZE, PADDING = 150, 0.25


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--limit", type=int, default=2000)
    arguments = parser.parse_args()
    find = dlib.get_frontal_face_detector()
    predict = dlib.shape_predictor(str(models_folder() / "shape_predictor_5_face_landmarks.dat"))
    detector = FaceDetector()
    placed = []
    for path in sorted(arguments.folder.iterdir())[: arguments.limit]:
        try:
            image = load_image(path)
        except UnreadableImageError:
            continue
        faces, boxes = detector.detect(image), find(image, 0)
        if len(faces) != 1 or len(boxes) != 1:
            continue
        chip = dlib.get_face_chip_details(predict(image, boxes[0]), SIZE, PADDING)
        centre = np.array([chip.rect.dcenter().x, chip.rect.dcenter().y])
        cos, sin = np.cos(chip.angle), np.sin(chip.angle)
        turned = (faces[0].landmarks - centre) @ np.array([[cos, -sin], [sin, cos]])
        placed.append(turned * SIZE / chip.rect.width() + SIZE / 2)
    points = np.array(placed)  # (n, 5, 2)
    print(f"{len(points)} faces")
    print("mean", np.round(points.mean(0), 3).tolist())
    print("median", np.round(np.median(points, 0), 3).tolist())
    print("spread", np.round(points.std(0), 2).tolist())


if __name__ == "__main__":
    main()
