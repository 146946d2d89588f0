"""The role of the inbox: faces that matched nobody enrolled, their clusters, and what was said of them."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import Connection, delete, func, select, update

from facesearch.errors import OvertakenError, UsageError
from facesearch.photos.geometry import Box
from facesearch.store.records import Discarded, EncoderKey, Inbox, NewTemplate, Regrouping
from facesearch.store.sql.attributes import write_ignored
from facesearch.store.sql.audit import add_audit
from facesearch.store.sql.checksums import computed, insert_rows, next_id, require_all_sound
from facesearch.store.sql.chunks import chunks
from facesearch.store.sql.forgotten import recall
from facesearch.store.sql.identities import ids_of, known_ids
from facesearch.store.sql.keyed import keyed, looked_up, made_key
from facesearch.store.sql.models import (
    CollectedPhotoRow,
    IdentityRow,
    ImageRow,
    TemplateRow,
    UnknownClusterRow,
    UnknownFaceRow,
    UnknownPairRow,
)
from facesearch.store.sql.places import box_of, faces_at
from facesearch.store.sql.settings import encoder_id, require_codec
from facesearch.store.sql.templates import add_images, image_ids
from facesearch.store.sql.transactions import Transactions
from facesearch.store.sql.unknown_rows import (
    delete_empty_clusters,
    delete_faces,
    read_inbox,
    read_pairs,
)

_NOWHERE = (None, None, None, None)
# The columns of a face that become those of its template, in the order of both tables; also when it came: backups made
# since hold it, under whatever name.
_KEPT = ("image_id", "encoder_id", "codec", "code", "quality", "box_x", "box_y", "box_w", "box_h", "created_at")


class SqlUnknown:
    """See `facesearch.store.roles.UnknownRole`."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def collected(self, sha256s: Sequence[bytes]) -> set[bytes]:
        with self._transactions.reading() as connection:
            return _collected(connection, sha256s)

    def add(
        self, batch: Sequence[NewTemplate], photos: Sequence[bytes], encoder: EncoderKey, codec: str
    ) -> list[int | None]:
        with self._transactions.writing() as connection:
            require_codec(connection, codec)
            now = int(time.time())
            _remember(connection, photos, now)
            images = image_ids(connection, [new.sha256 for new in batch])
            by_encoder = encoder_id(connection, encoder)
            added: list[int | None] = []
            for new in batch:
                box = tuple(map(float, new.box)) if new.box else _NOWHERE
                image = images.get(new.sha256)
                if image is not None and any(faces_at(connection, kept, image, new.box) for kept in _FACES):
                    added.append(None)
                    continue
                add_images(connection, [new], images, now)
                number = next_id(connection, UnknownFaceRow)
                row = (number, None, images[new.sha256], by_encoder, codec, new.code, float(new.quality), *box, now)
                insert_rows(connection, UnknownFaceRow, [row])
                added.append(number)
            if count := len(added) - added.count(None):
                add_audit(connection, "collect", None, {"faces": count})
            return added

    def count(self) -> tuple[int, int]:
        with self._transactions.reading() as connection:
            faces, clusters = (
                connection.scalar(select(func.count()).select_from(row)) or 0
                for row in (UnknownFaceRow, UnknownClusterRow)
            )
            return faces, clusters

    def inbox(self) -> Inbox:
        with self._transactions.reading() as connection:
            return read_inbox(connection)

    def regroup(self, before: Inbox, change: Regrouping) -> list[int]:
        with self._transactions.writing() as connection:
            _require_unchanged(connection, before)
            known = {face.id: face.cluster for face in before.faces}
            numbers: list[int] = []
            for number, faces in change.groups:
                numbers.append(_new_cluster(connection) if number is None else number)
                _put(connection, [face for face in faces if known[face] != numbers[-1]], numbers[-1])
            _put(connection, [face for face in change.alone if known[face] is not None], None)
            delete_empty_clusters(connection)
            for some in chunks(change.unsaid):
                connection.execute(delete(UnknownPairRow).where(UnknownPairRow.id.in_(some)))
            first = next_id(connection, UnknownPairRow)
            rows = [(entry, a, b, int(alike)) for entry, (a, b, alike) in enumerate(change.said, start=first)]
            insert_rows(connection, UnknownPairRow, rows)
            return numbers

    def name(self, faces: Collection[int], identity: str, *, ignored: bool = False) -> list[int]:
        with self._transactions.writing() as connection:
            is_new = not known_ids(connection, [identity])
            owner = ids_of(connection, {identity})[identity]
            rows = _rows(connection, faces)
            first = next_id(connection, TemplateRow)
            new: list[tuple[Any, ...]] = []
            for number, sha256, *kept in rows:
                there = _enrolled_as(connection, kept[0], box_of(kept[5:9]))
                if there is not None and there != identity:
                    raise UsageError(f"face f{number} is enrolled as {there}: facesearch unknown discard f{number}")
                if there is None:
                    recall(connection, [(sha256, owner)])
                    new.append((first + len(new), owner, *kept))
            insert_rows(connection, TemplateRow, new)
            for some in chunks(sorted(faces)):
                connection.execute(delete(UnknownFaceRow).where(UnknownFaceRow.id.in_(some)))
            delete_empty_clusters(connection)
            add_audit(connection, "name unknown faces", owner, {"templates": len(new)})
            if ignored and is_new:
                write_ignored(connection, owner, True)
                add_audit(connection, "ignore", owner, {})
            return [row[0] for row in new]

    def discard(self, faces: Collection[int] | None = None) -> Discarded:
        with self._transactions.writing() as connection:
            gone = delete_faces(connection, faces)
            if gone.faces:
                add_audit(connection, "discard unknown faces", None, {"faces": gone.faces, "clusters": gone.clusters})
            return gone


_FACES = (UnknownFaceRow, TemplateRow)


def _collected(connection: Connection, sha256s: Sequence[bytes]) -> set[bytes]:
    return set(looked_up(connection, CollectedPhotoRow, CollectedPhotoRow.collected_at, sha256s))


def _remember(connection: Connection, photos: Sequence[bytes], now: int) -> None:
    """These photos, known by the SHA-256 of their content, were looked at."""
    known = _collected(connection, photos)
    new = [sha256 for sha256 in dict.fromkeys(photos) if sha256 not in known]
    if new:
        key, first = made_key(connection), next_id(connection, CollectedPhotoRow)
        rows = [(number, keyed(key, sha256), now) for number, sha256 in enumerate(new, start=first)]
        insert_rows(connection, CollectedPhotoRow, rows)


def _enrolled_as(connection: Connection, image_id: int, box: Box | None) -> str | None:
    """Whose template a face of an image is."""
    there = faces_at(connection, TemplateRow, image_id, box)
    named = select(IdentityRow.name).join(TemplateRow, TemplateRow.identity_id == IdentityRow.id)
    return connection.scalar(named.where(TemplateRow.id == there[0])) if there else None


def _require_unchanged(connection: Connection, before: Inbox) -> None:
    """Raise `OvertakenError` where the faces that were there are not as they were, or something else was said."""
    now = {row[0]: row[1] for row in connection.execute(select(UnknownFaceRow.id, UnknownFaceRow.cluster_id))}
    gone = any(now.get(face.id, 0) != face.cluster for face in before.faces)
    if gone or read_pairs(connection) != before.pairs:
        raise OvertakenError("another process has changed the unknown faces: try again")


def _new_cluster(connection: Connection) -> int:
    number = next_id(connection, UnknownClusterRow)
    insert_rows(connection, UnknownClusterRow, [(number, int(time.time()))])
    return number


def _put(connection: Connection, faces: Sequence[int], cluster: int | None) -> None:
    """Put faces into a cluster, or into none."""
    checksum = computed(UnknownFaceRow, cluster_id=cluster)
    for some in chunks(faces):
        theirs = UnknownFaceRow.id.in_(some)
        require_all_sound(connection, UnknownFaceRow, theirs)
        connection.execute(update(UnknownFaceRow).where(theirs).values(cluster_id=cluster, checksum=checksum))


def _rows(connection: Connection, faces: Collection[int]) -> list[Any]:
    """Id, hash of the photo, and what a template keeps of these faces, by id; raises `OvertakenError`."""
    columns = [getattr(UnknownFaceRow, name) for name in _KEPT]
    wanted = select(UnknownFaceRow.id, ImageRow.sha256, *columns).join(ImageRow, ImageRow.id == UnknownFaceRow.image_id)
    rows: list[Any] = []
    for some in chunks(sorted(faces)):
        require_all_sound(connection, UnknownFaceRow, UnknownFaceRow.id.in_(some))
        rows += connection.execute(wanted.where(UnknownFaceRow.id.in_(some)).order_by(UnknownFaceRow.id)).all()
    if len(rows) < len(set(faces)):
        raise OvertakenError("another process has taken some of these faces out of the inbox: try again")
    return rows
