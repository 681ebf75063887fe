-- The queue: who takes what next, and what an operator sees of it.

ALTER TABLE deliveries ADD COLUMN stream TEXT NOT NULL DEFAULT 'transactional';
-- What an operator wants of a delivery that is being tried: hold or cancel, when the try has ended.
ALTER TABLE deliveries ADD COLUMN wanted TEXT;
-- When its sender was told that it is late.
ALTER TABLE deliveries ADD COLUMN warned_at BIGINT;
UPDATE deliveries SET stream = (SELECT m.stream FROM messages m WHERE m.id = deliveries.message_id)
WHERE EXISTS (SELECT 1 FROM messages m WHERE m.id = deliveries.message_id AND m.stream <> 'transactional');

-- A mail that is sent at once is entered as leased and settled: of all these indexes it pays the first.
-- Each has one state or two in it, and none has what is finished, so they stay as small as the queue.
DROP INDEX deliveries_waiting;
-- Serves: recovery of what a node held that died.
CREATE INDEX deliveries_leased ON deliveries (leased_by, leased_epoch) WHERE state = 'leased';
-- Serves: whose time has come. Then it becomes ready.
CREATE INDEX deliveries_due ON deliveries (due_at) WHERE state IN ('deferred', 'scheduled');
-- Serves: what is taken next, in turns of tenants, streams and destinations.
CREATE INDEX deliveries_ready ON deliveries (tenant_id, stream, destination, due_at, id) WHERE state = 'ready';
-- Serves: the operator's pages of the queue, whole or by state: what is held stands here too.
CREATE INDEX deliveries_by_state ON deliveries (state, id)
WHERE finished_at IS NULL AND leased_by IS NULL;
-- Serves: the same for one destination, and the list of destinations.
CREATE INDEX deliveries_by_destination ON deliveries (destination, state, id)
WHERE finished_at IS NULL AND leased_by IS NULL;

-- What a domain's MTA-STS policy said when it was last fetched (RFC 8461 3.2): it holds for max_age
-- seconds, also through a restart.
CREATE TABLE sts_policies (
    domain     TEXT PRIMARY KEY,
    policy_id  TEXT NOT NULL,
    mode       TEXT NOT NULL,
    -- The mx patterns: JSON.
    mx         TEXT NOT NULL,
    max_age    BIGINT NOT NULL,
    fetched_at BIGINT NOT NULL,
    text       TEXT NOT NULL
);

-- How TLS went, by day of UTC since 1970: what is reported to the domains (RFC 8460).
CREATE TABLE tls_results (
    day    BIGINT NOT NULL,
    domain TEXT NOT NULL,
    policy TEXT NOT NULL,
    host   TEXT NOT NULL,
    result TEXT NOT NULL,
    count  BIGINT NOT NULL,
    PRIMARY KEY (day, domain, policy, host, result)
) /*sqlite WITHOUT ROWID*/;
