-- How many more messages were made of the one that came with a key, so that it gets the same answer again.
ALTER TABLE idempotency ADD COLUMN more BIGINT NOT NULL DEFAULT 0;
