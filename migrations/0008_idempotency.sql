-- Which message a sender's own key stands for: the same key gives the same answer for a day, on every node.

CREATE TABLE idempotency (
    -- Whose keys these are: a tenant's credential, or an endpoint of the API.
    scope        TEXT NOT NULL,
    key          TEXT NOT NULL,
    -- SHA-256 of what was sent under it, in hex.
    content_hash TEXT NOT NULL,
    message_id   TEXT NOT NULL,
    created_at   BIGINT NOT NULL,
    PRIMARY KEY (scope, key)
) /*sqlite WITHOUT ROWID*/;
-- Serves: taking back a message that nobody was told of; and, because ids are time-ordered, the sweep.
CREATE INDEX idempotency_by_message ON idempotency (message_id);
