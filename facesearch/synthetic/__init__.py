"""Synthetic people for the demonstration and for tests: no real person is needed to try face search."""

from facesearch.synthetic.people import FaceModel, Person, draw_people
from facesearch.synthetic.photos import group_photo, take_photo, write_photos

__all__ = ["FaceModel", "Person", "draw_people", "group_photo", "take_photo", "write_photos"]
