-- Keys that Gatepost makes, by the name of their domain: a domain of the file has no row to point to. The old table
-- was never written to.

DROP TABLE dkim_keys;

CREATE TABLE dkim_keys (
    id           TEXT PRIMARY KEY,
    domain       TEXT NOT NULL,
    -- Whose domain it was when the key was made: nobody else's mail is signed with it.
    tenant_id    TEXT NOT NULL,
    selector     TEXT NOT NULL,
    algorithm    TEXT NOT NULL,
    -- pending, published, active, retiring, retired. The private half is a secret "dkim" under this id.
    stage        TEXT NOT NULL,
    -- In base64, as the record has it.
    public_key   TEXT NOT NULL,
    -- The key that retires when this one becomes active.
    replaces     TEXT,
    created_at   BIGINT NOT NULL,
    published_at BIGINT,
    active_at    BIGINT,
    retiring_at  BIGINT,
    retired_at   BIGINT,
    -- Since when its record is missed in the DNS.
    missing_at   BIGINT
);
-- Serves: the keys of a domain; and no two keys share a record.
CREATE UNIQUE INDEX dkim_keys_by_selector ON dkim_keys (domain, selector);
