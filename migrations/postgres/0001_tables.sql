-- Times are RFC 3339 in UTC with milliseconds and `Z`, so that they sort as text. Documents are kept as the exact bytes that were
-- hashed or signed, hence TEXT: a JSON column would rewrite them. Flags are 0 or 1.

CREATE TABLE users (
    id BIGSERIAL PRIMARY KEY,
    username TEXT NOT NULL UNIQUE,
    email TEXT,
    password_hash TEXT NOT NULL,
    roles TEXT NOT NULL,                       -- JSON list
    created_at TEXT NOT NULL,
    disabled_at TEXT
);

CREATE TABLE sessions (
    session_hash TEXT PRIMARY KEY,             -- sha256 of the cookie's secret
    username TEXT NOT NULL REFERENCES users(username),
    csrf TEXT NOT NULL,
    created_at TEXT NOT NULL,
    authenticated_at TEXT NOT NULL,            -- the last password
    last_seen_at TEXT NOT NULL,
    expires_at TEXT NOT NULL,
    ended_at TEXT,
    address TEXT,
    user_agent TEXT
);
CREATE INDEX idx_sessions_username ON sessions (username);

CREATE TABLE api_tokens (
    id BIGSERIAL PRIMARY KEY,
    token_id TEXT NOT NULL UNIQUE,
    token_hash TEXT NOT NULL UNIQUE,
    owner TEXT NOT NULL REFERENCES users(username),
    name TEXT NOT NULL,
    scopes TEXT NOT NULL,                      -- JSON list
    slot TEXT,                                 -- engine tokens are bound to one
    created_at TEXT NOT NULL,
    expires_at TEXT NOT NULL,
    revoked_at TEXT,
    last_used_at TEXT
);

CREATE TABLE setup_links (
    link_hash TEXT PRIMARY KEY,
    created_at TEXT NOT NULL,
    expires_at TEXT NOT NULL,
    used_at TEXT
);

CREATE TABLE auth_events (
    id BIGSERIAL PRIMARY KEY,
    created_at TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('LOGIN', 'LOGIN_FAILED', 'LOGIN_LIMITED', 'LOGOUT', 'PASSWORD_CHANGED', 'TOKEN_REFUSED')),
    username TEXT,
    client_ip TEXT,
    detail TEXT
);
CREATE INDEX idx_auth_events_username ON auth_events (username, created_at);
CREATE INDEX idx_auth_events_ip ON auth_events (client_ip, created_at);

CREATE TABLE slots (
    slot TEXT PRIMARY KEY,
    environment TEXT NOT NULL,
    generation BIGINT NOT NULL DEFAULT 0,     -- highest ever given
    directive_number BIGINT NOT NULL DEFAULT 0,
    halted BIGINT NOT NULL DEFAULT 0 CHECK (halted IN (0, 1)),
    halted_by TEXT,
    halted_at TEXT,
    created_at TEXT NOT NULL
);

CREATE TABLE experiment_contracts (
    id BIGSERIAL PRIMARY KEY,
    contract_id TEXT NOT NULL UNIQUE,
    experiment_name TEXT NOT NULL,
    experiment_version TEXT NOT NULL,
    config_hash TEXT NOT NULL,
    source_hash TEXT NOT NULL,
    feature_order_hash TEXT NOT NULL,
    feature_contract_hash TEXT NOT NULL,
    reward_config_hash TEXT NOT NULL,
    date_ranges_version TEXT NOT NULL,
    slot TEXT NOT NULL,
    instrument TEXT NOT NULL,
    frozen_config TEXT NOT NULL,
    feature_contract TEXT NOT NULL,
    created_by TEXT NOT NULL,
    created_at TEXT NOT NULL,
    UNIQUE (experiment_name, experiment_version)
);
CREATE INDEX idx_experiment_contracts_name ON experiment_contracts (experiment_name);
CREATE INDEX idx_experiment_contracts_hash ON experiment_contracts (config_hash);

CREATE TABLE datasets (
    id BIGSERIAL PRIMARY KEY,
    dataset_hash TEXT NOT NULL UNIQUE,
    contract_id TEXT NOT NULL REFERENCES experiment_contracts(contract_id),
    norm_stats_hash TEXT NOT NULL,
    manifest TEXT NOT NULL,
    created_by TEXT NOT NULL,
    created_at TEXT NOT NULL
);

CREATE TABLE training_runs (
    id BIGSERIAL PRIMARY KEY,
    run_id TEXT NOT NULL UNIQUE,
    contract_id TEXT NOT NULL REFERENCES experiment_contracts(contract_id),
    dataset_hash TEXT NOT NULL,
    manifest TEXT NOT NULL,
    launched_by TEXT NOT NULL,
    created_at TEXT NOT NULL
);

CREATE TABLE model_registry (
    id BIGSERIAL PRIMARY KEY,
    model_id TEXT NOT NULL UNIQUE,
    experiment_name TEXT NOT NULL,
    contract_id TEXT NOT NULL REFERENCES experiment_contracts(contract_id),
    slot TEXT NOT NULL,
    model_path TEXT NOT NULL,                  -- sha256:<address in the artifact store>
    model_hash TEXT NOT NULL,
    exec_hash TEXT,
    norm_stats_path TEXT NOT NULL,
    norm_stats_hash TEXT NOT NULL,
    golden_hash TEXT NOT NULL,
    bundle_hash TEXT NOT NULL UNIQUE,
    feature_contract_hash TEXT NOT NULL,
    config_hash TEXT NOT NULL,
    feature_order_hash TEXT NOT NULL,
    dataset_hash TEXT,
    training_run TEXT,
    action TEXT NOT NULL,
    numerics TEXT NOT NULL,
    admission TEXT NOT NULL,
    declared_trials BIGINT NOT NULL DEFAULT 0 CHECK (declared_trials >= 0),
    stage TEXT NOT NULL DEFAULT 'staging' CHECK (stage IN ('staging', 'production', 'archived', 'canary', 'withdrawn')),
    is_active BIGINT NOT NULL DEFAULT 0 CHECK (is_active IN (0, 1)),
    metrics TEXT,
    lineage TEXT NOT NULL,
    l4_proposal_id TEXT,
    l4_recommendation TEXT,
    l4_confidence DOUBLE PRECISION,
    approved_by TEXT,
    approved_at TEXT,
    registered_by TEXT NOT NULL,
    created_at TEXT NOT NULL,
    promoted_at TEXT,
    archived_at TEXT,
    withdrawn_at TEXT,
    CHECK (is_active = CASE WHEN stage = 'production' THEN 1 ELSE 0 END)
);
CREATE INDEX idx_model_registry_stage ON model_registry (stage);
CREATE INDEX idx_model_registry_experiment ON model_registry (experiment_name);
CREATE UNIQUE INDEX idx_model_registry_active ON model_registry (slot) WHERE is_active = 1;

CREATE TABLE model_authors (
    model_id TEXT NOT NULL REFERENCES model_registry(model_id),
    username TEXT NOT NULL,
    reason TEXT NOT NULL CHECK (reason IN ('experiment', 'dataset', 'training', 'registration', 'token')),
    PRIMARY KEY (model_id, username, reason)
);

CREATE TABLE backtests (
    id BIGSERIAL PRIMARY KEY,
    backtest_id TEXT NOT NULL UNIQUE,
    purpose TEXT NOT NULL CHECK (purpose IN ('proposal', 'baseline', 'more_tests', 'research')),
    model_id TEXT,
    bundle_hash TEXT NOT NULL,
    contract_id TEXT NOT NULL,
    instrument TEXT NOT NULL,
    first_session TEXT NOT NULL,               -- local dates, inclusive
    last_session TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    settings TEXT NOT NULL,
    metrics TEXT NOT NULL,
    trades_hash TEXT,
    equity_hash TEXT,
    summary_hash TEXT,
    report_hash TEXT,
    created_by TEXT NOT NULL,
    created_at TEXT NOT NULL
);
CREATE INDEX idx_backtests_model ON backtests (model_id);

CREATE TABLE holdout_looks (
    id BIGSERIAL PRIMARY KEY,
    instrument TEXT NOT NULL,
    first_session TEXT NOT NULL,               -- local dates, inclusive
    last_session TEXT NOT NULL,
    bundle_hash TEXT NOT NULL,
    costs TEXT NOT NULL,                       -- canonical JSON of costs and fill, and of what a test changed
    fingerprint TEXT NOT NULL,
    sharpe_per_session DOUBLE PRECISION,
    sessions BIGINT NOT NULL,
    created_by TEXT NOT NULL,
    created_at TEXT NOT NULL,
    UNIQUE (instrument, first_session, last_session, bundle_hash, costs)
);

CREATE TABLE promotion_proposals (
    id BIGSERIAL PRIMARY KEY,
    proposal_id TEXT NOT NULL UNIQUE,
    model_id TEXT NOT NULL REFERENCES model_registry(model_id),
    experiment_name TEXT NOT NULL,
    slot TEXT NOT NULL,
    revision BIGINT NOT NULL DEFAULT 1,
    evidence_digest TEXT NOT NULL,
    recommendation TEXT NOT NULL CHECK (recommendation IN ('PROMOTE', 'REJECT', 'REVIEW')),
    confidence DOUBLE PRECISION,
    reason TEXT NOT NULL,
    not_overridable TEXT,                      -- look_ahead, ruined, self_test
    metrics TEXT NOT NULL,
    vs_baseline TEXT,
    baseline_model_id TEXT,
    criteria_results TEXT NOT NULL,
    lineage TEXT NOT NULL,
    status TEXT NOT NULL DEFAULT 'PENDING_APPROVAL' CHECK (status IN ('PENDING_APPROVAL', 'APPROVED', 'REJECTED', 'EXPIRED')),
    reviewer TEXT,
    reviewer_notes TEXT,
    reviewed_at TEXT,
    deploy_by TEXT,
    created_at TEXT NOT NULL,
    expires_at TEXT NOT NULL
);
CREATE INDEX idx_promotion_proposals_status ON promotion_proposals (status);
CREATE INDEX idx_promotion_proposals_experiment ON promotion_proposals (experiment_name);
CREATE INDEX idx_promotion_proposals_created ON promotion_proposals (created_at DESC);
CREATE UNIQUE INDEX idx_promotion_proposals_open ON promotion_proposals (model_id) WHERE status = 'PENDING_APPROVAL';

-- What was shown at each revision, with L4's signed statement about it.
CREATE TABLE proposal_evidence (
    proposal_id TEXT NOT NULL REFERENCES promotion_proposals(proposal_id),
    revision BIGINT NOT NULL,
    evidence TEXT NOT NULL,
    evidence_digest TEXT NOT NULL,
    first_vote TEXT NOT NULL,
    created_at TEXT NOT NULL,
    PRIMARY KEY (proposal_id, revision)
);

-- Signed statements of people: second votes, later promotions, rollbacks.
CREATE TABLE vote_statements (
    id BIGSERIAL PRIMARY KEY,
    kind TEXT NOT NULL CHECK (kind IN ('second', 'promote', 'rollback')),
    proposal_id TEXT,
    model_id TEXT NOT NULL,
    slot TEXT NOT NULL,
    statement TEXT NOT NULL,
    created_at TEXT NOT NULL
);
CREATE INDEX idx_vote_statements_proposal ON vote_statements (proposal_id);
CREATE INDEX idx_vote_statements_model ON vote_statements (model_id);

CREATE TABLE production_contracts (
    id BIGSERIAL PRIMARY KEY,
    slot TEXT NOT NULL REFERENCES slots(slot),
    generation BIGINT NOT NULL,
    contract_digest TEXT NOT NULL UNIQUE,
    model_id TEXT NOT NULL,
    contract TEXT NOT NULL,
    issued_at TEXT NOT NULL,
    UNIQUE (slot, generation)
);

-- What ran where and when: the history of a slot.
CREATE TABLE production_periods (
    id BIGSERIAL PRIMARY KEY,
    slot TEXT NOT NULL REFERENCES slots(slot),
    generation BIGINT NOT NULL,
    model_id TEXT NOT NULL,
    contract_digest TEXT NOT NULL,
    proposal_id TEXT,
    cause TEXT NOT NULL CHECK (cause IN ('approve', 'promote', 'rollback')),
    allowed_by TEXT NOT NULL,
    started_at TEXT NOT NULL,
    ended_at TEXT,
    UNIQUE (slot, generation)
);
CREATE UNIQUE INDEX idx_production_periods_open ON production_periods (slot) WHERE ended_at IS NULL;

CREATE TABLE directives (
    id BIGSERIAL PRIMARY KEY,
    slot TEXT NOT NULL REFERENCES slots(slot),
    number BIGINT NOT NULL,
    generation BIGINT NOT NULL,
    halted BIGINT NOT NULL CHECK (halted IN (0, 1)),
    clears TEXT NOT NULL,
    directive TEXT NOT NULL,
    issued_at TEXT NOT NULL,
    UNIQUE (slot, number)
);

CREATE TABLE resume_requests (
    id BIGSERIAL PRIMARY KEY,
    slot TEXT NOT NULL REFERENCES slots(slot),
    latches TEXT NOT NULL,                     -- JSON list
    reason TEXT NOT NULL,
    requested_by TEXT NOT NULL,
    requested_at TEXT NOT NULL,
    expires_at TEXT NOT NULL,
    confirmed_by TEXT,
    confirmed_at TEXT,
    directive_number BIGINT,
    CHECK (confirmed_by IS NULL OR confirmed_by <> requested_by)
);
CREATE UNIQUE INDEX idx_resume_requests_open ON resume_requests (slot) WHERE confirmed_at IS NULL;

CREATE TABLE engines (
    engine_id TEXT NOT NULL,
    slot TEXT NOT NULL,
    heartbeat TEXT NOT NULL,
    generation_highest BIGINT NOT NULL,
    directive_highest BIGINT NOT NULL,
    seen_at TEXT NOT NULL,
    PRIMARY KEY (engine_id, slot)
);

CREATE TABLE engine_receipts (
    id BIGSERIAL PRIMARY KEY,
    engine_id TEXT NOT NULL,
    slot TEXT NOT NULL,
    contract_digest TEXT,                      -- NULL where what was refused could not be read
    generation BIGINT,
    status TEXT NOT NULL CHECK (status IN ('serving', 'superseded', 'refused'))
        CHECK (status = 'refused' OR (contract_digest IS NOT NULL AND generation IS NOT NULL)),
    receipt TEXT NOT NULL,
    created_at TEXT NOT NULL
);
CREATE INDEX idx_engine_receipts_slot ON engine_receipts (slot, id);

CREATE TABLE audit_events (
    seq BIGINT PRIMARY KEY,
    prev_hash TEXT NOT NULL UNIQUE,
    hash TEXT NOT NULL UNIQUE,
    created_at TEXT NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    subject TEXT NOT NULL,
    body TEXT NOT NULL,
    signature TEXT NOT NULL
);
CREATE INDEX idx_audit_events_subject ON audit_events (subject);
CREATE INDEX idx_audit_events_actor ON audit_events (actor);

CREATE TABLE approval_audit_log (
    id BIGSERIAL PRIMARY KEY,
    action TEXT NOT NULL CHECK (action IN ('APPROVE', 'REJECT', 'REQUEST_MORE_TESTS', 'EXPIRE')),
    model_id TEXT NOT NULL,
    proposal_id TEXT REFERENCES promotion_proposals(proposal_id),
    reviewer TEXT NOT NULL,
    reviewer_email TEXT,
    notes TEXT,
    previous_production_model TEXT,
    client_ip TEXT,
    user_agent TEXT,
    audit_seq BIGINT NOT NULL REFERENCES audit_events(seq),
    created_at TEXT NOT NULL
);
CREATE INDEX idx_audit_log_model ON approval_audit_log (model_id);
CREATE INDEX idx_audit_log_created ON approval_audit_log (created_at DESC);
CREATE INDEX idx_audit_log_reviewer ON approval_audit_log (reviewer);

CREATE TABLE jobs (
    id BIGSERIAL PRIMARY KEY,
    kind TEXT NOT NULL,
    dedup TEXT NOT NULL,
    payload TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT 'queued' CHECK (state IN ('queued', 'running', 'done', 'failed')),
    progress DOUBLE PRECISION NOT NULL DEFAULT 0,
    progress_note TEXT,
    attempts BIGINT NOT NULL DEFAULT 0,
    run_after TEXT NOT NULL,
    lease_until TEXT,
    result TEXT,
    error TEXT,
    created_by TEXT NOT NULL,
    created_at TEXT NOT NULL,
    finished_at TEXT
);
CREATE UNIQUE INDEX idx_jobs_dedup ON jobs (kind, dedup) WHERE state IN ('queued', 'running');
CREATE INDEX idx_jobs_state ON jobs (state, run_after);

CREATE TABLE outbox (
    id BIGSERIAL PRIMARY KEY,
    event TEXT NOT NULL,
    subject TEXT NOT NULL,                     -- a proposal or a slot
    payload TEXT NOT NULL,
    created_at TEXT NOT NULL
);
CREATE UNIQUE INDEX idx_outbox_expiring ON outbox (subject) WHERE event = 'expiring_soon';

CREATE TABLE deliveries (
    id BIGSERIAL PRIMARY KEY,
    outbox_id BIGINT NOT NULL REFERENCES outbox(id),
    target TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'delivered', 'given_up')),
    attempts BIGINT NOT NULL DEFAULT 0,
    next_at TEXT NOT NULL,
    last_status BIGINT,
    last_error TEXT,
    delivered_at TEXT,
    UNIQUE (outbox_id, target)
);
CREATE INDEX idx_deliveries_next ON deliveries (state, next_at);
