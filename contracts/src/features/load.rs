//! Reading a feature contract and its calendar from YAML files.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, Visitor};

use super::{Calendar, ContractFault, FeatureContract, FeatureSpec, MacroRule, PriceBounds};
use crate::ids::{CalendarName, FeatureContractName, InstrumentId, SeriesId};

/// Why a feature contract or calendar could not be loaded; nothing was changed, correct the file and try again.
#[derive(Debug, thiserror::Error)]
pub enum LoadContractError {
    /// The file is not there or may not be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is no YAML of this shape; the message carries path, line and column.
    #[error("{}: {detail}", path.display())]
    Parse {
        /// Which file.
        path: PathBuf,
        /// What and where inside it.
        detail: String,
    },
    /// The file parses but contradicts itself.
    #[error("{}: {fault}", path.display())]
    Fault {
        /// Which file.
        path: PathBuf,
        /// What and where inside it.
        fault: ContractFault,
    },
    /// A calendar file carries another name than its stem.
    #[error("{}: the calendar is named `{found}` but the file asks for `{expected}`; make them equal", path.display())]
    CalendarName {
        /// Which file.
        path: PathBuf,
        /// The stem.
        expected: CalendarName,
        /// The name inside.
        found: CalendarName,
    },
}

/// A calendar by name, or in full.
enum CalendarRef {
    Named(CalendarName),
    Inline(Box<Calendar>),
}

impl<'de> Deserialize<'de> for CalendarRef {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct RefVisitor;
        impl<'de> Visitor<'de> for RefVisitor {
            type Value = CalendarRef;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of a calendar, or a calendar")
            }
            fn visit_str<E: de::Error>(self, name: &str) -> Result<CalendarRef, E> {
                CalendarName::parse(name)
                    .map(CalendarRef::Named)
                    .map_err(E::custom)
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<CalendarRef, A::Error> {
                let calendar = Calendar::deserialize(de::value::MapAccessDeserializer::new(map))?;
                Ok(CalendarRef::Inline(Box::new(calendar)))
            }
        }
        deserializer.deserialize_any(RefVisitor)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ContractFile {
    name: FeatureContractName,
    version: String,
    calendar: CalendarRef,
    #[serde(rename = "macro", default)]
    macro_rules: BTreeMap<SeriesId, MacroRule>,
    #[serde(default)]
    price_bounds: BTreeMap<InstrumentId, PriceBounds>,
    gap_reset_bars: Option<u32>,
    features: Vec<FeatureSpec>,
}

/// Loads a feature contract; a calendar it names is read from `../calendars/{name}.yaml` beside the file's folder.
///
/// # Errors
/// [`LoadContractError`] naming file, path and line.
pub fn load_contract(path: &Path) -> Result<FeatureContract, LoadContractError> {
    let file: ContractFile = parse(path)?;
    let calendar = match &file.calendar {
        CalendarRef::Inline(calendar) => (**calendar).clone(),
        CalendarRef::Named(name) => load_calendar(&calendar_path(path, name))?,
    };
    assembled(path, file, calendar)
}

/// The same from texts that a program carries inside; `name` stands for the path in messages. A calendar the contract names is
/// `calendar`.
///
/// # Errors
/// [`LoadContractError`] naming `name` and the line.
pub fn parse_contract(
    name: &str,
    features: &str,
    calendar: &str,
) -> Result<FeatureContract, LoadContractError> {
    let path = Path::new(name);
    let file: ContractFile = parse_text(path, features)?;
    let calendar = match &file.calendar {
        CalendarRef::Inline(calendar) => (**calendar).clone(),
        CalendarRef::Named(_) => parse_text(path, calendar)?,
    };
    assembled(path, file, calendar)
}

fn assembled(
    path: &Path,
    file: ContractFile,
    calendar: Calendar,
) -> Result<FeatureContract, LoadContractError> {
    let contract = FeatureContract {
        name: file.name,
        version: file.version,
        calendar,
        macro_rules: file.macro_rules,
        price_bounds: file.price_bounds,
        gap_reset_bars: file.gap_reset_bars,
        features: file.features,
    };
    contract.check().map_err(|fault| LoadContractError::Fault {
        path: path.to_owned(),
        fault,
    })?;
    Ok(contract)
}

/// Loads a calendar whose name is the file's stem.
///
/// # Errors
/// [`LoadContractError`] naming file, path and line.
pub fn load_calendar(path: &Path) -> Result<Calendar, LoadContractError> {
    let calendar: Calendar = parse(path)?;
    let stem = path
        .file_stem()
        .and_then(|stem| stem.to_str())
        .unwrap_or_default();
    if calendar.name.as_str() != stem {
        let expected = CalendarName::parse(stem).unwrap_or_else(|_| calendar.name.clone());
        return Err(LoadContractError::CalendarName {
            path: path.to_owned(),
            expected,
            found: calendar.name,
        });
    }
    match calendar.fault() {
        None => Ok(calendar),
        Some((at, detail)) => Err(LoadContractError::Fault {
            path: path.to_owned(),
            fault: ContractFault {
                path: at.to_owned(),
                detail,
            },
        }),
    }
}

fn calendar_path(contract: &Path, name: &CalendarName) -> PathBuf {
    let folder = contract.parent().unwrap_or_else(|| Path::new(""));
    folder.join("..").join("calendars").join(format!("{name}.yaml"))
}

fn parse<T: for<'de> Deserialize<'de>>(path: &Path) -> Result<T, LoadContractError> {
    let text = std::fs::read_to_string(path).map_err(|source| LoadContractError::Read {
        path: path.to_owned(),
        source,
    })?;
    parse_text(path, &text)
}

fn parse_text<T: for<'de> Deserialize<'de>>(path: &Path, text: &str) -> Result<T, LoadContractError> {
    serde_norway::from_str(text).map_err(|error| LoadContractError::Parse {
        path: path.to_owned(),
        detail: error.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shipped(name: &str) -> FeatureContract {
        let path = format!("{}/../config/features/{name}.yaml", env!("CARGO_MANIFEST_DIR"));
        load_contract(Path::new(&path)).unwrap()
    }

    #[test]
    fn the_shipped_contracts_load_and_the_order_of_the_fifteen_is_the_known_one() {
        let fifteen = shipped("usdcop_15");
        assert_eq!(
            fifteen.order_hash().to_hex(),
            "aa52761d1d8e4d3d6a7a004776e6865842824c336e4dbeaace8c8b15b3b92690"
        );
        let ohlc = shipped("usdcop_15_ohlc");
        assert_eq!(ohlc.order_hash(), fifteen.order_hash());
        assert_ne!(ohlc.hash(), fifteen.hash());
        assert_eq!(shipped("technical_8").width(), 8);
        let folder = format!("{}/../config/calendars", env!("CARGO_MANIFEST_DIR"));
        let fx = load_calendar(&Path::new(&folder).join("fx_24x5.yaml")).unwrap();
        assert_eq!(fx.zone, "America/New_York");
    }

    #[test]
    fn a_contract_carried_inside_is_the_one_on_disk() {
        let texts = (
            include_str!("../../../config/features/usdcop_15.yaml"),
            include_str!("../../../config/calendars/usdcop.yaml"),
        );
        let carried = parse_contract("usdcop_15", texts.0, texts.1).unwrap();
        assert_eq!(carried, shipped("usdcop_15"));
        let error = parse_contract("carried", "name: x\nextra: 1\n", "").unwrap_err();
        assert!(error.to_string().starts_with("carried: "), "{error}");
    }

    #[test]
    fn errors_name_file_path_and_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f.yaml");
        let head = "name: t\nversion: 1.0.0\ncalendar: nowhere\n";
        std::fs::write(
            &path,
            format!("{head}features:\n- {{name: r, kind: rsi, params: {{period: x}}}}\n"),
        )
        .unwrap();
        let error = load_contract(&path).unwrap_err().to_string();
        assert!(
            error.contains("f.yaml: features[0].params.period") && error.contains("line 5"),
            "{error}"
        );
        std::fs::write(&path, format!("{head}features: []\nextra: 1\n")).unwrap();
        let error = load_contract(&path).unwrap_err().to_string();
        assert!(
            error.contains("unknown field `extra`") && error.contains("line 5"),
            "{error}"
        );
        std::fs::write(&path, format!("{head}features: []\n")).unwrap();
        let error = load_contract(&path).unwrap_err().to_string();
        assert!(error.contains("nowhere.yaml"), "{error}");
    }
}
