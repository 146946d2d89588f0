"""Changing how templates are stored and searched, in one transaction."""

from __future__ import annotations

from sqlalchemy import Connection, bindparam, func, select, update

from facesearch.errors import OvertakenError, StoreError
from facesearch.store.records import IndexState, Progress, Recode
from facesearch.store.sql.audit import add_audit
from facesearch.store.sql.checksums import is_sound, refresh, require_sound
from facesearch.store.sql.codebooks import require_codebook
from facesearch.store.sql.dialect import dialect_of
from facesearch.store.sql.index_state import clear_index_state, holds_removed, write_index_state
from facesearch.store.sql.models import NegativeRow, SetAsideRow, TemplateRow, UnknownFaceRow
from facesearch.store.sql.settings import change_settings
from facesearch.store.sql.templates import read_templates
from facesearch.store.sql.transactions import Transactions

_BATCH = 4096


class SqlRecoding:
    """See `facesearch.store.roles.RecodingRole`."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def switch(
        self,
        kind: str,
        codec: str,
        recode: Recode,
        state: IndexState | None = None,
        progress: Progress | None = None,
    ) -> int:
        with self._transactions.writing() as connection:
            require_codebook(connection, codec)
            if state is not None and holds_removed(connection, state):
                raise OvertakenError("somebody was forgotten whom the new index files hold: try again")
            changed = _recode(connection, recode, codec, progress)
            for kept in (SetAsideRow, NegativeRow, UnknownFaceRow):
                _recode_few(connection, kept, recode, codec)
            change_settings(connection, index_kind=kind, codec=codec)
            with dialect_of(connection).index_rows(connection) as rows:
                if state is None:
                    clear_index_state(rows)
                else:
                    write_index_state(rows, state)
                    dialect_of(connection).note_log(connection, rows, state)
            return changed


def _recode_few(
    connection: Connection,
    kept: type[SetAsideRow] | type[NegativeRow] | type[UnknownFaceRow],
    recode: Recode,
    codec: str,
) -> None:
    """The same with what is set aside, so that it can be put back, with negatives and the inbox."""
    others = select(kept.id, kept.code, kept.codec, is_sound(kept))
    rows = connection.execute(others.where(kept.codec != codec)).all()
    for number, _, _, sound in rows:
        require_sound(kept, sound, number)
    for old_codec in {row[2] for row in rows}:
        chosen = [row for row in rows if row[2] == old_codec]
        codes = recode([row[1] for row in chosen], old_codec)
        for (number, *_), code in zip(chosen, codes, strict=True):
            connection.execute(update(kept).where(kept.id == number).values(code=code, codec=codec))
            refresh(connection, kept, kept.id == number)


def _recode(connection: Connection, recode: Recode, codec: str, progress: Progress | None) -> int:
    """Code every template that is in another codec anew; returns how many were."""
    others = TemplateRow.codec != codec
    if connection.scalar(select(TemplateRow.id).where(others).limit(1)) is None:
        return 0
    total = connection.scalar(select(func.count()).select_from(TemplateRow)) or 0
    change = update(TemplateRow).where(TemplateRow.id == bindparam("template_id"))
    change = change.values(code=bindparam("new_code"), codec=codec)
    done = last = changed = 0
    while len(batch := read_templates(connection, last, limit=_BATCH)):
        for old_codec in dict.fromkeys(old for old in batch.codecs if old != codec):
            chosen = [i for i, of in enumerate(batch.codecs) if of == old_codec]
            new_codes = recode([batch.codes[i] for i in chosen], old_codec)
            if len(new_codes) != len(chosen):
                raise StoreError(f"{len(chosen)} templates gave {len(new_codes)} codes; nothing was changed")
            pairs = zip(chosen, new_codes, strict=True)
            connection.execute(change, [{"template_id": int(batch.ids[i]), "new_code": code} for i, code in pairs])
            changed += len(chosen)
        refresh(connection, TemplateRow, (TemplateRow.id > last) & (TemplateRow.id <= int(batch.ids[-1])))
        last = int(batch.ids[-1])
        done += len(batch)
        if progress is not None:
            progress(done, total)
    add_audit(connection, "recode", None, {"templates": total, "codec": codec})
    return changed
