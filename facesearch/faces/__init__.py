"""Faces: pixels -> detections -> aligned crops."""

from facesearch.faces.align import CROPS, Crop, CropName, find_crop
from facesearch.faces.choice import clear_subject, most_prominent
from facesearch.faces.detect import DEFAULT_MIN_FACE, FaceDetector
from facesearch.faces.face import Face

__all__ = [
    "CROPS",
    "DEFAULT_MIN_FACE",
    "Crop",
    "CropName",
    "Face",
    "FaceDetector",
    "clear_subject",
    "find_crop",
    "most_prominent",
]
