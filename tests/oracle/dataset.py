#!/usr/bin/env python3
"""A dataset of the real bars, derived anew from the raw files.

    python3 dataset.py --programs target/debug     builds the baseline's dataset and checks every file of it
    python3 dataset.py --folder DIR                checks one that is there

From the raw bars and daily values it derives which bars have a row (in session, every operator settled, no series stale), their prices and
those features that need no recursion; from the Parquet tables the norm stats, `dataset_hash` by its definition, and every hash of the manifest.
Numbers must agree to 1e-9, prices and hashes exactly. (Recursive features are compared with TA-Lib in strategy/tests/oracle.)

Needs: pip install numpy pandas pyarrow pyyaml. The real data is read in place from ../shared/data beside the repository.
"""

import argparse
import hashlib
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT.parent / "shared" / "data"
EXPERIMENT = ROOT / "config/experiments/usdcop_ppo_baseline.yaml"
FEATURES = ROOT / "config/features/usdcop_15.yaml"
SPLITS = {"train": "train", "val": "validation", "test": "test"}
ZONE = "America/Bogota"
SETTLED_BARS = 280  # of ADX(14), the slowest
SETTLED_VALUES = {"macro_zscore": 252, "macro_change": 2, "macro_spread": 1}


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def same(what, found, expected):
    if found != expected:
        sys.exit(f"{what}: {found}, not {expected}")


def near(what, found, expected, tolerance=1e-9):
    found, expected = np.asarray(found, float), np.asarray(expected, float)
    scale = np.maximum(np.maximum(np.abs(found), np.abs(expected)), 1e-6)
    off = np.abs(found - expected) / scale
    if not (off <= tolerance).all():
        at = int(np.nanargmax(off))
        sys.exit(f"{what}: row {at}: {found.flat[at]}, not {expected.flat[at]}")


def raw_bars():
    """Used bars by close time: in the calendar's sessions, its holidays left out."""
    frame = pd.read_csv(DATA / "usdcop_5m.csv.gz", usecols=["ts_utc", "open", "high", "low", "close"])
    opened = pd.to_datetime(frame.pop("ts_utc"), utc=True)
    local = opened.dt.tz_convert(ZONE)
    holidays = {str(day) for day in yaml.safe_load((ROOT / "config/calendars/usdcop.yaml").read_text())["holidays"]}
    frame.index = opened + pd.Timedelta(minutes=5)
    frame["date"] = local.dt.date.astype(str).to_numpy()
    hour, weekday = local.dt.hour.to_numpy(), local.dt.day_of_week.to_numpy()
    in_session = (hour >= 8) & (hour < 13) & (weekday < 5)
    return frame[in_session & ~frame["date"].isin(holidays).to_numpy()]


def visible(series, rule, at):
    """Per bar: how many values of the series are visible, the dates' age in days, the newest and the one before."""
    from_when = (series.index + pd.Timedelta(days=1 + rule["delay_days"])).tz_localize(ZONE).tz_convert("UTC")
    count = np.searchsorted(from_when.to_numpy(), at.to_numpy(), side="right")
    values, dates = series.to_numpy(), series.index.to_numpy()
    newest = np.maximum(count - 1, 0)
    today = at.tz_convert(ZONE).tz_localize(None).normalize().to_numpy()
    age = (today - dates[newest]) / np.timedelta64(1, "D")
    return count, age, values[newest], values[np.maximum(count - 2, 0)]


def expected():
    """The rows there must be, with what can be computed without recursion."""
    bars, contract = raw_bars(), yaml.safe_load(FEATURES.read_text())
    macro = pd.read_csv(DATA / "macro_daily.csv", index_col="date", parse_dates=True)
    seen = {name: visible(macro[name].dropna(), rule, bars.index) for name, rule in contract["macro"].items()}
    settled = np.arange(len(bars)) >= SETTLED_BARS - 1
    fresh = np.ones(len(bars), bool)
    columns = {}
    for feature in contract["features"]:
        params, kind = feature.get("params", {}), feature["kind"]
        series = [params[key] for key in ("series", "minuend", "subtrahend") if key in params]
        for name in series:
            settled &= seen[name][0] >= SETTLED_VALUES[kind]
        if kind == "log_return":
            columns[feature["name"]] = np.log(bars["close"] / bars["close"].shift(params["bars"])).to_numpy()
        elif kind == "macro_change":
            _, _, newest, before = seen[series[0]]
            columns[feature["name"]] = np.clip(newest / before - 1, *feature["clip"])
        elif kind == "macro_spread":
            columns[feature["name"]] = seen[series[0]][2] - seen[series[1]][2]
    for name, rule in contract["macro"].items():
        fresh &= seen[name][1] <= rule["max_age_days"]
    rows = bars.assign(**columns)[settled & fresh]
    return rows, list(columns), [feature["name"] for feature in contract["features"]
                                 if feature["kind"] not in ("position", "session_time")]


def check(folder):
    manifest = json.loads((folder / "manifest.json").read_text())
    data = yaml.safe_load(EXPERIMENT.read_text())["data"]
    rows, computed, features = expected()
    header = ["close_time", "open", "high", "low", "close", *features]
    whole, counts = hashlib.sha256(), []
    for split, section in SPLITS.items():
        facts, window = manifest["splits"][split], {key: str(day) for key, day in data[section].items()}
        same(f"{split}: window", facts["window"], window)
        path = folder / facts["file"]
        same(f"{split}: SHA-256", sha256(path.read_bytes()), facts["sha256"])
        table = pd.read_parquet(path)
        same(f"{split}: columns", list(table.columns), header)
        wanted = rows[(rows["date"] >= window["start"]) & (rows["date"] <= window["end"])]
        times = pd.DatetimeIndex(table["close_time"])
        same(f"{split}: rows", len(table), facts["rows"])
        same(f"{split}: rows by hand", len(table), len(wanted))
        same(f"{split}: close times", bool((times == wanted.index).all()), True)
        for column in header[1:5]:
            same(f"{split}: {column}", bool((table[column].to_numpy() == wanted[column].to_numpy()).all()), True)
        for column in computed:
            near(f"{split}: {column}", table[column], wanted[column])
        matrix = np.empty((len(table), len(header)), "<f8")
        matrix[:, 1:] = table[header[1:]].to_numpy()
        matrix[:, :1].view("<i8")[:, 0] = times.as_unit("ms").asi8
        whole.update((",".join(header) + "\n").encode())
        whole.update(matrix.tobytes())
        counts.append(len(table))
        if split == "train":
            fitted, dates = table, (wanted["date"].iloc[0], wanted["date"].iloc[-1])
    same("dataset_hash", whole.hexdigest(), manifest["dataset_hash"])
    stats = (folder / "norm_stats.json").read_bytes()
    same("norm_stats_hash", sha256(stats), manifest["norm_stats_hash"])
    stats = json.loads(stats)
    about = stats["metadata"]
    same("fit", (about["fit_start"], about["fit_end"], about["sample_count"]), (*dates, len(fitted)))
    same("dataset of the fit", about["dataset_hash"], manifest["dataset_hash"])
    same("fitted features", sorted(stats["features"]), sorted(features))
    for name, found in stats["features"].items():
        column = fitted[name].to_numpy()
        near(f"mean of {name}", found["mean"], column.mean())
        near(f"std of {name}", found["std"], column.std(ddof=1))
        same(f"range of {name}", (found["min"], found["max"], found["count"]), (column.min(), column.max(), len(column)))
    print(f"dataset: {' + '.join(map(str, counts))} rows, {len(features)} features, norm stats and hashes agree")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    how = parser.add_mutually_exclusive_group(required=True)
    how.add_argument("--programs", type=Path, help="folder of the program `synthetic`")
    how.add_argument("--folder", type=Path, help="a dataset of the shipped baseline on the real bars")
    args = parser.parse_args()
    if args.folder:
        return check(args.folder)
    with tempfile.TemporaryDirectory() as home:
        folder = Path(home) / "dataset"
        words = ["dataset", "--experiment", EXPERIMENT, "--bars", DATA / "usdcop_5m.csv.gz", "--macro", DATA / "macro_daily.csv",
                 "--out", folder]
        done = subprocess.run([str(args.programs / "synthetic"), *map(str, words)], capture_output=True, text=True, cwd=ROOT)
        if done.returncode != 0:
            sys.exit(f"synthetic dataset ended with {done.returncode}:\n{done.stderr}")
        check(folder)


if __name__ == "__main__":
    main()
