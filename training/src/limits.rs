//! Limits and fixed numbers of this crate, each with its unit and its reason.

/// Fewest rows norm stats are fitted on: a standard deviation of 512 independent values is known to 3 %.
pub const FIT_ROWS_MIN: usize = 512;
/// Rows read from a Parquet column in one piece: 64 KiB of doubles.
pub const READ_ROWS: usize = 8_192;
/// Largest file of a dataset that is read, in bytes: twenty years of a market that never closes stay below half of it.
pub const DATASET_FILE_BYTES_MAX: u64 = 1 << 30;
/// Longest generated market in days: what a macro series keeps (4,096 values, week-days only), less the days before the first session.
pub const SYNTHETIC_DAYS_MAX: i64 = 5_000;

/// Environments that are stepped side by side: enough episodes at once that a rollout is no single month, few enough that a short
/// training still makes several updates; a multiple of every small number of cores, and what is compared with Stable-Baselines3.
pub const ENVIRONMENTS: usize = 8;

/// Sessions of a training episode: about a month, so that costs, nights and drawdowns happen in it; then the value function says what
/// would have followed.
pub const EPISODE_SESSIONS: usize = 20;

/// Evaluations on the validation window a training makes at most, evenly spread: more would be more chances to pick a lucky one.
pub const EVALUATIONS_MAX: u64 = 100;

/// Share of the planned evaluations without a better one after which a training stops: a third.
pub const PATIENCE_SHARE: u64 = 3;

/// Evaluations without a better one below which no training stops, however short it is planned.
pub const PATIENCE_MIN: u64 = 10;

/// Steps between two checkpoints, at least: a crash costs a second of work, the disk is not asked more often.
pub const CHECKPOINT_STEPS: u64 = 16_384;

/// Rows a network takes at once outside of gradient steps: its activations stay in the cache.
pub const FORWARD_ROWS: usize = 256;

/// Largest rollout in values (observations of all environments): 1 GiB of `f32`.
pub const ROLLOUT_VALUES_MAX: u64 = 1 << 28;

/// Looks at the other thread's counter before the thread offers its core to others: some ten microseconds, half a gradient step.
pub const SPINS: u32 = 1_000;

/// Largest checkpoint in bytes: parameters of the widest networks with their moments stay below it.
pub const CHECKPOINT_BYTES_MAX: u64 = 1 << 30;
