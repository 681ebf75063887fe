-- What operators asked of destinations: all nodes of the store go by it, and each start.

CREATE TABLE steerings (
    destination     TEXT PRIMARY KEY,
    -- None: it is not suspended.
    suspended_at    BIGINT,
    -- None: until somebody resumes it.
    suspended_until BIGINT,
    reason          TEXT,
    -- Like 100/minute; none: what the configuration says.
    rate            TEXT,
    -- The last time that it was resumed: other nodes then lift what receivers asked of them.
    resumed_at      BIGINT,
    updated_at      BIGINT NOT NULL
) /*sqlite WITHOUT ROWID*/;
