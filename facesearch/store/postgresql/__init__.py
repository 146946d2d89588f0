"""The store on PostgreSQL 16 or newer: a schema of its own for each gallery."""
