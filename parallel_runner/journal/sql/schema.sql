-- The journal as it is after all migrations. Ids: see ids.py.

CREATE TABLE batches (
    id             INTEGER PRIMARY KEY AUTOINCREMENT,
    name           TEXT NOT NULL,
    cwd            BLOB NOT NULL,
    identity       BLOB NOT NULL,
    results        TEXT NOT NULL,
    terms          BLOB NOT NULL,
    command        TEXT NOT NULL,
    input_complete INTEGER NOT NULL DEFAULT 0,
    state          TEXT NOT NULL DEFAULT 'open',
    owner          TEXT,
    created_at     REAL NOT NULL,
    ended_at       REAL
, rules BLOB);

CREATE TABLE jobs (
    id      INTEGER PRIMARY KEY,
    key     BLOB NOT NULL,
    terms   INTEGER NOT NULL,
    name    TEXT,
    payload BLOB NOT NULL
);

CREATE TABLE needs (
    job    INTEGER NOT NULL,
    needed INTEGER NOT NULL,
    condition TEXT NOT NULL,
    PRIMARY KEY (job, needed)
) WITHOUT ROWID;

CREATE INDEX needs_by_needed ON needs (needed);

CREATE TABLE outcomes (
    attempt     INTEGER PRIMARY KEY,
    final       INTEGER NOT NULL,
    state       TEXT NOT NULL,
    failure     TEXT,
    exit_code   INTEGER,
    signal      INTEGER,
    started_at  REAL,
    wall        REAL,
    user        REAL,
    system      REAL,
    max_rss     INTEGER,
    out         BLOB,
    err         BLOB,
    streams     BLOB,
    worker      TEXT,
    containment TEXT,
    detail      TEXT,
    partial     INTEGER
);

CREATE TABLE requeues (
    job           INTEGER PRIMARY KEY,
    after_attempt INTEGER NOT NULL
);

CREATE TABLE leases (
    worker   TEXT PRIMARY KEY,
    owner    TEXT NOT NULL,
    attempts BLOB NOT NULL
) WITHOUT ROWID;

CREATE TABLE locks (
    name  TEXT PRIMARY KEY,
    owner TEXT NOT NULL,
    job   INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE owners (
    owner      TEXT PRIMARY KEY,
    pid        INTEGER NOT NULL,
    boot_id    TEXT NOT NULL,
    kind       TEXT NOT NULL,
    slots      INTEGER NOT NULL DEFAULT 0,
    started_at REAL NOT NULL
) WITHOUT ROWID;
