/**
 * The dock's schema, one script per version. Never edit one that shipped: add another.
 *
 * A *post* is what an agent sent, stored once. A *message* is one recipient's copy of it: the unit of the wire, with its
 * own id, `seq` and state. Reading a message rewrites a short row, however long its content, and a group send stores
 * the content once. The copies of a post have consecutive numbers, and the post is numbered as its first copy, so the
 * order of posts and of messages is one.
 *
 * Times are epoch milliseconds and never cursors. The two hot tables have no foreign keys: each check would be a lookup
 * per message, and only this package writes them.
 */
export const MIGRATIONS = [
  `
  CREATE TABLE agents (
    agent_id TEXT PRIMARY KEY,
    id TEXT NOT NULL,
    name TEXT NOT NULL,
    description TEXT,
    class TEXT NOT NULL,
    privacy_tier TEXT NOT NULL,
    endpoint TEXT,
    capabilities TEXT NOT NULL,
    skills TEXT NOT NULL,
    avatar TEXT,
    payment_config TEXT,
    messages_sent INTEGER NOT NULL DEFAULT 0,
    messages_received INTEGER NOT NULL DEFAULT 0,
    status TEXT NOT NULL DEFAULT 'offline',
    last_seen INTEGER,
    instance_id TEXT,
    -- What was addressed to an earlier agent of the same id ends here.
    first_seq INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;

  -- Mentions ignore case, so ids that differ only in case would be one name for two agents.
  CREATE UNIQUE INDEX agents_by_folded_id ON agents (lower(agent_id));

  CREATE TABLE keys (
    hash TEXT PRIMARY KEY,
    agent TEXT NOT NULL REFERENCES agents ON DELETE CASCADE,
    issued_at INTEGER NOT NULL,
    -- NULL: the current key. In the future: still good. In the past: kept to tell its holder that it was rotated.
    expires_at INTEGER,
    -- With the idempotency key of the rotation that made it, gives the key again.
    salt BLOB,
    idempotency_hash TEXT
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX keys_by_agent ON keys (agent);

  CREATE TABLE conversations (
    id TEXT PRIMARY KEY,
    -- The two ids of a private conversation of two; NULL for any other.
    pair TEXT UNIQUE,
    visibility TEXT NOT NULL,
    message_count INTEGER NOT NULL DEFAULT 0,
    last_message_at INTEGER,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE participants (
    conversation TEXT NOT NULL,
    agent TEXT NOT NULL,
    PRIMARY KEY (conversation, agent)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX participants_by_agent ON participants (agent);

  CREATE TABLE posts (
    seq INTEGER PRIMARY KEY,
    conversation TEXT NOT NULL,
    from_agent TEXT NOT NULL,
    -- Text, or its bytes where it holds a NUL: node:sqlite of Node 22 reads text up to the first one.
    content ANY NOT NULL,
    content_type TEXT NOT NULL,
    attachments TEXT,
    metadata TEXT,
    reply_to TEXT,
    group_id TEXT,
    copies INTEGER NOT NULL,
    created_at INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX posts_by_conversation ON posts (conversation);

  CREATE TABLE messages (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    post INTEGER NOT NULL,
    to_agent TEXT NOT NULL,
    delivered_at INTEGER,
    read_at INTEGER
  ) STRICT;
  -- Gives sqlite_sequence its row, so that the next number can be read before the first insert.
  INSERT INTO sqlite_sequence (name, seq) VALUES ('messages', 0);
  -- Holds the unread messages only: a peek costs the same whatever the file has kept.
  CREATE INDEX messages_unread ON messages (to_agent, seq, delivered_at) WHERE read_at IS NULL;
  CREATE INDEX messages_by_recipient ON messages (to_agent);

  CREATE TABLE sends (
    n INTEGER PRIMARY KEY,
    agent TEXT NOT NULL,
    key TEXT NOT NULL,
    seq INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    UNIQUE (agent, key)
  ) STRICT;
  `,
  `
  -- The words of the posts, by their seq, without a copy of the text. Filled by who searches, not by who sends: it holds
  -- the posts up to the seq in search_progress. The conversation's id stands here without its hyphens, as one token.
  CREATE VIRTUAL TABLE search USING fts5 (
    conversation, content, content = '', contentless_delete = 1, tokenize = 'unicode61 remove_diacritics 2'
  );
  CREATE TABLE search_progress (id INTEGER PRIMARY KEY CHECK (id = 1), seq INTEGER NOT NULL) STRICT;
  INSERT INTO search_progress VALUES (1, 0);
  `,
  `
  -- Of a key that was replaced and whose successor nobody has used yet: it lives on, whatever expires_at says, and for this
  -- many milliseconds more once the successor is used.
  ALTER TABLE keys ADD COLUMN kept_ms INTEGER;
  `,
];
