"""What a gallery on a server says, as facts that can be counted; numbers and times, which differ from run to run, are
not among them."""

from __future__ import annotations

from collections import Counter

import psycopg

from facesearch.store.postgresql.address import Address

_FACE = "encode(i.sha256, 'hex') || ' ' || md5(f.code) || ' ' || f.codec"
_FACTS = {
    "person": "SELECT name FROM identities",
    "template": f"""
        SELECT p.name || ' ' || {_FACE} FROM templates f
        JOIN identities p ON p.id = f.identity_id JOIN images i ON i.id = f.image_id
    """,
    "aside": f"""
        SELECT p.name || ' ' || {_FACE} || ' ' || (k.id IS NOT NULL)::text FROM set_aside f
        JOIN identities p ON p.id = f.identity_id JOIN images i ON i.id = f.image_id
        LEFT JOIN kept_aside k ON k.id = f.id
    """,
    "negative": f"""
        SELECT p.name || ' ' || {_FACE} FROM negatives f
        JOIN identities p ON p.id = f.identity_id JOIN images i ON i.id = f.image_id
    """,
    "unknown": f"SELECT {_FACE} FROM unknown_faces f JOIN images i ON i.id = f.image_id",
    "together": """
        SELECT md5(a.code) || ' ' || md5(b.code) FROM unknown_faces a JOIN unknown_faces b USING (cluster_id)
        WHERE md5(a.code) < md5(b.code)
    """,
    "said": """
        SELECT least(md5(a.code), md5(b.code)) || ' ' || greatest(md5(a.code), md5(b.code)) || ' ' || u.together
        FROM unknown_pairs u JOIN unknown_faces a ON a.id = u.first_id JOIN unknown_faces b ON b.id = u.second_id
    """,
    "tag": "SELECT p.name || ' ' || t.tag FROM tags t JOIN identities p ON p.id = t.identity_id",
    "note": "SELECT p.name || ' ' || n.note FROM notes n JOIN identities p USING (id)",
    "ignored": "SELECT p.name FROM ignored JOIN identities p USING (id)",
    "alias": """
        SELECT p.name || ' ' || encode(a.name_key, 'hex') FROM aliases a JOIN identities p ON p.id = a.identity_id
    """,
    "forgotten": "SELECT encode(photo_key, 'hex') FROM forgotten_photos",
    "rejected": "SELECT encode(photo_key, 'hex') || reason FROM rejected_photos",
    "collected": "SELECT encode(photo_key, 'hex') FROM collected_photos",
    "suspect": """
        SELECT coalesce(md5(t.code), '') || ' ' || coalesce(p.name, '') || ' ' || coalesce(o.name, '')
        FROM kept_suspects s LEFT JOIN templates t ON t.id = s.template_id
        LEFT JOIN identities p ON p.id = s.identity_id LEFT JOIN identities o ON o.id = s.other_id
    """,
    "settings": """
        SELECT concat_ws(' ', model, dimension, codec, index_kind, threshold, score, quality) FROM gallery
    """,
    "cohort": "SELECT md5(content) FROM cohorts",
    "vectors": "SELECT 'kept' WHERE to_regclass('vectors') IS NOT NULL",
}
_THERE = "SELECT to_regclass('templates') IS NOT NULL AND to_regclass('unfinished_copy') IS NULL"
_ORPHANS = """
    SELECT count(*) FROM pg_ls_dir('base/' || (SELECT oid FROM pg_database WHERE datname = current_database())) AS name
    WHERE name ~ '^[0-9]+$' AND pg_filenode_relation(0, name::oid) IS NULL
"""

Facts = Counter[str]


def facts(url: str) -> Facts:
    """None of a gallery that is not there, or whose copy is not finished."""
    address = Address.of(url)
    with psycopg.connect(address.conninfo, options=f"-c search_path={address.gallery}") as connection:
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        if connection.execute(_THERE).fetchone() != (True,):
            return Facts()
        return Facts(
            f"{kind} {row[0]}"
            for kind, statement in _FACTS.items()
            for row in connection.execute(statement.encode()).fetchall()
        )


def files_without_table(url: str) -> int:
    """Files of a database that no table has: a server that is killed while it writes a table anew leaves one behind."""
    with psycopg.connect(Address.of(url).conninfo) as connection:
        (count,) = connection.execute(_ORPHANS).fetchone() or (0,)
    return int(count)
