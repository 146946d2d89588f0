"""Synthetic people for the demonstration and for tests: no real person is needed to try face search."""

from facesearch.workshop.sample_people.drawing import group_photo, take_photo, write_photos
from facesearch.workshop.sample_people.people import FaceModel, Person, draw_people

__all__ = ["FaceModel", "Person", "draw_people", "group_photo", "take_photo", "write_photos"]
