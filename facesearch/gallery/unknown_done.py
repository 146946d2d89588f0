"""What was done with unknown faces: grouped, named, deleted."""

from __future__ import annotations

from dataclasses import dataclass

from facesearch.gallery.answers import Document


@dataclass(frozen=True, slots=True)
class Grouping:
    """What `cluster` found: numbers of faces, of clusters, of clusters that are new, and of faces that are alone."""

    faces: int
    clusters: int
    new: int
    alone: int

    def document(self) -> Document:
        return {"faces": self.faces, "clusters": self.clusters, "new": self.new, "alone": self.alone}


@dataclass(frozen=True, slots=True)
class Named:
    """Unknown faces that are a person's by now. templates: their ids; left: how many were the person's already."""

    identity: str
    templates: tuple[int, ...]
    left: int
    ignored: bool = False

    def document(self) -> Document:
        return {
            "identity": self.identity,
            "templates": list(self.templates),
            "enrolled_before": self.left,
            "ignored": self.ignored,
        }


@dataclass(frozen=True, slots=True)
class InboxReceipt:
    """What `discard` did. wiped: no copy of it is left in the database. backups: when such files were made (epoch
    seconds) that may still hold the faces."""

    faces: int
    clusters: int
    images: int
    wiped: bool
    discarded_at: int
    backups: tuple[int, ...]
    on_server: bool = False

    def document(self) -> Document:
        return {
            "faces": self.faces,
            "clusters": self.clusters,
            "images": self.images,
            "database_wiped": self.wiped,
            "discarded_at": self.discarded_at,
            "backups": list(self.backups),
        }
