//! Every limit of this crate, with its unit and its reason.

// ── Feeds ──

/// One minute in milliseconds: the shorter of the two candle widths that are accepted.
pub const MINUTE_MS: i64 = 60_000;

/// Longest message of a feed in bytes: a snapshot of 720 candles takes 180 kB.
pub const FEED_MESSAGE_BYTES_MAX: usize = 1 << 20;

/// How long after its close an unflagged candle or a bar with missing minutes is waited for, in milliseconds: vendors send
/// within 100 ms; the rest is for the network.
pub const FEED_GRACE_MS: i64 = 3_000;

/// Longest wait for a connection and its handshake, in milliseconds: a vendor answers within two round trips.
pub const FEED_CONNECT_MS: u64 = 10_000;

/// How long after connecting a subscription may take to be in force, in milliseconds: a five-minute bar that began before is
/// not made of minutes or ticks. Handshake, key and subscription are a few round trips; the host's clock may lag by the rest.
pub const FEED_SUBSCRIBE_MS: i64 = 5_000;

/// With nothing read for this long, in milliseconds, a connection is taken for dead; at half of it a ping is sent, which
/// every WebSocket peer must answer. Below the 60 s after which vendors hang up themselves.
pub const FEED_IDLE_MS: u64 = 30_000;

/// Wait before the first new attempt, in milliseconds; doubled with every further one.
pub const FEED_BACKOFF_FIRST_MS: u64 = 250;

/// Longest wait before a new attempt, in milliseconds: an outage of hours costs at most this much more.
pub const FEED_BACKOFF_MAX_MS: u64 = 30_000;

/// How often a client looks at its timers (grace, silence, heartbeats), in milliseconds.
pub const FEED_HOUSEKEEPING_MS: u64 = 100;

/// Most messages handed to the sink at once: a burst of that many instruments is one batch of the policy.
pub const FEED_MESSAGES_PER_BATCH: usize = 1_024;

/// Most clients of one file server: a demonstration has one, a test a few.
pub const FILE_SERVER_CLIENTS_MAX: usize = 64;

/// Messages a file server writes before it looks for what the client says.
pub const FILE_SERVER_FLUSH_MESSAGES: usize = 256;

// ── Core ──

/// Accepted bars kept per instrument by a core: covers the bars that close while a swap's warm-up is being built.
pub const BARS_KEPT: usize = 32;

/// How far ahead of the wall clock a bar may close, in milliseconds: clocks of venue and host differ by less.
pub const FUTURE_TOLERANCE_MS: i64 = 2_000;

/// How long before `unconfirmed` the slot says `contract_expiring`, in milliseconds (24 hours).
pub const EXPIRY_WARNING_MS: i64 = 24 * 3_600_000;

/// Batch sizes counted one by one; larger batches share the last place.
pub const BATCH_SIZES_COUNTED: usize = 129;

/// Closes examined per instrument and tick by the silence watch: bounds a tick, and walks a week-end in a minute of ticks.
pub const SILENCE_STEPS_PER_TICK: usize = 32;

/// The silence watch looks at most this often, in milliseconds.
pub const SILENCE_TICK_MS: i64 = 1_000;

/// Macro values kept by a core as they came: more than arrive while a warm-up is being built.
pub const MACROS_KEPT: usize = 128;

/// Most macro series one slot may name.
pub const SERIES_MAX: usize = 64;
// ── Signal hub and server ──

/// Messages the hub's ring keeps: at 64 instruments more than a day, at 600 bytes each some 10 MB.
pub const RING_MESSAGES_DEFAULT: usize = 16_384;

/// Most signal clients at once.
pub const CLIENTS_MAX: usize = 1_024;

/// Signal clients served by the driver's own thread, where nothing has to be handed over; the rest go to the second runtime.
pub const DRIVER_CLIENTS_MAX: usize = 16;

/// Messages read from the journal at once for one client: at 600 bytes each some 80 kB of memory per client that catches up.
pub const HISTORY_READ_MESSAGES: usize = 128;

/// Messages a filtered client may skip before others run.
pub const SKIP_MESSAGES_PER_STEP: usize = 1_024;

/// Messages one client may be sent before others run.
pub const SEND_MESSAGES_PER_TURN: usize = 256;

/// Falling out of the ring twice within this time closes the stream, in milliseconds.
pub const STRIKE_WINDOW_MS: u64 = 60_000;

/// A write that moves nothing for this long closes the stream, in milliseconds.
pub const WRITE_STALL_MS: u64 = 30_000;

/// `progress` is sent this often, in milliseconds.
pub const HEARTBEAT_MS: u64 = 5_000;

/// A client must subscribe within this time of the upgrade, in milliseconds.
pub const SUBSCRIBE_WITHIN_MS: u64 = 10_000;

/// How long a close frame may take to be answered before the socket is dropped, in milliseconds.
pub const CLOSE_WITHIN_MS: u64 = 5_000;

/// The server's ticker: time moves for clients in these steps, in milliseconds.
pub const TICK_MS: u64 = 250;

/// Replies to a client that are not written yet; at this number its messages are no longer read.
pub const REPLIES_WAITING_MAX: usize = 16;

/// Bytes tungstenite collects per client before it writes: with one message more this is all a slow client holds back in the
/// process; the ring and the journal hold the rest.
pub const CLIENT_WRITE_BUFFER_BYTES: usize = 16 << 10;

/// Bytes of tungstenite's read buffer per client: clients send little.
pub const CLIENT_READ_BUFFER_BYTES: usize = 4 << 10;

/// Longest message of a client in bytes: a subscription to 1,024 instruments with the longest names takes 36 kB.
pub const CLIENT_MESSAGE_BYTES_MAX: usize = 64 << 10;

/// Longest request head in bytes.
pub const REQUEST_HEAD_BYTES_MAX: usize = 8 << 10;

/// Time for a whole request head, in milliseconds: a connection that says nothing costs a descriptor no longer.
pub const REQUEST_HEAD_WITHIN_MS: u64 = 5_000;

/// Time for an HTTP answer, in milliseconds: 5,000 bars over a slow line.
pub const HTTP_ANSWER_WITHIN_MS: u64 = 60_000;

/// Wait after a connection could not be accepted, in milliseconds.
pub const ACCEPT_RETRY_MS: u64 = 50;

/// Connections that are not signal clients, at once.
pub const HTTP_CONNECTIONS_MAX: usize = 64;

/// Most bars one answer of `/v1/bars` holds: some 600 kB.
pub const BARS_PER_ANSWER_MAX: usize = 5_000;

/// How often the token list is read again, in milliseconds.
pub const TOKENS_RELOAD_MS: u64 = 2_000;

/// How often a snapshot is read again while messages are published into it.
pub const SNAPSHOT_TRIES_MAX: u32 = 64;

// ── Journal ──

/// Size after which a segment is followed by another, in bytes: read whole in under a tenth of a second.
pub const JOURNAL_SEGMENT_BYTES: u64 = 64 << 20;

/// Segments that ended longer ago are deleted, in days.
pub const JOURNAL_RETENTION_DAYS: u32 = 90;

/// The oldest segments are deleted while all together are larger, in bytes (16 GiB).
pub const JOURNAL_RETENTION_BYTES: u64 = 16 << 30;

/// Bytes a reader asks the file for at once: some 800 records.
pub const JOURNAL_READ_BYTES: usize = 256 << 10;

/// Places a segment's index knows at most: a search then reads a 256th of it.
pub const JOURNAL_MARKS_MAX: usize = 256;

// ── Contract follower and halt ──

/// Halts and directives that wait for the driver: an operator's and a routine one, with room for a script run wild.
pub const CONTROL_INPUTS_WAITING_MAX: usize = 64;

/// Longest request on the halt socket in bytes: a directive inside a JSON text.
pub const HALT_REQUEST_BYTES_MAX: usize = 64 << 10;

/// Time for a request and its acknowledgement on the halt socket, in milliseconds: a slow disk's sync, with room.
pub const HALT_REQUEST_WITHIN_MS: u64 = 30_000;

/// The halt file is looked for this often, in milliseconds: with the driver's wake a halt is in force within 100 ms.
pub const HALT_FILE_PERIOD_MS: u64 = 50;

/// The follower looks at its source this often, in milliseconds, when nothing wakes it.
pub const FOLLOW_PERIOD_MS: u64 = 1_000;

/// Warm-ups tried for one contract when cores cannot catch up with them.
pub const WARM_TRIES_MAX: u32 = 3;

/// Bars a warm-up keeps per instrument for each bar after which operators are settled: of a feed that runs round the clock, a
/// session of five hours on week-days uses every seventh bar.
pub const WARM_BARS_PER_SETTLED: usize = 8;

/// Bars a warm-up keeps beside that: what is quarantined, and what a short warm-up needs to begin before a holiday.
pub const WARM_BARS_MARGIN: usize = 1_024;

// ── Control plane ──

/// Time for an answer of the control plane, in milliseconds: it waits 5 s for its database itself.
pub const CONTROL_ANSWER_WITHIN_MS: u64 = 10_000;

/// Time for an artifact of the control plane, in milliseconds: 64 MiB at 20 Mbit/s; half of what a build may take.
pub const CONTROL_ARTIFACT_WITHIN_MS: u64 = 30_000;

/// Longest wait for the control plane's first answer at a start, in milliseconds; then the cache stands in.
pub const CONTROL_FIRST_WAIT_MS: u64 = 5_000;

/// How often the documents are asked for although the stream of events stands, in milliseconds.
pub const CONTROL_POLL_MS: u64 = 5_000;

/// With nothing heard on the stream of events for this long, in milliseconds, it is opened anew: a sign of life comes every 15 s.
pub const CONTROL_IDLE_MS: u64 = 45_000;

/// Wait before the first new attempt, in milliseconds; doubled with every further one.
pub const CONTROL_BACKOFF_FIRST_MS: u64 = 250;

/// Longest wait before a new attempt, in milliseconds: as often as it is polled otherwise.
pub const CONTROL_BACKOFF_MAX_MS: u64 = 5_000;

/// How often the control plane is told that the engine lives, in milliseconds.
pub const CONTROL_HEARTBEAT_MS: u64 = 5_000;

/// Receipts kept for a control plane that is away: a slot sees a few a day.
pub const CONTROL_RECEIPTS_WAITING_MAX: usize = 64;

/// Longest problem document that is read, in bytes.
pub const CONTROL_PROBLEM_BYTES_MAX: usize = 16 << 10;

/// Longest event of the control plane, in bytes: the longest names take some hundred.
pub const CONTROL_EVENT_BYTES_MAX: usize = 16 << 10;

/// Longest detail of a receipt, in bytes: the control plane takes bodies of 64 KiB.
pub const RECEIPT_DETAIL_BYTES_MAX: usize = 2 << 10;

// ── Bundles ──

/// Longest a contract may take from its first file to its last golden row, in milliseconds: a 64 MiB model loads in a few seconds.
pub const BUILD_DEADLINE_MS: i64 = 60_000;

/// Blocks the golden rows are timed in; the median block counts, so that one interruption does not refuse a model.
pub const GOLDEN_TIMED_BLOCKS: usize = 8;

/// Bundles kept after the last core has left them: the one before, and the one before that, for a rollback.
pub const RETIRED_BUNDLES_KEPT: usize = 2;

// ── Drivers ──

/// Most inputs of one step: a burst is cut into batches of this many, each journaled before the next is inferred.
pub const PUMP_INPUTS_MAX: usize = 1_024;

/// Bytes of records one input can lead to: a bar of the widest contract, a state, a level shift, their names.
pub const RECORDS_BYTES_PER_INPUT: usize = 1_024;

/// Records one input can lead to.
pub const RECORDS_PER_INPUT: usize = 4;

/// Room beside that in a step's arena, in bytes: slot-wide records, and a snapshot of a small slot.
pub const RECORDS_BYTES_SLACK: usize = 1 << 20;

/// Room for one instrument in a core's snapshot: the bars kept of it and its operators.
pub const SNAPSHOT_BYTES_PER_INSTRUMENT: usize = 8_192;

/// Reported positions that may wait for the core; one more is refused as `busy` and sent again by its owner.
pub const POSITIONS_WAITING_MAX: usize = 1_024;

/// Daily values from the macro file that may wait for the core; the file's watcher keeps the others until there is room.
pub const DAILY_WAITING_MAX: usize = 256;

/// The macro file is looked at this often, in milliseconds; it is read when two looks in a row find it the same.
pub const MACRO_FILE_PERIOD_MS: u64 = 1_000;

/// Accepted contracts that may wait for the journal; the follower waits for each, so one would do.
pub const CONTRACTS_WAITING_MAX: usize = 4;

/// How often an idle live driver looks at its timers, in milliseconds: half of the 100 ms in which a halt or a swap is in force.
pub const DRIVER_TICK_MS: u64 = 50;

/// How often the journal is synced in the background under `process` durability, in milliseconds.
pub const JOURNAL_SYNC_MS: u64 = 1_000;

/// How often old segments are looked for, in milliseconds.
pub const JOURNAL_RETENTION_MS: u64 = 60_000;

/// How often the contract follower looks, in milliseconds, when nobody rings: an approved model is seen within a second.
pub const FOLLOWER_PERIOD_MS: u64 = 500;

/// Looks at a client count of 0 while the driver's runtime drains, [`DRIVER_TICK_MS`] apart: two seconds for the last messages.
pub const DRAIN_LOOKS_MAX: u32 = 40;

/// Inputs that may wait for one core of the pipeline driver: four full batches, some 400 kB; then the feed waits.
pub const PIPELINE_INPUTS_WAITING_MAX: usize = 4_096;

/// Arenas per core of the pipeline driver: one being filled, one being written, two between them.
pub const PIPELINE_BATCHES_PER_CORE: usize = 4;

/// How often a thread that waits for the journal's word looks whether the journal is still there, in milliseconds.
pub const PIPELINE_JOURNAL_LOOK_MS: u64 = 50;

/// Looks of a spinning thread before it lets another thread run: some microseconds, longer than a hand-over between two cores
/// takes and far shorter than a time slice.
pub const RING_SPINS_MAX: u32 = 2_000;
