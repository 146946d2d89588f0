"""The identity store on SQLite."""
