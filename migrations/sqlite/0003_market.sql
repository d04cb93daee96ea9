-- Market data by month: each row is one revision of the bars of an instrument, or of the values of a daily series, in one UTC month.
-- The rows themselves are a Parquet file in the artifact store. A value that changed is a new revision; the earlier one stays.

CREATE TABLE market_revisions (
    id INTEGER PRIMARY KEY,
    kind TEXT NOT NULL CHECK (kind IN ('bars', 'daily')),
    name TEXT NOT NULL,                        -- an instrument, or a daily series
    month TEXT NOT NULL,                       -- YYYY-MM
    revision INTEGER NOT NULL CHECK (revision >= 1),
    artifact TEXT NOT NULL,                    -- the file's address
    previous TEXT,                             -- that of the revision before
    rows_total INTEGER NOT NULL,
    rows_added INTEGER NOT NULL,               -- against the revision before
    rows_changed INTEGER NOT NULL,
    first_at TEXT NOT NULL,                    -- time of the first and the last bar, or dates
    last_at TEXT NOT NULL,
    vendor TEXT NOT NULL,
    vendor_id TEXT NOT NULL,                   -- what the vendor calls it; one per name, for ever
    source_id TEXT NOT NULL,                   -- the file that declares the source
    source_hash TEXT NOT NULL,                 -- its address in the artifact store
    ingest_id TEXT NOT NULL,
    created_by TEXT NOT NULL,
    created_at TEXT NOT NULL,
    UNIQUE (kind, name, month, revision),
    CHECK ((revision = 1) = (previous IS NULL))
);
CREATE INDEX idx_market_revisions_ingest ON market_revisions (ingest_id);

CREATE TRIGGER market_revisions_no_update BEFORE UPDATE ON market_revisions BEGIN SELECT RAISE(ABORT, 'rows of market_revisions are append-only'); END;
CREATE TRIGGER market_revisions_no_delete BEFORE DELETE ON market_revisions BEGIN SELECT RAISE(ABORT, 'rows of market_revisions are append-only'); END;
