-- The desk: contacts write, tickets collect what they wrote, entries are what was said.

CREATE TABLE contacts (
    id         TEXT PRIMARY KEY,
    tenant_id  TEXT NOT NULL,
    email      TEXT NOT NULL,
    name       TEXT NOT NULL,
    locale     TEXT,
    notes      TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    deleted_at BIGINT
);
CREATE UNIQUE INDEX contacts_by_email ON contacts (tenant_id, email) WHERE deleted_at IS NULL;

CREATE TABLE tickets (
    id             TEXT PRIMARY KEY,
    tenant_id      TEXT NOT NULL,
    mailbox        TEXT NOT NULL,
    -- The public number: random-looking, with a check character. The handle is the secret half of its
    -- reply address.
    number         TEXT NOT NULL,
    handle         TEXT NOT NULL,
    subject        TEXT NOT NULL,
    state          TEXT NOT NULL,
    priority       TEXT NOT NULL,
    requester_id   TEXT NOT NULL,
    assignee_id    TEXT,
    merged_into_id TEXT,
    due_at         BIGINT,
    details        TEXT NOT NULL,
    created_at     BIGINT NOT NULL,
    updated_at     BIGINT NOT NULL,
    closed_at      BIGINT
);
CREATE UNIQUE INDEX tickets_by_number ON tickets (tenant_id, number);
CREATE UNIQUE INDEX tickets_by_handle ON tickets (handle);
-- Serves: a mailbox as the agent sees it, freshest first.
CREATE INDEX tickets_by_mailbox ON tickets (tenant_id, mailbox, state, updated_at);

CREATE TABLE entries (
    id          TEXT PRIMARY KEY,
    ticket_id   TEXT NOT NULL,
    kind        TEXT NOT NULL,
    message_id  TEXT,
    -- What others call this mail, for threads: with the mailbox and the fingerprint it is also the
    -- test for duplicates.
    header_id   TEXT,
    mailbox     TEXT NOT NULL,
    fingerprint TEXT,
    author      TEXT NOT NULL,
    content     TEXT NOT NULL,
    details     TEXT NOT NULL,
    created_at  BIGINT NOT NULL
);
-- Serves: a ticket, read from the top.
CREATE INDEX entries_by_ticket ON entries (ticket_id, id);
-- Serves: which ticket does this In-Reply-To belong to?
CREATE INDEX entries_by_header ON entries (header_id) WHERE header_id IS NOT NULL;
CREATE UNIQUE INDEX entries_by_fingerprint ON entries (mailbox, fingerprint) WHERE fingerprint IS NOT NULL;

CREATE TABLE tags (
    id         TEXT PRIMARY KEY,
    tenant_id  TEXT NOT NULL,
    name       TEXT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX tags_by_name ON tags (tenant_id, name);

CREATE TABLE ticket_tags (
    ticket_id TEXT NOT NULL,
    tag_id    TEXT NOT NULL,
    PRIMARY KEY (ticket_id, tag_id)
) /*sqlite WITHOUT ROWID*/;
-- Serves: the tickets that carry a tag.
CREATE INDEX ticket_tags_by_tag ON ticket_tags (tag_id);
