//! The generated market as the files a person would have: a CSV of bars per instrument, one of macro values.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};

use contracts::bar::Stamp;
use contracts::time::DayNumber;

use super::{BAR_MS, Market};

/// Where [`Market::write`] put the files.
#[derive(Debug, Clone)]
pub struct MarketFiles {
    /// `{instrument}.csv`, in the order of the market's instruments.
    pub bars: Vec<PathBuf>,
    /// `macro.csv`.
    pub macros: PathBuf,
    /// How the bars are stamped.
    pub stamp: Stamp,
}

impl Market {
    /// Writes every instrument's bars and the macro values into `folder`; numbers in their shortest exact form.
    ///
    /// # Errors
    /// What the file system says.
    pub fn write(&self, folder: &Path, stamp: Stamp) -> io::Result<MarketFiles> {
        std::fs::create_dir_all(folder)?;
        let mut paths = Vec::new();
        for index in 0..self.instruments.len() {
            let path = folder.join(format!("{}.csv", self.instruments[index]));
            std::fs::write(&path, self.bars_csv(index, stamp))?;
            paths.push(path);
        }
        let macros = folder.join("macro.csv");
        std::fs::write(&macros, self.macro_csv())?;
        Ok(MarketFiles {
            bars: paths,
            macros,
            stamp,
        })
    }

    /// The bars of one instrument, header first.
    #[must_use]
    pub fn bars_csv(&self, instrument: usize, stamp: Stamp) -> String {
        let mut text = String::from("ts_utc,open,high,low,close,volume\n");
        for bar in &self.bars[instrument] {
            let time = match stamp {
                Stamp::Open => bar.close_time.plus_ms(-BAR_MS),
                Stamp::Close => bar.close_time,
            };
            writeln!(
                text,
                "{time},{},{},{},{},{}",
                bar.open, bar.high, bar.low, bar.close, bar.volume
            )
            .expect("a String takes all text");
        }
        text
    }

    /// The macro values, a row per date and a column per series, blank where a series has none.
    #[must_use]
    pub fn macro_csv(&self) -> String {
        let names: std::collections::BTreeSet<_> = self.macros.iter().map(|p| &p.series).collect();
        let mut rows: BTreeMap<DayNumber, BTreeMap<_, f64>> = BTreeMap::new();
        for point in &self.macros {
            rows.entry(point.date)
                .or_default()
                .insert(&point.series, point.value);
        }
        let mut text = String::from("date");
        for name in &names {
            write!(text, ",{name}").expect("a String takes all text");
        }
        text.push('\n');
        for (date, values) in rows {
            write!(text, "{date}").expect("a String takes all text");
            for name in &names {
                match values.get(name) {
                    Some(value) => write!(text, ",{value}").expect("a String takes all text"),
                    None => text.push(','),
                }
            }
            text.push('\n');
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::super::MarketSpec;
    use super::*;

    #[test]
    fn a_printed_bar_reads_back_to_the_same_bits() {
        let market = Market::generate(&MarketSpec::usdcop_like(6, "USDCOP", 10));
        let csv = market.bars_csv(0, Stamp::Open);
        let mut lines = csv.lines();
        assert_eq!(lines.next(), Some("ts_utc,open,high,low,close,volume"));
        for (line, bar) in lines.zip(&market.bars[0]) {
            let cells: Vec<&str> = line.split(',').collect();
            let open_time = contracts::time::UtcMillis::parse(cells[0]).unwrap();
            assert_eq!(Stamp::Open.close_time(open_time), bar.close_time);
            let close: f64 = cells[4].parse().unwrap();
            assert_eq!(close.to_bits(), bar.close.to_bits());
        }
        assert_eq!(csv.lines().count(), market.bars[0].len() + 1);
    }

    #[test]
    fn the_macro_file_has_a_row_per_date_and_blanks() {
        let market = Market::generate(&MarketSpec::usdcop_like(6, "USDCOP", 10));
        let csv = market.macro_csv();
        assert!(csv.starts_with("date,brent,col10y,dxy,embi,usdmxn,ust10y,vix\n"));
        assert!(csv.lines().all(|line| line.split(',').count() == 8));
        assert!(csv.contains(",,"), "some days are blank");
        assert!(csv.lines().nth(1).unwrap().starts_with("2023-"));
    }
}
