"""The tables of published index files, and the triggers that take people out of them.

As those of the vectors, they are no part of the schema that the models describe: they are made when something is first
published, by the owner of the gallery. Whoever deletes templates, or changes the gallery's kind or codec, need not know
of them, nor have a right to them: triggers delete what is published of that, with the owner's rights.
"""

from __future__ import annotations

from sqlalchemy import Connection

PUBLICATION = "published_index"  # of one row: what the valid files are of
FILES = "published_files"
PIECES = "published_pieces"  # of the files
TABLES = (PUBLICATION, FILES, PIECES)
_LESS_REMOVED = "published_less_removed"
_LESS_ALL = "published_less_all"

ALL_THERE = " AND ".join(f"to_regclass('{table}') IS NOT NULL" for table in TABLES)
_MAY_MAKE = """
    SELECT has_schema_privilege(relowner, relnamespace, 'CREATE') AND pg_has_role(relowner, 'SET')
    FROM pg_class WHERE oid = 'templates'::regclass
"""
_OWNER = "SELECT quote_ident(relowner::regrole::text) FROM pg_class WHERE oid = 'templates'::regclass"
# Pieces are codes, which do not get smaller by compression.
_MADE = (
    f"CREATE TABLE {PUBLICATION} (id smallint PRIMARY KEY CHECK (id = 1), kind text NOT NULL, codec text NOT NULL, "
    "last_template_id bigint NOT NULL, published_at bigint NOT NULL, digest bytea NOT NULL)",
    f"CREATE TABLE {FILES} (number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, sha256 text NOT NULL, "
    "rows bigint NOT NULL, first_template_id bigint NOT NULL, last_template_id bigint NOT NULL, "
    "size_bytes bigint NOT NULL, valid boolean NOT NULL, digest bytea NOT NULL)",
    f"CREATE TABLE {PIECES} (file bigint NOT NULL REFERENCES {FILES} ON DELETE CASCADE, place integer NOT NULL, "
    "sha256 bytea NOT NULL, content bytea NOT NULL, PRIMARY KEY (file, place))",
    f"ALTER TABLE {PIECES} ALTER COLUMN content SET STORAGE EXTERNAL",
)
# The schema is asked for, as it may have been renamed; tables that somebody has dropped are nobody's hindrance.
_FUNCTION = """
    CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp AS $body$
    BEGIN
        IF to_regclass(format('%I.{files}', TG_TABLE_SCHEMA)) IS NOT NULL THEN
            EXECUTE format('{delete}', TG_TABLE_SCHEMA);
        END IF;
        RETURN NULL;
    END $body$
"""
_DELETE_HOLDING = f"""
    DELETE FROM %I.{FILES} AS file USING (SELECT DISTINCT number FROM removed JOIN %1$I.{FILES} ON
    id BETWEEN first_template_id AND last_template_id) AS holding WHERE file.number = holding.number
"""  # noqa: S608 - our own
_TRIGGERS = (
    _FUNCTION.format(name=_LESS_REMOVED, files=FILES, delete=" ".join(_DELETE_HOLDING.split())),
    _FUNCTION.format(name=_LESS_ALL, files=FILES, delete=f"DELETE FROM %I.{FILES}"),  # noqa: S608 - our own
    f"REVOKE ALL ON FUNCTION {_LESS_REMOVED}(), {_LESS_ALL}() FROM PUBLIC",
    f"CREATE OR REPLACE TRIGGER {_LESS_REMOVED} AFTER DELETE ON templates REFERENCING OLD TABLE AS removed "
    f"FOR EACH STATEMENT EXECUTE FUNCTION {_LESS_REMOVED}()",
    f"CREATE OR REPLACE TRIGGER {_LESS_ALL} AFTER UPDATE OF codec, index_kind ON gallery FOR EACH ROW "
    "WHEN (OLD.codec IS DISTINCT FROM NEW.codec OR OLD.index_kind IS DISTINCT FROM NEW.index_kind) "
    f"EXECUTE FUNCTION {_LESS_ALL}()",
)


def are_there(connection: Connection) -> bool:
    return bool(connection.exec_driver_sql(f"SELECT {ALL_THERE}").scalar_one())


def may_be_made(connection: Connection) -> bool:
    """Whether this user may make them, in the name of the gallery's owner."""
    return bool(connection.exec_driver_sql(_MAY_MAKE).scalar_one())


def make(connection: Connection) -> None:
    """Make the tables and triggers, in place of what of them was left by somebody who dropped some."""
    owner = connection.exec_driver_sql(_OWNER).scalar_one()
    connection.exec_driver_sql(f"SET LOCAL ROLE {owner}")  # whose default privileges hold, whoever does it
    connection.exec_driver_sql(f"DROP TABLE IF EXISTS {', '.join(TABLES)}")
    for statement in (*_MADE, *_TRIGGERS):
        connection.exec_driver_sql(statement.replace("%", "%%"))
    connection.exec_driver_sql("RESET ROLE")
