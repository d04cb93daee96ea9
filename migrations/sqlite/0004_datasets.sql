-- Two experiments may be built of the same rows: a dataset is named by its experiment and its hash. SQLite changes a constraint by making
-- the table anew.
CREATE TABLE datasets_new (
    id INTEGER PRIMARY KEY,
    dataset_hash TEXT NOT NULL,
    contract_id TEXT NOT NULL REFERENCES experiment_contracts(contract_id),
    norm_stats_hash TEXT NOT NULL,
    manifest TEXT NOT NULL,
    created_by TEXT NOT NULL,
    created_at TEXT NOT NULL,
    UNIQUE (contract_id, dataset_hash)
);
INSERT INTO datasets_new (id, dataset_hash, contract_id, norm_stats_hash, manifest, created_by, created_at)
SELECT id, dataset_hash, contract_id, norm_stats_hash, manifest, created_by, created_at FROM datasets;
DROP TABLE datasets;
ALTER TABLE datasets_new RENAME TO datasets;
CREATE TRIGGER datasets_no_update BEFORE UPDATE ON datasets BEGIN SELECT RAISE(ABORT, 'rows of datasets are append-only'); END;
CREATE TRIGGER datasets_no_delete BEFORE DELETE ON datasets BEGIN SELECT RAISE(ABORT, 'rows of datasets are append-only'); END;
