//! Limits of the control plane, each with its unit and its reason.

/// Connections to the database: handlers and jobs wait for each other beyond that.
pub const DATABASE_CONNECTIONS_MAX: u32 = 16;
/// Seconds a request waits for a connection before it answers 503.
pub const DATABASE_WAIT_S: u64 = 5;
/// Largest artifact, in bytes: what the admission takes as an ONNX file.
pub const ARTIFACT_BYTES_MAX: usize = contracts::limits::MODEL_BYTES_MAX;
/// Largest registration of a dataset or a training run, in bytes: a manifest may name a thousand months of market data with their hashes.
pub const MANIFEST_BYTES_MAX: usize = 1 << 20;
/// Rows of one partition of market data: every five minutes of the longest month.
pub const PARTITION_ROWS_MAX: usize = 31 * 288;
/// Largest partition, in bytes: twice the six columns of its most rows, uncompressed.
pub const PARTITION_BYTES_MAX: usize = 1 << 20;
/// Months of one ingest: eight names over forty years.
pub const INGEST_PARTITIONS_MAX: usize = 4_096;
/// Largest declaration of a source, in bytes: a page of YAML.
pub const SOURCE_BYTES_MAX: usize = 64 << 10;
/// Largest ingest, in bytes: its most months with half a KiB each, and the source.
pub const INGEST_BYTES_MAX: usize = INGEST_PARTITIONS_MAX * 512 + 2 * SOURCE_BYTES_MAX;
/// Longest name of a vendor, of an instrument as a vendor calls it, or of a source, in bytes: as our own ids.
pub const LABEL_BYTES_MAX: usize = contracts::limits::ID_BYTES_MAX;
/// Revisions of one page: the months of forty years.
pub const MARKET_PAGE_ROWS_MAX: u32 = 500;
/// Files one manifest may name: a dataset has five, a training run some checkpoints and curves.
pub const MANIFEST_FILES_MAX: usize = 64;
/// A password counts as fresh for this long, in milliseconds: 15 minutes.
pub const FRESH_LOGIN_MS: i64 = 15 * 60 * 1000;
/// A directive is good for this long, in milliseconds: 7 days.
pub const DIRECTIVE_RENEW_MS: i64 = 7 * DAY_MS;
/// A directive is issued again this often, in milliseconds: 15 minutes.
pub const DIRECTIVE_PERIOD_MS: i64 = 15 * 60 * 1000;
/// So many of a slot's newest directives are searched for one that verifies when a slot is halted whose contract does not, a number:
/// ten days of routine ones.
pub const DIRECTIVES_SEARCHED_MAX: u32 = 1000;
/// A request to resume waits this long for its confirmation, in milliseconds: an hour.
pub const RESUME_REQUEST_MS: i64 = 60 * 60 * 1000;
/// A day, in milliseconds.
pub const DAY_MS: i64 = 24 * 60 * 60 * 1000;
/// Longest note of a reviewer, in bytes.
pub const NOTES_BYTES_MAX: usize = 8 << 10;
/// Events a slow listener may be behind before it has to read everything again.
pub const EVENTS_WAITING_MAX: usize = 256;
/// A session lasts at most this long, in milliseconds: 12 hours.
pub const SESSION_MS: i64 = 12 * 60 * 60 * 1000;
/// A session that nobody used for this long is over, in milliseconds: 30 minutes.
pub const SESSION_IDLE_MS: i64 = 30 * 60 * 1000;
/// The use of a session or token is noted at most this often, in milliseconds: a minute. Reading must not become writing.
pub const USE_NOTED_MS: i64 = 60 * 1000;
/// The link for the first admin is good for this long, in milliseconds: an hour.
pub const SETUP_LINK_MS: i64 = 60 * 60 * 1000;
/// Longest life of a token, in days.
pub const TOKEN_DAYS_MAX: u32 = 366;
/// Failed logins are counted over this time, in milliseconds: 15 minutes.
pub const LOGIN_WINDOW_MS: i64 = 15 * 60 * 1000;
/// Failed logins per account within that time.
pub const LOGIN_FAILURES_PER_ACCOUNT: u64 = 5;
/// Failed logins per address within that time.
pub const LOGIN_FAILURES_PER_ADDRESS: u64 = 20;
/// Shortest password, in bytes.
pub const PASSWORD_BYTES_MIN: usize = 12;
/// Longest password, in bytes: more only costs time.
pub const PASSWORD_BYTES_MAX: usize = 256;
/// Passwords that are hashed at the same time: each takes [`ARGON2_MEMORY_KIB`].
pub const PASSWORDS_AT_ONCE: usize = 4;
/// Argon2id's memory, in KiB: 19 MiB, OWASP's first choice for two passes and one lane.
pub const ARGON2_MEMORY_KIB: u32 = 19 * 1024;
/// Argon2id's passes.
pub const ARGON2_PASSES: u32 = 2;
/// Argon2id's lanes.
pub const ARGON2_LANES: u32 = 1;
/// Largest body of a JSON request, in bytes.
pub const BODY_BYTES_MAX: usize = 64 << 10;
/// Deepest nesting of a JSON request.
pub const JSON_DEPTH_MAX: usize = 32;
/// Rows of one page.
pub const PAGE_ROWS_MAX: u32 = 200;
/// Rows of a page when none are asked for.
pub const PAGE_ROWS: u32 = 50;
/// Longest header that is kept (user agent), in bytes.
pub const HEADER_BYTES_KEPT: usize = 256;
/// A stream of events asks this often whether its session still holds, in milliseconds.
pub const STREAM_CHECK_MS: u64 = 1000;
/// After the order to stop, requests have this long to end, in seconds.
pub const SHUTDOWN_S: u64 = 10;
/// Contracts of a slot whose artifacts its engine may fetch: the newest ones.
pub const ENGINE_CONTRACTS: u32 = 16;
/// Experiments one answer lists: with feature contracts inlined each is some kilobytes.
pub const EXPERIMENTS_LISTED_MAX: u32 = 200;
/// A worker that says nothing for this long has gone, in milliseconds: a minute, of the second between two words.
pub const JOB_LEASE_MS: i64 = 60 * 1000;
/// A job says how far it is this often, in milliseconds: often enough for a person who watches.
pub const JOB_REPORT_MS: u64 = 1000;
/// Idle workers look for jobs that became due this often, in seconds; of new ones they are told.
pub const JOB_POLL_S: u64 = 2;
/// A job that failed for a passing reason is tried again after this long times the attempts so far, in milliseconds.
pub const JOB_RETRY_MS: i64 = 10 * 1000;
/// Attempts of a job before it is given up: a run that takes the process down with it must not do so for ever.
pub const JOB_ATTEMPTS_MAX: u32 = 5;
/// New evidence is shown at least this long before the vote ends, in milliseconds: 48 hours.
pub const EVIDENCE_SHOWN_MS: i64 = 2 * DAY_MS;
/// Sessions after the holdout that make another window; with fewer, the validation's sessions are taken.
pub const OTHER_WINDOW_SESSIONS_MIN: usize = 20;
/// Longest stretch of days a look may be at: a hundred years.
pub const LOOK_SESSIONS_MAX: u32 = 36_600;
/// Largest Sharpe ratio per session that is taken on somebody's word, either sign: 48 a year, beyond every strategy that pays its costs
/// or loses by them, while an invented one deflates what everybody else found.
pub const SHARPE_TOLD_MAX: f64 = 3.0;
/// The plane looks for directives to renew and proposals that ran out this often, in seconds: a minute, of the quarter of an hour
/// between directives.
pub const ROUTINE_S: u64 = 60;
/// The command line waits this long for a connection to its server, in seconds.
pub const CLIENT_CONNECT_S: u64 = 10;
/// The command line waits this long for an answer, in seconds: the registration of a model inspects it first.
pub const CLIENT_REQUEST_S: u64 = 300;

/// Files the command line hands in or fetches at a time: each waits for a disk, and 64 MiB of the largest fit into memory.
pub const CLIENT_FILES_AT_ONCE: usize = 8;

/// A head is signed when so many events have come since the last one.
pub const HEAD_EVENTS: u64 = 100;
/// A head is signed when the last one is this old and there is a new event, in milliseconds: an hour.
pub const HEAD_PERIOD_MS: i64 = 60 * 60 * 1000;
/// Events that are read at once when the whole chain is read.
pub const CHAIN_PAGE_ROWS: u32 = 500;
/// Findings that are told one by one; the rest is counted.
pub const FINDINGS_MAX: usize = 1000;
/// An engine may be this far ahead of a restored store; numbers beyond that are no engine's of ours.
pub const NUMBERS_AHEAD_MAX: u64 = 1_000_000;
/// Most targets of notifications.
pub const WEBHOOKS_MAX: usize = 16;
/// Words of somebody else in a notification's line, in bytes.
pub const NOTICE_WORDS_BYTES_MAX: usize = 500;
/// A proposal "runs out soon" this long before its end, in milliseconds: a day.
pub const EXPIRING_SOON_MS: i64 = DAY_MS;
/// Deliveries of one round: one slow target must not hold a round for ever.
pub const DELIVERIES_PER_ROUND: u32 = 64;
/// Deliveries that are sent at the same time.
pub const DELIVERIES_AT_ONCE: usize = 8;
/// A try ends after this long, in seconds.
pub const DELIVERY_S: u64 = 10;
/// A connection must be there after this long, in seconds.
pub const DELIVERY_CONNECT_S: u64 = 5;
/// A delivery that was claimed and not noted is tried again after this long, in milliseconds: a minute, several times a try.
pub const DELIVERY_LEASE_MS: i64 = 60 * 1000;
/// The outbox is looked at this often, in seconds, when nothing has changed.
pub const DELIVERY_ROUND_S: u64 = 5;
/// Pauses between the tries of a delivery, in seconds: ten tries within a day, then it is given up.
pub const DELIVERY_PAUSES_S: [u64; 9] = [10, 30, 60, 300, 900, 3600, 3 * 3600, 6 * 3600, 12 * 3600];
/// A receiver that asks for a longer pause is asked again after this, in seconds: an hour.
pub const DELIVERY_WAIT_ASKED_MAX_S: u64 = 3600;
/// Largest file of a webhook's secret, in bytes.
pub const SECRET_BYTES_MAX: u64 = 4096;
/// Address space of the process that inspects a model, in bytes: ONNX Runtime and a model of the largest size fit, a tensor of
/// gigabytes does not.
pub const INSPECTION_MEMORY_BYTES: u64 = 2 << 30;
/// Processor time of an inspection, in seconds: the largest admitted model takes a few.
pub const INSPECTION_CPU_S: u64 = 60;
/// An inspection ends within this time, in seconds: twice its processor time, for a busy machine.
pub const INSPECTION_WALL_S: u64 = 120;
/// Longest line of a question or answer of an inspection, in bytes: 256 golden rows of 64 features take a quarter of this.
pub const INSPECTION_LINE_BYTES_MAX: usize = 1 << 20;
/// Characters that are kept of what a refused model is said to lack: the longest of our own sentences fits, a page that a model wrote
/// does not.
pub const INSPECTION_DETAIL_CHARS_MAX: usize = 300;
/// Inspections at the same time: each takes up to [`INSPECTION_MEMORY_BYTES`].
pub const INSPECTIONS_AT_ONCE: usize = 2;
/// Largest form of a model's registration, in bytes: the two files at their limits, and 64 KiB for everything else.
pub const MODEL_FORM_BYTES_MAX: usize =
    contracts::limits::MODEL_BYTES_MAX + contracts::limits::NORM_STATS_BYTES_MAX + (64 << 10);
/// Longest text field of a form, in bytes: the longest is an output's name.
pub const FORM_TEXT_BYTES_MAX: usize = contracts::limits::OUTPUT_NAME_BYTES_MAX;
/// Longest line of an external trainer that is handed on in one piece, in bytes.
pub const TRAINER_LINE_BYTES_MAX: u64 = 8 << 10;
/// Largest file of a training's folder, in bytes: what an artifact may have.
pub const TRAINING_FILE_BYTES_MAX: u64 = ARTIFACT_BYTES_MAX as u64;
/// Who waits for a first vote asks how far it is this often, in milliseconds: as often as a job says it.
pub const VERDICT_LOOK_MS: u64 = JOB_REPORT_MS / 4;

/// Most requests per minute a source may ask a vendor for: ten a second, above every published plan.
pub const REQUESTS_PER_MINUTE_MAX: u32 = 600;
/// Rows of one kind that a report lists one by one; the rest is counted.
pub const LISTED_MAX: usize = 1_000;
/// A session with this many distinct closes or fewer is reported as stale: a session of 60 traded bars has dozens.
pub const STALE_CLOSES_MAX: usize = 5;
/// A bar is a jump when it moves this many times as far as the bars around it usually do: some twenty-five standard deviations, which
/// one bar in several thousand of a real market shows.
pub const JUMP_MEDIANS: f64 = 40.0;
/// Bars on each side that are "around" a bar: a session of USD/COP.
pub const JUMP_AROUND_BARS: usize = 60;
/// With fewer moves around it a bar is not judged.
pub const JUMP_AROUND_MIN: usize = 20;
/// A close at this factor of the last one, or its inverse, is at another level; the strategy quarantines there.
pub const LEVEL_FACTOR: f64 = 5.0;
/// A next close within this share confirms another level; as in the strategy.
pub const LEVEL_AGREES: f64 = 0.01;
/// Hours that the times of a file may be wrong by: zones reach from -12 to +14.
pub const SHIFT_HOURS_MAX: i64 = 14;
/// A day with a smaller share of its bars outside the sessions is not held against other zones.
pub const SHIFT_OUTSIDE_SHARE_MIN: f64 = 0.1;
/// A shift explains a day when this share of its bars lies inside with it.
pub const SHIFT_INSIDE_SHARE_MIN: f64 = 0.98;
/// When another zone would explain this share of the bars, nothing is published unless somebody says so.
pub const ALARM_SHIFTED_SHARE: f64 = 0.1;
/// From this share on, flat bars are something to look at.
pub const FLAT_SHARE_WARN: f64 = 0.1;
/// Calendar days between two values of a daily series that are more than a week's holidays: features call a series stale then.
pub const DAILY_GAP_DAYS_MAX: i32 = 7;
/// The same for a monthly series.
pub const MONTHLY_GAP_DAYS_MAX: i32 = 62;
/// A daily value is a jump when it moves this many times as far as the series usually does.
pub const DAILY_JUMP_MEDIANS: f64 = 20.0;
/// With fewer changes a series' usual move is not known.
pub const DAILY_JUMP_MIN: usize = 20;
/// A series whose value stands for this many observations on average may be a slower one that was filled forward.
pub const FILLED_RUN_MIN: f64 = 10.0;
/// It is one when this share of its changes comes with the first observation of a month.
pub const FILLED_MONTH_SHARE_MIN: f64 = 0.8;
/// With fewer changes nothing is said about it.
pub const FILLED_CHANGES_MIN: u64 = 6;
/// Longest answer of a vendor, in bytes: the largest page of FRED is a quarter of this.
pub const VENDOR_ANSWER_BYTES_MAX: usize = 32 << 20;
/// A vendor's words in an error, in characters.
pub const VENDOR_WORDS_CHARS_MAX: usize = 300;
/// A connection to a vendor must be there after this long, in seconds.
pub const VENDOR_CONNECT_S: u64 = 10;
/// A vendor's answer must be there after this long, in seconds: the largest pages take some.
pub const VENDOR_REQUEST_S: u64 = 60;
/// Times one page is asked for.
pub const FETCH_TRIES_MAX: u32 = 5;
/// Pause before the second try, in milliseconds; it doubles.
pub const FETCH_PAUSE_FIRST_MS: u64 = 1_000;
/// Longest pause of our own, in milliseconds.
pub const FETCH_PAUSE_MAX_MS: u64 = 60_000;
/// A vendor that is asked too often is asked again after a minute, in milliseconds: the period of its count.
pub const TOO_MANY_PAUSE_MS: u64 = 60_000;
/// A vendor that asks for a longer pause is asked again after this, in seconds.
pub const FETCH_WAIT_ASKED_MAX_S: u64 = 300;
/// Pages of one fetch: fifty years of bars around the clock take as many.
pub const FETCH_PAGES_MAX: u32 = 1_100;
/// Bars on a page of Twelve Data: its most.
pub const TWELVE_DATA_PAGE_ROWS: usize = 5_000;
/// Rows on a page of FRED: its most.
pub const FRED_PAGE_ROWS: usize = 100_000;
/// Days of observations in one request to FRED: with [`FRED_REVISION_DAYS`] some 1,500 working days, below its 2,000 vintages.
pub const FRED_WINDOW_DAYS: i32 = 4 * 365;
/// Days after a window in which revisions are still seen.
pub const FRED_REVISION_DAYS: i32 = 2 * 365;
/// A first version that arrives later after its date than this says when an archive began and not when the value was published.
pub const FRED_ARRIVAL_DAYS_MAX: i32 = 45;
