-- Two experiments may be built of the same rows: a dataset is named by its experiment and its hash.
ALTER TABLE datasets DROP CONSTRAINT datasets_dataset_hash_key;
ALTER TABLE datasets ADD UNIQUE (contract_id, dataset_hash);
