-- Rows that say what happened are never changed: a new fact is a new row.

CREATE TRIGGER experiment_contracts_no_update BEFORE UPDATE ON experiment_contracts BEGIN SELECT RAISE(ABORT, 'rows of experiment_contracts are append-only'); END;
CREATE TRIGGER experiment_contracts_no_delete BEFORE DELETE ON experiment_contracts BEGIN SELECT RAISE(ABORT, 'rows of experiment_contracts are append-only'); END;
CREATE TRIGGER datasets_no_update BEFORE UPDATE ON datasets BEGIN SELECT RAISE(ABORT, 'rows of datasets are append-only'); END;
CREATE TRIGGER datasets_no_delete BEFORE DELETE ON datasets BEGIN SELECT RAISE(ABORT, 'rows of datasets are append-only'); END;
CREATE TRIGGER training_runs_no_update BEFORE UPDATE ON training_runs BEGIN SELECT RAISE(ABORT, 'rows of training_runs are append-only'); END;
CREATE TRIGGER training_runs_no_delete BEFORE DELETE ON training_runs BEGIN SELECT RAISE(ABORT, 'rows of training_runs are append-only'); END;
CREATE TRIGGER model_authors_no_update BEFORE UPDATE ON model_authors BEGIN SELECT RAISE(ABORT, 'rows of model_authors are append-only'); END;
CREATE TRIGGER model_authors_no_delete BEFORE DELETE ON model_authors BEGIN SELECT RAISE(ABORT, 'rows of model_authors are append-only'); END;
CREATE TRIGGER backtests_no_update BEFORE UPDATE ON backtests BEGIN SELECT RAISE(ABORT, 'rows of backtests are append-only'); END;
CREATE TRIGGER backtests_no_delete BEFORE DELETE ON backtests BEGIN SELECT RAISE(ABORT, 'rows of backtests are append-only'); END;
CREATE TRIGGER holdout_looks_no_update BEFORE UPDATE ON holdout_looks BEGIN SELECT RAISE(ABORT, 'rows of holdout_looks are append-only'); END;
CREATE TRIGGER holdout_looks_no_delete BEFORE DELETE ON holdout_looks BEGIN SELECT RAISE(ABORT, 'rows of holdout_looks are append-only'); END;
CREATE TRIGGER proposal_evidence_no_update BEFORE UPDATE ON proposal_evidence BEGIN SELECT RAISE(ABORT, 'rows of proposal_evidence are append-only'); END;
CREATE TRIGGER proposal_evidence_no_delete BEFORE DELETE ON proposal_evidence BEGIN SELECT RAISE(ABORT, 'rows of proposal_evidence are append-only'); END;
CREATE TRIGGER vote_statements_no_update BEFORE UPDATE ON vote_statements BEGIN SELECT RAISE(ABORT, 'rows of vote_statements are append-only'); END;
CREATE TRIGGER vote_statements_no_delete BEFORE DELETE ON vote_statements BEGIN SELECT RAISE(ABORT, 'rows of vote_statements are append-only'); END;
CREATE TRIGGER production_contracts_no_update BEFORE UPDATE ON production_contracts BEGIN SELECT RAISE(ABORT, 'rows of production_contracts are append-only'); END;
CREATE TRIGGER production_contracts_no_delete BEFORE DELETE ON production_contracts BEGIN SELECT RAISE(ABORT, 'rows of production_contracts are append-only'); END;
CREATE TRIGGER directives_no_update BEFORE UPDATE ON directives BEGIN SELECT RAISE(ABORT, 'rows of directives are append-only'); END;
CREATE TRIGGER directives_no_delete BEFORE DELETE ON directives BEGIN SELECT RAISE(ABORT, 'rows of directives are append-only'); END;
CREATE TRIGGER engine_receipts_no_update BEFORE UPDATE ON engine_receipts BEGIN SELECT RAISE(ABORT, 'rows of engine_receipts are append-only'); END;
CREATE TRIGGER engine_receipts_no_delete BEFORE DELETE ON engine_receipts BEGIN SELECT RAISE(ABORT, 'rows of engine_receipts are append-only'); END;
CREATE TRIGGER audit_events_no_update BEFORE UPDATE ON audit_events BEGIN SELECT RAISE(ABORT, 'rows of audit_events are append-only'); END;
CREATE TRIGGER audit_events_no_delete BEFORE DELETE ON audit_events BEGIN SELECT RAISE(ABORT, 'rows of audit_events are append-only'); END;
CREATE TRIGGER approval_audit_log_no_update BEFORE UPDATE ON approval_audit_log BEGIN SELECT RAISE(ABORT, 'rows of approval_audit_log are append-only'); END;
CREATE TRIGGER approval_audit_log_no_delete BEFORE DELETE ON approval_audit_log BEGIN SELECT RAISE(ABORT, 'rows of approval_audit_log are append-only'); END;

-- A model's stage moves along: staging -> production -> archived -> production (a rollback); any -> withdrawn, for ever.
CREATE TRIGGER model_registry_stage BEFORE UPDATE OF stage ON model_registry
WHEN OLD.stage <> NEW.stage AND NOT (
    (OLD.stage = 'staging' AND NEW.stage = 'production')
    OR (OLD.stage = 'production' AND NEW.stage = 'archived')
    OR (OLD.stage = 'archived' AND NEW.stage = 'production')
    OR (OLD.stage <> 'withdrawn' AND NEW.stage = 'withdrawn'))
BEGIN SELECT RAISE(ABORT, 'illegal move of a model''s stage'); END;

-- What a model is never changes; only where it stands does.
CREATE TRIGGER model_registry_identity BEFORE UPDATE OF model_id, contract_id, slot, model_hash, exec_hash, norm_stats_hash,
    golden_hash, bundle_hash, feature_contract_hash, config_hash, dataset_hash, action, numerics, registered_by, created_at
ON model_registry BEGIN SELECT RAISE(ABORT, 'a registered model never changes'); END;
CREATE TRIGGER model_registry_no_delete BEFORE DELETE ON model_registry
BEGIN SELECT RAISE(ABORT, 'a registered model is never deleted'); END;

-- A proposal is decided once.
CREATE TRIGGER promotion_proposals_status BEFORE UPDATE OF status ON promotion_proposals
WHEN OLD.status <> NEW.status AND OLD.status <> 'PENDING_APPROVAL'
BEGIN SELECT RAISE(ABORT, 'a decided proposal stays decided'); END;
CREATE TRIGGER promotion_proposals_no_delete BEFORE DELETE ON promotion_proposals
BEGIN SELECT RAISE(ABORT, 'a proposal is never deleted'); END;

-- Numbers given to engines only rise.
CREATE TRIGGER slots_numbers BEFORE UPDATE ON slots
WHEN NEW.generation < OLD.generation OR NEW.directive_number < OLD.directive_number
BEGIN SELECT RAISE(ABORT, 'generation and directive number never go back'); END;
