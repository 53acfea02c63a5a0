/** The schema of `state.db`, oldest first. A script that shipped is never edited: add another. */
export const migrations = [
  `
  CREATE TABLE credentials (
    agent_id         TEXT PRIMARY KEY,
    display_name     TEXT NOT NULL,
    api_key          BLOB NOT NULL,  -- sealed
    api_base_url     TEXT NOT NULL,
    classification   TEXT,
    privacy_tier     TEXT NOT NULL,
    capabilities     TEXT NOT NULL,  -- JSON
    skills           TEXT NOT NULL,  -- JSON
    transport_type   TEXT NOT NULL,
    transport_config BLOB NOT NULL,  -- JSON, sealed: it may hold secrets
    is_active        INTEGER NOT NULL,
    last_used_at     TEXT,
    key_issued_at    TEXT,
    created_at       TEXT NOT NULL,
    updated_at       TEXT NOT NULL,
    turn             INTEGER NOT NULL,  -- the greater, the later it was registered or used
    rotation_id      TEXT               -- of a rotation that was begun and whose key is not stored yet
  ) STRICT;

  -- One row per message key. Rows are numbered per agent in order of arrival, so that new rows stand together on few pages
  -- and the oldest are found without an index on time.
  CREATE TABLE deliveries (
    agent    TEXT NOT NULL,
    n        INTEGER NOT NULL,
    key      TEXT NOT NULL,
    state    INTEGER NOT NULL,  -- 0 open, 1 done, 2 dead, 3 dead and to be handed out again
    attempt  INTEGER NOT NULL,
    failures INTEGER NOT NULL,
    at       INTEGER NOT NULL,  -- Unix milliseconds of the last change
    reason   TEXT,
    message  TEXT,              -- JSON, while the state is 2 or 3
    PRIMARY KEY (agent, n),
    UNIQUE (agent, key)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX dead_letters ON deliveries (agent, n) WHERE message IS NOT NULL;

  CREATE TABLE cursors (
    agent TEXT NOT NULL,
    name  TEXT NOT NULL,
    value INTEGER NOT NULL,
    PRIMARY KEY (agent, name)
  ) STRICT, WITHOUT ROWID;
  `,
  `
  CREATE TABLE marks (
    agent TEXT NOT NULL,
    name  TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (agent, name)
  ) STRICT, WITHOUT ROWID;
  `,
  `
  -- The latest rotation of each key: the slots beside the active key, which is in credentials.
  CREATE TABLE key_rotations (
    agent_id            TEXT PRIMARY KEY,
    id                  TEXT NOT NULL,  -- the idempotency key with which the backend is asked
    state               TEXT NOT NULL,  -- intent, stored, active
    begun_at            TEXT NOT NULL,
    next_key            BLOB,           -- sealed; pending, in the state stored
    next_issued_at      TEXT,
    overlap_ends_at     TEXT,           -- with it: when the key in use ends; NULL: it is dead
    previous_key        BLOB,           -- sealed; retiring: the key in use before this one, until it is forgotten
    previous_issued_at  TEXT,
    previous_expires_at TEXT            -- NULL: nobody knows
  ) STRICT;
  INSERT INTO key_rotations (agent_id, id, state, begun_at)
    SELECT agent_id, rotation_id, 'intent', updated_at FROM credentials WHERE rotation_id IS NOT NULL;
  -- Without its column rotation_id. SQLite of Node 22 cannot drop one that follows a comment.
  CREATE TABLE credentials_next (
    agent_id         TEXT PRIMARY KEY,
    display_name     TEXT NOT NULL,
    api_key          BLOB NOT NULL,  -- sealed
    api_base_url     TEXT NOT NULL,
    classification   TEXT,
    privacy_tier     TEXT NOT NULL,
    capabilities     TEXT NOT NULL,  -- JSON
    skills           TEXT NOT NULL,  -- JSON
    transport_type   TEXT NOT NULL,
    transport_config BLOB NOT NULL,  -- JSON, sealed: it may hold secrets
    is_active        INTEGER NOT NULL,
    last_used_at     TEXT,
    key_issued_at    TEXT,
    created_at       TEXT NOT NULL,
    updated_at       TEXT NOT NULL,
    turn             INTEGER NOT NULL   -- the greater, the later it was registered or used
  ) STRICT;
  INSERT INTO credentials_next SELECT
    agent_id, display_name, api_key, api_base_url, classification, privacy_tier, capabilities, skills,
    transport_type, transport_config, is_active, last_used_at, key_issued_at, created_at, updated_at, turn
    FROM credentials;
  DROP TABLE credentials;
  ALTER TABLE credentials_next RENAME TO credentials;
  `,
  `
  -- Conversations that are set aside. Their messages are deliveries in the state 4, which begin like open ones and keep their
  -- message until they end.
  CREATE TABLE asides (
    agent        TEXT NOT NULL,
    conversation TEXT NOT NULL,
    cause        TEXT NOT NULL,     -- hops, rate
    reason       TEXT NOT NULL,
    since        INTEGER NOT NULL,  -- Unix milliseconds
    resuming     INTEGER NOT NULL,  -- 1: it goes on, what is held first
    PRIMARY KEY (agent, conversation)
  ) STRICT, WITHOUT ROWID;
  ALTER TABLE deliveries ADD COLUMN conversation TEXT;
  CREATE INDEX held ON deliveries (agent, conversation, n) WHERE state = 4;
  `,
];
