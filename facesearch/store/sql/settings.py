"""The role of settings: what a gallery is fixed to, its threshold, and its encoders."""

from __future__ import annotations

import time
from dataclasses import asdict, fields

from sqlalchemy import Connection, delete, insert, select, update

from facesearch.errors import OvertakenError, StoreError
from facesearch.store.records import Calibration, EncoderKey, GallerySettings
from facesearch.store.sql.audit import add_audit
from facesearch.store.sql.checksums import insert_row, is_sound, next_id, refresh, require_sound
from facesearch.store.sql.models import CalibrationRow, EncoderRow, GalleryRow
from facesearch.store.sql.transactions import Transactions

_CALIBRATION = tuple(field.name for field in fields(Calibration))


class SqlSettings:
    """See `facesearch.store.roles.SettingsRole`."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def read(self) -> GallerySettings | None:
        with self._transactions.reading() as connection:
            return read_settings(connection)

    def encoder(self) -> EncoderKey | None:
        with self._transactions.reading() as connection:
            row = connection.execute(
                select(
                    EncoderRow.id,
                    is_sound(EncoderRow),
                    EncoderRow.model,
                    EncoderRow.precision,
                    EncoderRow.backend,
                    EncoderRow.fingerprint,
                    EncoderRow.pipeline,
                ).join(GalleryRow, GalleryRow.encoder_id == EncoderRow.id)
            ).one_or_none()
        if row is None:
            return None
        require_sound(EncoderRow, row[1], row[0])
        return EncoderKey(*row[2:])

    def started_at(self) -> int | None:
        with self._transactions.reading() as connection:
            return connection.scalar(select(GalleryRow.created_at))

    def configure(self, settings: GallerySettings, encoder: EncoderKey) -> GallerySettings:
        with self._transactions.writing() as connection:
            existing = read_settings(connection)
            if existing is not None:
                return existing
            row = {"encoder_id": encoder_id(connection, encoder), "created_at": int(time.time())}
            insert_row(connection, GalleryRow, {"id": 1, **asdict(settings), **row})
            return settings

    def set_threshold(self, threshold: float | None) -> None:
        with self._transactions.writing() as connection:
            change_settings(connection, threshold=threshold)

    def set_score(self, score: str) -> None:
        with self._transactions.writing() as connection:
            settings = read_settings(connection)
            if settings is None or settings.score != score:
                change_settings(connection, score=score, threshold=None)
                connection.execute(delete(CalibrationRow))

    def set_quality(self, quality: str) -> None:
        with self._transactions.writing() as connection:
            change_settings(connection, quality=quality)

    def calibration(self) -> Calibration | None:
        with self._transactions.reading() as connection:
            row = connection.execute(select(*(getattr(CalibrationRow, name) for name in _CALIBRATION))).one_or_none()
        return None if row is None else Calibration(*row)

    def set_calibration(self, calibration: Calibration) -> None:
        with self._transactions.writing() as connection:
            change_settings(connection, threshold=calibration.threshold)
            connection.execute(delete(CalibrationRow))
            connection.execute(insert(CalibrationRow).values(id=1, **asdict(calibration)))
            add_audit(connection, "calibrate", None, {"searches": calibration.searches})

    def encoder_id(self, encoder: EncoderKey) -> int:
        with self._transactions.writing() as connection:
            return encoder_id(connection, encoder)


SETTINGS = (
    GalleryRow.model,
    GalleryRow.dimension,
    GalleryRow.codec,
    GalleryRow.index_kind,
    GalleryRow.threshold,
    GalleryRow.score,
    GalleryRow.quality,
)
"""The columns of `GallerySettings`, in its order."""


def read_settings(connection: Connection) -> GallerySettings | None:
    """The settings, None before the first enrolment; raises `StoreError` for a damaged row."""
    row = connection.execute(select(is_sound(GalleryRow), *SETTINGS)).one_or_none()
    if row is None:
        return None
    require_sound(GalleryRow, row[0], 1)
    return GallerySettings(*row[1:])


def require_codec(connection: Connection, codec: str) -> None:
    """Raise `OvertakenError` where the gallery stores its templates in another codec by now."""
    settings = read_settings(connection)
    if settings is not None and settings.codec != codec:
        raise OvertakenError(f"the gallery stores templates as {settings.codec} now, not as {codec}: try again")


def change_settings(connection: Connection, **values: str | float | None) -> None:
    """Set columns of the gallery's row; raises `StoreError` where there is none yet."""
    if read_settings(connection) is None:
        raise StoreError("the gallery has no settings yet; enrol somebody first")
    connection.execute(update(GalleryRow).values(**values))
    refresh(connection, GalleryRow, GalleryRow.id == 1)


def encoder_id(connection: Connection, key: EncoderKey) -> int:
    """The id of the encoder with this fingerprint in this pipeline, which is recorded if it is new."""
    same = (EncoderRow.fingerprint == key.fingerprint) & (EncoderRow.pipeline == key.pipeline)
    found = connection.scalar(select(EncoderRow.id).where(same))
    if found is None:
        found = next_id(connection, EncoderRow)
        insert_row(connection, EncoderRow, {"id": found, **asdict(key)})
    return found
