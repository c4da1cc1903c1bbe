-- The schema. {identity}, {binary} and {then_id} are filled in per engine (utils/db.py).
-- All times are microseconds since 1970-01-01T00:00Z. Texts that sort are compared as bytes.

-- Random keys of the service itself (password pepper; keys for session tokens, API tokens, grants and
-- the audit trail), wrapped by a master key.
CREATE TABLE system_keys (
    id          {identity},
    purpose     TEXT NOT NULL CHECK (purpose IN ('pepper', 'signing', 'token', 'grant', 'audit')),
    created_at  BIGINT NOT NULL,
    retired_at  BIGINT,
    sealed      TEXT NOT NULL,
    master      TEXT NOT NULL           -- fingerprint of the master key that wraps it
);
CREATE UNIQUE INDEX one_current_system_key ON system_keys (purpose) WHERE retired_at IS NULL;

-- The id is random, not a counter, and is what everything of an account is bound to: the password's
-- pre-hash, the session tokens, the wrapped keys and through them the values.
-- A deleted account stays as a row without a password: its name is never given out again.
-- one_time_expires_at: the password opens one login until then, and that session may only choose
-- another. 0 once it is used. NULL for a password that its owner chose.
-- password_number: how often the password was replaced. The hash alone does not tell: it is also
-- replaced by one of a higher cost, with the password as it was.
CREATE TABLE users (
    id                   BIGINT PRIMARY KEY,
    username             TEXT {binary} NOT NULL UNIQUE,
    state                TEXT NOT NULL CHECK (state IN ('active', 'disabled', 'deleted')),
    password_hash        TEXT,
    password_number      BIGINT NOT NULL DEFAULT 0,
    one_time_expires_at  BIGINT,
    created_at           BIGINT NOT NULL,
    CHECK ((state = 'deleted') = (password_hash IS NULL))
);

-- refresh_id names the one refresh token that still works. When, from where and with which program
-- it was used last is told by its login and each refresh, not by each request: that would be a write.
CREATE TABLE sessions (
    id               TEXT {binary} PRIMARY KEY,
    user_id          BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    refresh_id       TEXT NOT NULL,
    created_at       BIGINT NOT NULL,
    last_used_at     BIGINT NOT NULL,
    idle_expires_at  BIGINT NOT NULL,
    expires_at       BIGINT NOT NULL,
    address          TEXT NOT NULL,
    client           TEXT NOT NULL
);
CREATE INDEX sessions_by_user ON sessions (user_id, created_at, id);

-- One leaky bucket a subject: an account, a source, the pair of them, or a source that registers, as a
-- keyed hash (what people type as their name may be their password). full_at: when all its units will
-- be back.
CREATE TABLE login_attempts (
    subject  TEXT PRIMARY KEY,
    full_at  BIGINT NOT NULL
);
CREATE INDEX login_attempts_by_full_at ON login_attempts (full_at);

-- The same for requests: of a source, or of who is calling. Written once a second by each process.
CREATE TABLE request_buckets (
    subject  TEXT {binary} PRIMARY KEY,
    full_at  BIGINT NOT NULL
);
CREATE INDEX request_buckets_by_full_at ON request_buckets (full_at);

-- From where an account has logged in: the same hash of the pair, so that looking for one is the same
-- work whether the account exists or not.
CREATE TABLE known_sources (
    pair          TEXT PRIMARY KEY,
    user_id       BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    last_used_at  BIGINT NOT NULL
);
CREATE INDEX known_sources_by_user ON known_sources (user_id, last_used_at);

-- mac: over the token's secret half, which is nowhere, and all columns but last_used_at. Lists are
-- separated by spaces; an empty one is no limit.
CREATE TABLE api_tokens (
    id            TEXT {binary} PRIMARY KEY,
    user_id       BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    name          TEXT {binary} NOT NULL,
    mac           TEXT NOT NULL,
    scopes        TEXT NOT NULL,
    prefixes      TEXT NOT NULL,
    cidrs         TEXT NOT NULL,
    created_at    BIGINT NOT NULL,
    expires_at    BIGINT,
    last_used_at  BIGINT,
    UNIQUE (user_id, name)
);
CREATE INDEX api_tokens_by_user ON api_tokens (user_id, created_at, id);

-- What is told of a key for ever, and apart from it (below) the key itself.
CREATE TABLE user_keys (
    id            {identity},
    public_id     TEXT NOT NULL UNIQUE,
    owner_id      BIGINT NOT NULL REFERENCES users (id),
    state         TEXT NOT NULL CHECK (state IN ('current', 'retired', 'destroyed')),
    created_at    BIGINT NOT NULL,
    retired_at    BIGINT,
    destroyed_at  BIGINT
);
CREATE UNIQUE INDEX one_current_user_key ON user_keys (owner_id) WHERE state = 'current';
CREATE INDEX user_keys_by_owner ON user_keys (owner_id, id);
CREATE INDEX retired_user_keys ON user_keys (id) WHERE state = 'retired';

-- Destroying a key deletes this row, which no ciphertext may still reference.
CREATE TABLE user_key_material (
    key_id  BIGINT PRIMARY KEY REFERENCES user_keys (id),
    sealed  TEXT NOT NULL,
    master  TEXT NOT NULL
);
CREATE INDEX user_key_material_by_master ON user_key_material (master);

-- One row a name, kept through delete and re-creation, so that its history goes on.
CREATE TABLE secrets (
    id          {identity},
    owner_id    BIGINT NOT NULL REFERENCES users (id),
    name        TEXT {binary} NOT NULL,
    version     BIGINT NOT NULL,        -- number of the newest version
    tag         TEXT NOT NULL,          -- random, new with each change: the ETag
    labels      TEXT NOT NULL,          -- JSON object, compact, keys sorted
    created_at  BIGINT NOT NULL,
    updated_at  BIGINT NOT NULL,
    expires_at  BIGINT,
    deleted_at  BIGINT,
    purge_at    BIGINT,
    UNIQUE (owner_id, name),
    CHECK ((deleted_at IS NULL) = (purge_at IS NULL))
);

-- What its owner lets somebody else do with a secret: they end with its life, and with either account.
-- mac: over the owner and all columns but the id.
CREATE TABLE grants (
    id          TEXT {binary} PRIMARY KEY,
    secret_id   BIGINT NOT NULL REFERENCES secrets (id) ON DELETE CASCADE,
    grantee_id  BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    permission  TEXT NOT NULL CHECK (permission IN ('read', 'write')),
    granted_at  BIGINT NOT NULL,
    mac         TEXT NOT NULL,
    UNIQUE (secret_id, grantee_id)
);
CREATE INDEX grants_by_grantee ON grants (grantee_id, granted_at, id);

-- Immutable: a rotation changes key_id and ciphertext together, and nothing else ever changes.
-- The id grows with time and is never shown, so that a rotation can sweep in physical order.
CREATE TABLE secret_versions (
    id          {identity},
    secret_id   BIGINT NOT NULL REFERENCES secrets (id) ON DELETE CASCADE,
    number      BIGINT NOT NULL,
    key_id      BIGINT NOT NULL REFERENCES user_key_material (key_id) ON DELETE RESTRICT,
    ciphertext  TEXT NOT NULL,
    created_at  BIGINT NOT NULL,
    author      TEXT NOT NULL,          -- a copied username, not a reference
    credential  TEXT NOT NULL,          -- 'session', or the name of an API token
    UNIQUE (secret_id, number)
);
CREATE INDEX secret_versions_by_key ON secret_versions (key_id{then_id});

-- One row for each time that ciphertexts were deleted, until a scrub has overwritten what that left.
CREATE TABLE remains (
    id       {identity},
    left_at  BIGINT NOT NULL
);

-- What rotate_keys.py did, for --status. 'running' without a running process: it was killed.
CREATE TABLE rotation_runs (
    id            {identity},
    started_at    BIGINT NOT NULL,
    finished_at   BIGINT,
    outcome       TEXT NOT NULL CHECK (outcome IN ('running', 'done', 'incomplete', 'interrupted')),
    switched      BIGINT NOT NULL DEFAULT 0,
    reencrypted   BIGINT NOT NULL DEFAULT 0,
    destroyed     BIGINT NOT NULL DEFAULT 0,
    rewrapped     BIGINT NOT NULL DEFAULT 0,
    failed        BIGINT NOT NULL DEFAULT 0
);

-- The audit trail: a chain of events per account (its number), and chain 0 of the service itself. Each
-- mac is over the event, its place and the mac before it; a head's, over where its chain begins and ends.
-- No foreign key: a chain outlives what it tells of.
CREATE TABLE audit_heads (
    chain_id    BIGINT PRIMARY KEY,
    anchor      BIGINT NOT NULL,        -- number of the last event that was purged
    anchor_mac  TEXT NOT NULL,
    number      BIGINT NOT NULL,        -- of the newest event
    last_mac    TEXT NOT NULL,
    mac         TEXT NOT NULL
);
CREATE TABLE audit_events (
    chain_id         BIGINT NOT NULL,
    number           BIGINT NOT NULL,
    happened_at      BIGINT NOT NULL,
    action           TEXT {binary} NOT NULL,
    name             TEXT {binary} NOT NULL,
    outcome          TEXT NOT NULL,     -- 'ok', or the kind of problem
    username         TEXT NOT NULL,     -- a copied name: who did it
    via              TEXT NOT NULL,     -- 'session', 'token', 'command' or ''
    credential_id    TEXT NOT NULL,
    credential_name  TEXT NOT NULL,
    address          TEXT NOT NULL,
    request_id       TEXT NOT NULL,
    times            BIGINT NOT NULL,
    detail           TEXT NOT NULL,     -- JSON object, compact, keys sorted; '' for nothing
    mac              TEXT NOT NULL,
    PRIMARY KEY (chain_id, number)
);
