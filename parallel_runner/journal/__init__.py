"""What must survive: the SQLite journal, worker spools, output segments, liveness locks."""
