"""Where runs live: in this process's memory, or in SQLite or PostgreSQL through DBOS."""
