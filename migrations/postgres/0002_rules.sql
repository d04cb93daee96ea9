-- Rows that say what happened are never changed: a new fact is a new row.

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'rows of % are append-only', TG_TABLE_NAME;
END $$;

CREATE TRIGGER experiment_contracts_append_only BEFORE UPDATE OR DELETE ON experiment_contracts FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER datasets_append_only BEFORE UPDATE OR DELETE ON datasets FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER training_runs_append_only BEFORE UPDATE OR DELETE ON training_runs FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER model_authors_append_only BEFORE UPDATE OR DELETE ON model_authors FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER backtests_append_only BEFORE UPDATE OR DELETE ON backtests FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER holdout_looks_append_only BEFORE UPDATE OR DELETE ON holdout_looks FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER proposal_evidence_append_only BEFORE UPDATE OR DELETE ON proposal_evidence FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER vote_statements_append_only BEFORE UPDATE OR DELETE ON vote_statements FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER production_contracts_append_only BEFORE UPDATE OR DELETE ON production_contracts FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER directives_append_only BEFORE UPDATE OR DELETE ON directives FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER engine_receipts_append_only BEFORE UPDATE OR DELETE ON engine_receipts FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER audit_events_append_only BEFORE UPDATE OR DELETE ON audit_events FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER approval_audit_log_append_only BEFORE UPDATE OR DELETE ON approval_audit_log FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- A model's stage moves along: staging -> production -> archived -> production (a rollback); any -> withdrawn, for ever.
-- What a model is never changes; only where it stands does.
CREATE FUNCTION check_model_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        RAISE EXCEPTION 'a registered model is never deleted';
    END IF;
    IF OLD.stage <> NEW.stage AND NOT (
        (OLD.stage = 'staging' AND NEW.stage = 'production')
        OR (OLD.stage = 'production' AND NEW.stage = 'archived')
        OR (OLD.stage = 'archived' AND NEW.stage = 'production')
        OR (OLD.stage <> 'withdrawn' AND NEW.stage = 'withdrawn')) THEN
        RAISE EXCEPTION 'illegal move of a model''s stage';
    END IF;
    IF (OLD.model_id, OLD.contract_id, OLD.slot, OLD.model_hash, OLD.exec_hash, OLD.norm_stats_hash, OLD.golden_hash,
        OLD.bundle_hash, OLD.feature_contract_hash, OLD.config_hash, OLD.dataset_hash, OLD.action, OLD.numerics,
        OLD.registered_by, OLD.created_at)
        IS DISTINCT FROM
       (NEW.model_id, NEW.contract_id, NEW.slot, NEW.model_hash, NEW.exec_hash, NEW.norm_stats_hash, NEW.golden_hash,
        NEW.bundle_hash, NEW.feature_contract_hash, NEW.config_hash, NEW.dataset_hash, NEW.action, NEW.numerics,
        NEW.registered_by, NEW.created_at) THEN
        RAISE EXCEPTION 'a registered model never changes';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER model_registry_change BEFORE UPDATE OR DELETE ON model_registry FOR EACH ROW EXECUTE FUNCTION check_model_change();

-- A proposal is decided once.
CREATE FUNCTION check_proposal_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        RAISE EXCEPTION 'a proposal is never deleted';
    END IF;
    IF OLD.status <> NEW.status AND OLD.status <> 'PENDING_APPROVAL' THEN
        RAISE EXCEPTION 'a decided proposal stays decided';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER promotion_proposals_change BEFORE UPDATE OR DELETE ON promotion_proposals
    FOR EACH ROW EXECUTE FUNCTION check_proposal_change();

-- Numbers given to engines only rise.
CREATE FUNCTION check_slot_numbers() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.generation < OLD.generation OR NEW.directive_number < OLD.directive_number THEN
        RAISE EXCEPTION 'generation and directive number never go back';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER slots_numbers BEFORE UPDATE ON slots FOR EACH ROW EXECUTE FUNCTION check_slot_numbers();
