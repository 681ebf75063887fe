-- When a suppression was written last: what nodes look for to learn of new ones.
ALTER TABLE suppressions ADD COLUMN updated_at BIGINT NOT NULL DEFAULT 0;
UPDATE suppressions SET updated_at = created_at;
-- Serves: who was suppressed since?
CREATE INDEX suppressions_by_update ON suppressions (updated_at, id);
