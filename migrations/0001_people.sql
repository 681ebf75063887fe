-- Who may do what: tenants, users, keys, and the words that hold for the whole house.
--
-- One text for both databases. Where they must differ, a mark stands in place, and the migrator keeps
-- the half of its own engine: /*sqlite …*/ and /*postgres …*/. Times are microseconds since 1970;
-- a state that is "on since" is a nullable time (disabled_at), never a boolean; JSON is TEXT.

CREATE TABLE settings (
    name       TEXT PRIMARY KEY,
    value      TEXT NOT NULL,
    updated_at BIGINT NOT NULL
);

-- One row for each commit of the writer. After a commit whose answer was lost, inserting the same id
-- again tells what became of it.
CREATE TABLE commits (
    id TEXT PRIMARY KEY,
    at BIGINT NOT NULL
) /*sqlite WITHOUT ROWID*/;

CREATE TABLE secrets (
    id         TEXT PRIMARY KEY,
    purpose    TEXT NOT NULL,
    name       TEXT NOT NULL,
    sealed     /*sqlite BLOB*//*postgres BYTEA*/ NOT NULL,
    created_at BIGINT NOT NULL,
    retired_at BIGINT
);
-- Serves: the live secret of a purpose and name (a relay's password, a domain's DKIM key, a MAC key).
CREATE INDEX secrets_by_name ON secrets (purpose, name, created_at);

CREATE TABLE nodes (
    id         TEXT PRIMARY KEY,
    name       TEXT NOT NULL UNIQUE,
    -- Which start this row tells of: two daemons under one name find out here.
    start_id   TEXT NOT NULL,
    epoch      BIGINT NOT NULL,
    version    TEXT NOT NULL,
    started_at BIGINT NOT NULL,
    seen_at    BIGINT NOT NULL,
    stopped_at BIGINT
);

CREATE TABLE tenants (
    id          TEXT PRIMARY KEY,
    name        TEXT NOT NULL,
    created_at  BIGINT NOT NULL,
    updated_at  BIGINT NOT NULL,
    disabled_at BIGINT,
    deleted_at  BIGINT
);
-- A name is taken only by the living: a deleted tenant gives its name free and keeps its history.
CREATE UNIQUE INDEX tenants_by_name ON tenants (name) WHERE deleted_at IS NULL;

CREATE TABLE users (
    id          TEXT PRIMARY KEY,
    tenant_id   TEXT NOT NULL,
    email       TEXT NOT NULL,
    name        TEXT NOT NULL,
    role        TEXT NOT NULL,
    password    TEXT,
    totp_secret TEXT,
    created_at  BIGINT NOT NULL,
    updated_at  BIGINT NOT NULL,
    last_seen_at BIGINT,
    disabled_at BIGINT,
    deleted_at  BIGINT
);
CREATE UNIQUE INDEX users_by_email ON users (email) WHERE deleted_at IS NULL;

-- What may be set up in the file or through the API, one shape for all: domains, credentials, relays,
-- routes, mailboxes, webhooks. The definition is the JSON form of the table in the file.
CREATE TABLE domains (
    id          TEXT PRIMARY KEY,
    tenant_id   TEXT NOT NULL,
    name        TEXT NOT NULL,
    definition  TEXT NOT NULL,
    created_at  BIGINT NOT NULL,
    updated_at  BIGINT NOT NULL,
    disabled_at BIGINT,
    deleted_at  BIGINT
);
CREATE UNIQUE INDEX domains_by_name ON domains (name) WHERE deleted_at IS NULL;

CREATE TABLE credentials (
    id          TEXT PRIMARY KEY,
    tenant_id   TEXT NOT NULL,
    name        TEXT NOT NULL,
    definition  TEXT NOT NULL,
    created_at  BIGINT NOT NULL,
    updated_at  BIGINT NOT NULL,
    disabled_at BIGINT,
    deleted_at  BIGINT
);
CREATE UNIQUE INDEX credentials_by_name ON credentials (name) WHERE deleted_at IS NULL;

CREATE TABLE relays (
    id          TEXT PRIMARY KEY,
    tenant_id   TEXT NOT NULL,
    name        TEXT NOT NULL,
    definition  TEXT NOT NULL,
    created_at  BIGINT NOT NULL,
    updated_at  BIGINT NOT NULL,
    disabled_at BIGINT,
    deleted_at  BIGINT
);
CREATE UNIQUE INDEX relays_by_name ON relays (name) WHERE deleted_at IS NULL;

CREATE TABLE routes (
    id          TEXT PRIMARY KEY,
    tenant_id   TEXT NOT NULL,
    name        TEXT NOT NULL,
    definition  TEXT NOT NULL,
    created_at  BIGINT NOT NULL,
    updated_at  BIGINT NOT NULL,
    disabled_at BIGINT,
    deleted_at  BIGINT
);
CREATE UNIQUE INDEX routes_by_name ON routes (tenant_id, name) WHERE deleted_at IS NULL;

CREATE TABLE mailboxes (
    id          TEXT PRIMARY KEY,
    tenant_id   TEXT NOT NULL,
    name        TEXT NOT NULL,
    definition  TEXT NOT NULL,
    created_at  BIGINT NOT NULL,
    updated_at  BIGINT NOT NULL,
    disabled_at BIGINT,
    deleted_at  BIGINT
);
CREATE UNIQUE INDEX mailboxes_by_name ON mailboxes (tenant_id, name) WHERE deleted_at IS NULL;

CREATE TABLE webhooks (
    id          TEXT PRIMARY KEY,
    tenant_id   TEXT NOT NULL,
    name        TEXT NOT NULL,
    definition  TEXT NOT NULL,
    created_at  BIGINT NOT NULL,
    updated_at  BIGINT NOT NULL,
    disabled_at BIGINT,
    deleted_at  BIGINT
);
CREATE UNIQUE INDEX webhooks_by_name ON webhooks (tenant_id, name) WHERE deleted_at IS NULL;

CREATE TABLE keys (
    id           TEXT PRIMARY KEY,
    tenant_id    TEXT NOT NULL,
    name         TEXT NOT NULL,
    -- SHA-256 of a secret of 256 random bits, in hex: with that much chance a slow hash adds nothing.
    secret_hash  TEXT NOT NULL,
    scopes       TEXT NOT NULL,
    domains      TEXT NOT NULL,
    networks     TEXT NOT NULL,
    created_at   BIGINT NOT NULL,
    expires_at   BIGINT,
    last_used_at BIGINT,
    last_used_from TEXT,
    revoked_at   BIGINT
);

CREATE TABLE dkim_keys (
    id           TEXT PRIMARY KEY,
    domain_id    TEXT NOT NULL,
    selector     TEXT NOT NULL,
    algorithm    TEXT NOT NULL,
    stage        TEXT NOT NULL,
    public_key   TEXT NOT NULL,
    secret_id    TEXT NOT NULL,
    created_at   BIGINT NOT NULL,
    published_at BIGINT,
    active_at    BIGINT,
    retiring_at  BIGINT,
    retired_at   BIGINT
);
CREATE UNIQUE INDEX dkim_keys_by_selector ON dkim_keys (domain_id, selector);

-- Who changed what, for the admin who asks later. Never updated, never without an actor.
CREATE TABLE audit (
    id        TEXT PRIMARY KEY,
    at        BIGINT NOT NULL,
    tenant_id TEXT,
    actor     TEXT NOT NULL,
    action    TEXT NOT NULL,
    subject   TEXT NOT NULL,
    data      TEXT NOT NULL
);
-- Serves: the history of one thing, newest first.
CREATE INDEX audit_by_subject ON audit (subject, id);
