"""Faces: pixels -> detections -> aligned crops."""

from facesearch.faces.align import CROPS, Crop, CropName, find_crop
from facesearch.faces.choice import Chosen, FaceChoice, chosen_face, clear_subject, most_prominent, several
from facesearch.faces.detect import DEFAULT_MIN_FACE, FaceDetector
from facesearch.faces.face import Face
from facesearch.faces.stage import QUALITY, STAGES, FaceStage, find_stage

__all__ = [
    "CROPS",
    "DEFAULT_MIN_FACE",
    "QUALITY",
    "STAGES",
    "Chosen",
    "Crop",
    "CropName",
    "Face",
    "FaceChoice",
    "FaceDetector",
    "FaceStage",
    "chosen_face",
    "clear_subject",
    "find_crop",
    "find_stage",
    "most_prominent",
    "several",
]
