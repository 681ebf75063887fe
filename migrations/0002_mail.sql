-- A mail's life: message, bodies, deliveries, attempts, events. These are the hot tables: each index
-- costs every mail, so each says which question it answers.

CREATE TABLE messages (
    id                TEXT PRIMARY KEY,
    tenant_id         TEXT NOT NULL,
    origin            TEXT NOT NULL,
    -- The credential, key or user that gave it to us; NULL for mail from the world.
    submitter         TEXT,
    peer              TEXT,
    -- NULL is the null reverse path <>.
    sender            TEXT,
    from_domain       TEXT NOT NULL,
    subject           TEXT NOT NULL,
    -- The Message-ID header: what others call this message.
    header_id         TEXT NOT NULL,
    stream            TEXT NOT NULL,
    size              BIGINT NOT NULL,
    -- Set once, at accept: what was taken in the sandbox stays there for ever.
    sandboxed_at      BIGINT,
    template          TEXT,
    -- Tags, metadata, removed control headers, envelope parameters, slots: JSON.
    details           TEXT NOT NULL,
    created_at        BIGINT NOT NULL,
    content_purged_at BIGINT
) /*sqlite WITHOUT ROWID*/;

-- form: prepared (what deliveries send) or submitted (kept only when a template or rewriting changed it).
CREATE TABLE bodies (
    message_id TEXT NOT NULL,
    form       TEXT NOT NULL,
    codec      TEXT NOT NULL,
    size       BIGINT NOT NULL,
    chunks     BIGINT NOT NULL,
    bytes      /*sqlite BLOB*//*postgres BYTEA*/ NOT NULL,
    PRIMARY KEY (message_id, form)
);
/*postgres ALTER TABLE bodies ALTER COLUMN bytes SET STORAGE EXTERNAL;*/

-- Large bodies, written before their message row. What has no body row after a while is an orphan of
-- a crash and is swept; message ids are time-ordered, so its age is in its key.
CREATE TABLE body_chunks (
    message_id TEXT NOT NULL,
    form       TEXT NOT NULL,
    seq        BIGINT NOT NULL,
    bytes      /*sqlite BLOB*//*postgres BYTEA*/ NOT NULL,
    PRIMARY KEY (message_id, form, seq)
);
/*postgres ALTER TABLE body_chunks ALTER COLUMN bytes SET STORAGE EXTERNAL;*/

CREATE TABLE deliveries (
    id          TEXT PRIMARY KEY,
    message_id  TEXT NOT NULL,
    tenant_id   TEXT NOT NULL,
    recipient   TEXT NOT NULL,
    -- Where it queues: mx:example.net, relay:upstream, local:support.
    destination TEXT NOT NULL,
    state       TEXT NOT NULL,
    -- Why it is in this state, in words for the operator.
    reason      TEXT,
    attempts    BIGINT NOT NULL,
    due_at      BIGINT NOT NULL,
    expires_at  BIGINT NOT NULL,
    -- The incarnation that holds the lease.
    leased_by   TEXT,
    leased_epoch BIGINT,
    details     TEXT NOT NULL,
    created_at  BIGINT NOT NULL,
    updated_at  BIGINT NOT NULL,
    finished_at BIGINT
) /*sqlite WITHOUT ROWID*/;
-- Serves: the life of a message; its retention.
CREATE INDEX deliveries_by_message ON deliveries (message_id);
-- Serves: what is due next and for whom; recovery of leases; the queue as the operator sees it. Only
-- the unfinished stand in it, so it stays as small as the queue.
CREATE INDEX deliveries_waiting ON deliveries (due_at, destination) WHERE finished_at IS NULL;

-- One try. Its number is its name: a delivery cannot have two third attempts.
CREATE TABLE attempts (
    delivery_id TEXT NOT NULL,
    number      BIGINT NOT NULL,
    node_id     TEXT NOT NULL,
    started_at  BIGINT NOT NULL,
    took_us     BIGINT NOT NULL,
    outcome     TEXT NOT NULL,
    host        TEXT,
    address     TEXT,
    tls         TEXT,
    reply       TEXT,
    details     TEXT NOT NULL,
    PRIMARY KEY (delivery_id, number)
) /*sqlite WITHOUT ROWID*/;

-- Append-only: what happened to whom, and why. Read behind a cursor in the order of ids.
CREATE TABLE events (
    id          TEXT PRIMARY KEY,
    kind        TEXT NOT NULL,
    at          BIGINT NOT NULL,
    tenant_id   TEXT,
    message_id  TEXT,
    delivery_id TEXT,
    data        TEXT NOT NULL
) /*sqlite WITHOUT ROWID*/;
-- Serves: the timeline of one message.
CREATE INDEX events_by_message ON events (message_id) WHERE message_id IS NOT NULL;

CREATE TABLE suppressions (
    id         TEXT PRIMARY KEY,
    tenant_id  TEXT NOT NULL,
    -- '' in domain or stream means all of them.
    domain     TEXT NOT NULL,
    stream     TEXT NOT NULL,
    -- An address, or *@domain.
    address    TEXT NOT NULL,
    reason     TEXT NOT NULL,
    origin     TEXT NOT NULL,
    note       TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT
);
-- Serves: may this tenant write to this address?
CREATE UNIQUE INDEX suppressions_by_address ON suppressions (tenant_id, address, domain, stream);

-- Where each limit stands: the theoretical arrival time of GCRA, for windows of an hour and more.
CREATE TABLE limits (
    bucket     TEXT PRIMARY KEY,
    tat        BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
) /*sqlite WITHOUT ROWID*/;

-- Destinations too long for a token. No foreign key and no retention: links outlive their messages.
CREATE TABLE links (
    id          TEXT PRIMARY KEY,
    tenant_id   TEXT NOT NULL,
    destination TEXT NOT NULL,
    created_at  BIGINT NOT NULL
);

CREATE TABLE templates (
    id             TEXT PRIMARY KEY,
    tenant_id      TEXT NOT NULL,
    name           TEXT NOT NULL,
    kind           TEXT NOT NULL,
    active_version BIGINT,
    used           BIGINT NOT NULL,
    created_at     BIGINT NOT NULL,
    updated_at     BIGINT NOT NULL,
    deleted_at     BIGINT
);
CREATE UNIQUE INDEX templates_by_name ON templates (tenant_id, name) WHERE deleted_at IS NULL;

CREATE TABLE template_versions (
    template_id TEXT NOT NULL,
    version     BIGINT NOT NULL,
    locale      TEXT NOT NULL,
    content     TEXT NOT NULL,
    author      TEXT NOT NULL,
    created_at  BIGINT NOT NULL,
    PRIMARY KEY (template_id, version, locale)
);

CREATE TABLE webhook_deliveries (
    id          TEXT PRIMARY KEY,
    webhook_id  TEXT NOT NULL,
    event_id    TEXT NOT NULL,
    state       TEXT NOT NULL,
    attempts    BIGINT NOT NULL,
    due_at      BIGINT NOT NULL,
    answer      TEXT,
    created_at  BIGINT NOT NULL,
    updated_at  BIGINT NOT NULL,
    finished_at BIGINT
);
-- Serves: which calls are due.
CREATE INDEX webhook_deliveries_waiting ON webhook_deliveries (due_at) WHERE finished_at IS NULL;
-- Serves: the log of one webhook, newest first.
CREATE INDEX webhook_deliveries_by_webhook ON webhook_deliveries (webhook_id, id);
