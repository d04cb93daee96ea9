//! `engine features`: the features of a bar file before normalisation, through the operators that live trading uses.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use contracts::bar::Bar;
use contracts::features::{FeatureContract, LoadContractError, load_contract};
use contracts::files::{DailyFile, DailyRow};
use contracts::ids::InstrumentId;
use contracts::reason::{Position, Withheld};
use contracts::time::UtcMillis;
use strategy::macros::{MacroInsert, MacroState};
use strategy::plan::{FeaturePlan, Observed};

use super::{CliError, Exit, OrExit};
use commandline::inputs::{self, BarArgs};

/// Compute the features of a bar file, before normalisation.
///
/// Writes `close_time` and one column per feature (position 0), from the first bar on at which every feature is defined.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  engine features --features config/features/usdcop_15.yaml --bars usdcop_5m.csv.gz --stamp open \\
      --macro macro_daily.csv --out features.csv
  engine features --features config/features/technical_8.yaml --bars BTC-USDT.parquet --stamp close --out features.csv")]
pub struct Args {
    /// The feature contract; its calendar is read from ../calendars beside it.
    #[arg(long, value_name = "YAML")]
    pub features: PathBuf,
    /// Five-minute bars: .csv, .csv.gz or .parquet.
    #[arg(long, value_name = "FILE")]
    pub bars: PathBuf,
    /// How to read them.
    #[command(flatten)]
    pub read: BarArgs,
    /// Daily values, one column per series the contract names.
    #[arg(long = "macro", value_name = "FILE")]
    pub daily: Option<PathBuf>,
    /// The instrument, for its price bounds; the file's stem without it.
    #[arg(long, value_name = "NAME", value_parser = InstrumentId::parse)]
    pub instrument: Option<InstrumentId>,
    /// The CSV to write.
    #[arg(long, value_name = "CSV")]
    pub out: PathBuf,
}

/// What happened to the bars of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Counts {
    rows: u64,
    undefined: u64,
    not_finite: u64,
    stale: u64,
    off_session: u64,
    quarantined: u64,
    level_shifts: u64,
    restarts: u64,
    missing_bars: u64,
    out_of_order: u64,
}

/// Runs the verb.
///
/// # Errors
/// [`Exit::NoInput`] or [`Exit::Data`] for a contract or file that is not acceptable, [`Exit::Io`] when the output cannot be
/// written.
pub fn run(args: Args) -> Result<(), CliError> {
    let contract = load_contract(&args.features).map_err(|error| {
        let exit = match error {
            LoadContractError::Read { .. } => Exit::NoInput,
            _ => Exit::Data,
        };
        CliError::new(
            exit,
            "the feature contract is not usable",
            "mend the file at the place the message names",
        )
        .caused_by(error)
    })?;
    let plan =
        FeaturePlan::new(&contract).or_exit(Exit::Data, "the feature contract does not compile", "")?;
    let instrument = inputs::instrument(args.instrument.as_ref(), &args.bars)?;
    let bars = args.read.read(&args.bars)?.bars;
    let daily = args
        .daily
        .as_deref()
        .map(inputs::daily)
        .transpose()?
        .unwrap_or_default();
    let mut published = Publication::new(&plan, &daily)?;
    let cannot_write = || format!("{} cannot be written", args.out.display());
    let file =
        File::create(&args.out).or_exit(Exit::Io, cannot_write(), "check the folder and its rights")?;
    let mut out = BufWriter::new(file);
    let counts = write_rows(&contract, &plan, &instrument, &bars, &mut published, &mut out)
        .and_then(|counts| out.flush().map(|()| counts))
        .or_exit(Exit::Io, cannot_write(), "check the room on the disk")?;
    report(&args.out, &counts, &published);
    Ok(())
}

fn report(out: &Path, counts: &Counts, published: &Publication) {
    tracing::info!(
        out = %out.display(),
        rows = counts.rows,
        before_defined = counts.undefined,
        not_finite = counts.not_finite,
        stale_rows = counts.stale,
        off_session = counts.off_session,
        quarantined = counts.quarantined,
        level_shifts = counts.level_shifts,
        restarts = counts.restarts,
        missing_bars = counts.missing_bars,
        out_of_order = counts.out_of_order,
        macro_refused = published.refused,
        "features written"
    );
    if counts.rows == 0 {
        tracing::warn!(
            "no row: the file holds fewer in-session bars or daily values than the operators need"
        );
    }
}

/// The daily values a contract uses, in the order in which they become visible.
struct Publication {
    /// Visible at, dense index of the series, row.
    waiting: std::iter::Peekable<std::vec::IntoIter<(UtcMillis, usize, DailyRow)>>,
    refused: u64,
}

impl Publication {
    fn new(plan: &FeaturePlan, daily: &DailyFile) -> Result<Self, CliError> {
        let series = plan.series();
        let place: Vec<Option<usize>> = daily
            .series
            .iter()
            .map(|s| series.binary_search(s).ok())
            .collect();
        if let Some(missing) = series.iter().find(|s| !daily.series.contains(s)) {
            return Err(CliError::new(
                Exit::Data,
                format!("the contract uses the macro series `{missing}`, which no input carries"),
                "pass --macro with a file that has a column of this name",
            ));
        }
        let mut waiting: Vec<_> = daily
            .rows
            .iter()
            .filter_map(|row| {
                let series = place[row.series]?;
                let at = plan.visible_at(series, row.date, row.arrived_at)?;
                Some((at, series, *row))
            })
            .collect();
        waiting.sort_by_key(|(at, ..)| *at);
        Ok(Self {
            waiting: waiting.into_iter().peekable(),
            refused: 0,
        })
    }

    fn until(&mut self, now: UtcMillis, macros: &mut MacroState) {
        while let Some((_, series, row)) = self.waiting.next_if(|(at, ..)| *at <= now) {
            let inserted = macros.insert(series, row.date, row.value, row.arrived_at);
            self.refused += u64::from(inserted == MacroInsert::Refused);
        }
    }
}

fn write_rows(
    contract: &FeatureContract,
    plan: &FeaturePlan,
    instrument: &InstrumentId,
    bars: &[Bar],
    published: &mut Publication,
    out: &mut impl Write,
) -> std::io::Result<Counts> {
    write!(out, "close_time")?;
    for feature in &contract.features {
        write!(out, ",{}", feature.name)?;
    }
    writeln!(out)?;
    let mut state = plan.new_instrument(instrument);
    let mut macros = plan.new_macros();
    let mut features = vec![0.0; plan.width()];
    let mut counts = Counts::default();
    let mut newest = UtcMillis(i64::MIN);
    for bar in bars {
        if bar.close_time <= newest {
            counts.out_of_order += 1;
            continue;
        }
        newest = bar.close_time;
        published.until(bar.close_time, &mut macros);
        let seen = plan.observe(&mut state, &mut macros, bar, Position::Flat, &mut features);
        counts.add(&seen);
        if !seen.used || !seen.defined {
            continue;
        }
        if features.iter().any(|x| !x.is_finite()) {
            counts.not_finite += 1;
            continue;
        }
        counts.rows += 1;
        write!(out, "{}", bar.close_time)?;
        for value in &features {
            // The shortest decimal that reads back as the same double.
            write!(out, ",{value}")?;
        }
        writeln!(out)?;
    }
    Ok(counts)
}

impl Counts {
    fn add(&mut self, seen: &Observed) {
        match seen.withheld {
            Some(Withheld::OffSession) => self.off_session += 1,
            Some(Withheld::Quarantined) => self.quarantined += 1,
            Some(Withheld::Stale(_)) => self.stale += 1,
            _ => {}
        }
        self.undefined += u64::from(seen.used && !seen.defined);
        self.level_shifts += u64::from(seen.level_shift.is_some());
        self.restarts += u64::from(seen.restarted);
        self.missing_bars += u64::from(seen.missing_bars);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser as _;

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    fn contract(name: &str) -> String {
        format!("{}/../config/features/{name}.yaml", env!("CARGO_MANIFEST_DIR"))
    }

    #[test]
    fn rows_begin_where_every_feature_is_defined() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name).to_string_lossy().into_owned();
        let mut csv = "ts_utc,open,high,low,close\n".to_owned();
        for i in 0..60_i64 {
            let price = 100.0 + (i % 7) as f64 / 8.0;
            csv.push_str(&format!(
                "{},{price},{price},{price},{price}\n",
                UtcMillis(i * 300_000)
            ));
        }
        std::fs::write(path("BTC.csv"), csv).unwrap();
        let (features, bars, out) = (contract("technical_8"), path("BTC.csv"), path("out.csv"));
        let line = [
            "x",
            "--features",
            &features,
            "--bars",
            &bars,
            "--stamp",
            "open",
            "--out",
            &out,
        ];
        run(Line::parse_from(line).args).unwrap();
        let text = std::fs::read_to_string(&out).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines[0],
            "close_time,log_ret_5m,log_ret_1h,log_ret_4h,rsi_9,atr_pct,adx_14,position,time_normalized"
        );
        // log_ret_4h is the last to be defined, at the 49th bar.
        assert_eq!(lines.len() - 1, 60 - 48);
        assert!(lines[1].starts_with("1970-01-01T04:05:00Z,"));
        assert!(lines[1].ends_with(&format!(",0,{}", 48.0 / 288.0)));
    }

    #[test]
    fn a_series_nobody_carries_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let bars = dir.path().join("USDCOP.csv");
        std::fs::write(&bars, "time,open,high,low,close\n").unwrap();
        let (features, bars) = (contract("usdcop_15"), bars.to_string_lossy().into_owned());
        let line = [
            "x",
            "--features",
            &features,
            "--bars",
            &bars,
            "--stamp",
            "open",
            "--out",
            "never.csv",
        ];
        let error = run(Line::parse_from(line).args).unwrap_err();
        assert_eq!(error.exit(), Exit::Data);
        assert!(error.report().contains("`brent`"), "{}", error.report());
    }
}
