"""Statements about settings, index state, evaluation runs and the audit log, on a connection inside a transaction."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import asdict, fields

from sqlalchemy import Connection, delete, func, insert, select, update

from facesearch.errors import StoreError
from facesearch.store.records import AuditEvent, Calibration, EncoderKey, EvaluationRun, GallerySettings, IndexState
from facesearch.store.sqlite.checksums import insert_row, is_sound, next_id, refresh, require_sound
from facesearch.store.sqlite.models import Audit, Encoder, Gallery, Run, StoredCalibration, StoredIndex, Template

_CALIBRATION = tuple(field.name for field in fields(Calibration))

Detail = Mapping[str, int | float | str | None]


def settings(connection: Connection) -> GallerySettings | None:
    row = connection.execute(
        select(
            is_sound(Gallery), Gallery.model, Gallery.dimension, Gallery.codec, Gallery.index_kind, Gallery.threshold
        )
    ).one_or_none()
    if row is None:
        return None
    require_sound(Gallery, row[0], 1)
    return GallerySettings(*row[1:])


def started_at(connection: Connection) -> int | None:
    return connection.scalar(select(Gallery.created_at))


def gallery_encoder(connection: Connection) -> EncoderKey | None:
    row = connection.execute(
        select(
            Encoder.id, is_sound(Encoder), Encoder.model, Encoder.precision, Encoder.backend, Encoder.fingerprint
        ).join(Gallery, Gallery.encoder_id == Encoder.id)
    ).one_or_none()
    if row is None:
        return None
    require_sound(Encoder, row[1], row[0])
    return EncoderKey(*row[2:])


def configure(connection: Connection, wanted: GallerySettings, encoder: EncoderKey) -> GallerySettings:
    existing = settings(connection)
    if existing is not None:
        return existing
    row = {"encoder_id": encoder_id(connection, encoder), "created_at": int(time.time())}
    insert_row(connection, Gallery, {"id": 1, **asdict(wanted), **row})
    return wanted


def set_index_kind(connection: Connection, kind: str, codec: str) -> None:
    _configured(connection)
    connection.execute(update(Gallery).values(index_kind=kind, codec=codec))
    refresh(connection, Gallery, Gallery.id == 1)
    clear_index_state(connection)


def set_threshold(connection: Connection, threshold: float | None) -> None:
    _configured(connection)
    connection.execute(update(Gallery).values(threshold=threshold))
    refresh(connection, Gallery, Gallery.id == 1)


def calibration(connection: Connection) -> Calibration | None:
    row = connection.execute(select(*(getattr(StoredCalibration, name) for name in _CALIBRATION))).one_or_none()
    return None if row is None else Calibration(*row)


def set_calibration(connection: Connection, wanted: Calibration) -> None:
    set_threshold(connection, wanted.threshold)
    connection.execute(delete(StoredCalibration))
    connection.execute(insert(StoredCalibration).values(id=1, **asdict(wanted)))


def encoder_id(connection: Connection, key: EncoderKey) -> int:
    found = connection.scalar(select(Encoder.id).where(Encoder.fingerprint == key.fingerprint))
    if found is None:
        found = next_id(connection, Encoder)
        insert_row(connection, Encoder, {"id": found, **asdict(key)})
    return found


def index_state(connection: Connection) -> IndexState | None:
    """None also for a row that is damaged: what it says of the index file is not to be relied on."""
    row = connection.execute(
        select(
            StoredIndex.kind,
            StoredIndex.codec,
            StoredIndex.file_name,
            StoredIndex.sha256,
            StoredIndex.rows,
            StoredIndex.last_template_id,
            StoredIndex.last_removal_id,
            StoredIndex.size_bytes,
            StoredIndex.built_at,
        ).where(is_sound(StoredIndex))
    ).one_or_none()
    return None if row is None else IndexState(*row)


def set_index_state(connection: Connection, state: IndexState) -> bool:
    wanted = settings(connection)
    if wanted is not None and (state.kind, state.codec) != (wanted.index_kind, wanted.codec):
        return False
    stored = index_state(connection)
    if stored is not None and (
        state.last_template_id < stored.last_template_id or state.last_removal_id < stored.last_removal_id
    ):
        return False
    clear_index_state(connection)
    insert_row(connection, StoredIndex, {"id": 1, **asdict(state)})
    return True


def clear_index_state(connection: Connection) -> None:
    connection.execute(delete(StoredIndex))


def add_run(
    connection: Connection, command: str, dataset: str, dataset_sha256: str, versions: str, rows: str
) -> EvaluationRun:
    now = int(time.time())
    values = {
        "created_at": now,
        "command": command,
        "dataset": dataset,
        "dataset_sha256": dataset_sha256,
        "versions": versions,
        "rows": rows,
    }
    run_id = connection.scalars(insert(Run).returning(Run.id), values).one()
    return EvaluationRun(run_id, now, command, dataset, dataset_sha256, versions, rows)


def runs(connection: Connection) -> list[EvaluationRun]:
    rows = connection.execute(
        select(Run.id, Run.created_at, Run.command, Run.dataset, Run.dataset_sha256, Run.versions, Run.rows).order_by(
            Run.id
        )
    )
    return [EvaluationRun(*row) for row in rows]


def add_audit(connection: Connection, action: str, identity_id: int | None, detail: Detail) -> None:
    connection.execute(
        insert(Audit).values(
            at=int(time.time()),
            action=action,
            identity_id=identity_id,
            detail=json.dumps(detail, sort_keys=True, separators=(",", ":")),
        )
    )


def audit_events(connection: Connection) -> list[AuditEvent]:
    rows = connection.execute(
        select(Audit.id, Audit.at, Audit.action, Audit.identity_id, Audit.detail).order_by(Audit.id)
    )
    return [AuditEvent(*row) for row in rows]


def backups_with(connection: Connection, identity_id: int) -> list[int]:
    since = select(func.min(Template.created_at)).where(Template.identity_id == identity_id).scalar_subquery()
    made = select(Audit.at).where(Audit.action == "backup", Audit.at >= since).order_by(Audit.at)
    return list(connection.scalars(made))


def _configured(connection: Connection) -> None:
    if settings(connection) is None:
        raise StoreError("the gallery has no settings yet; enrol somebody first")
