//! Limits of the control plane, each with its unit and its reason.

/// Connections to the database: handlers and jobs wait for each other beyond that.
pub const DATABASE_CONNECTIONS_MAX: u32 = 16;
/// Seconds a request waits for a connection before it answers 503.
pub const DATABASE_WAIT_S: u64 = 5;
/// Largest artifact, in bytes: the admission's limit for an ONNX file.
pub const ARTIFACT_BYTES_MAX: usize = 64 << 20;
/// A password counts as fresh for this long, in milliseconds: 15 minutes.
pub const FRESH_LOGIN_MS: i64 = 15 * 60 * 1000;
/// A directive is good for this long, in milliseconds: 7 days.
pub const DIRECTIVE_RENEW_MS: i64 = 7 * DAY_MS;
/// A directive is issued again this often, in milliseconds: 15 minutes.
pub const DIRECTIVE_PERIOD_MS: i64 = 15 * 60 * 1000;
/// A request to resume waits this long for its confirmation, in milliseconds: an hour.
pub const RESUME_REQUEST_MS: i64 = 60 * 60 * 1000;
/// New evidence leaves at least this long for the vote, in milliseconds: 48 hours.
pub const EVIDENCE_GRACE_MS: i64 = 2 * DAY_MS;
/// A day, in milliseconds.
pub const DAY_MS: i64 = 24 * 60 * 60 * 1000;
/// Longest note of a reviewer, in bytes.
pub const NOTES_BYTES_MAX: usize = 8 << 10;
/// Events a slow listener may be behind before it has to read everything again.
pub const EVENTS_WAITING_MAX: usize = 256;
/// Experiments one answer lists: with feature contracts inlined each is some kilobytes.
pub const EXPERIMENTS_LISTED_MAX: u32 = 200;
