#!/usr/bin/env python3
"""Reference features from TA-Lib and pandas, independent of the Rust code.

    python3 regenerate.py                          write the reference files beside this script
    python3 regenerate.py --check                  compute them anew and compare with the committed ones
    python3 regenerate.py --engine target/debug/engine
                                                   compare every row of `engine features` on the real bars

Needs: pip install TA-Lib numpy pandas pyyaml. The real bars are read in place from ../shared/data beside the repository;
without them only the generated market is done, and a line says so. The reference files hold computed features of every
n-th bar, never the data itself.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import talib
import yaml

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
DATA = ROOT.parent / "shared" / "data"
FIVE_MINUTES = pd.Timedelta(minutes=5)
DELAY_DAYS = {"dxy": 0, "vix": 0, "embi": 1, "brent": 0, "usdmxn": 0, "col10y": 0, "ust10y": 1}
TOLERANCE = 1e-9


# ---- the generated market: integers only, so that Python and Rust hold the same bits -------------------------------------


def splitmix(seed):
    """SplitMix64, the stream of `market.rs` in the Rust tests."""
    mask = (1 << 64) - 1
    state = seed
    while True:
        state = (state + 0x9E3779B97F4A7C15) & mask
        z = state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
        yield z ^ (z >> 31)


def generated_bars():
    """Twelve bars from 08:00 Bogota on every week-day of 600 days; 40 flat bars first, 500 in the middle."""
    draw = splitmix(7)
    ticks, rows, i = 400_000, [], 0
    day = pd.Timestamp("2021-01-04")
    for _ in range(600):
        if day.day_of_week < 5:
            for slot in range(12):
                close_time = day + pd.Timedelta(hours=13) + (slot + 1) * FIVE_MINUTES
                flat = i < 40 or 2_000 <= i < 2_500
                up, wick, under = next(draw) % 81, next(draw) % 13, next(draw) % 13
                opened = ticks
                if flat:
                    wick = under = 0
                else:
                    ticks += up - 40
                high, low = max(opened, ticks) + wick, min(opened, ticks) - under
                rows.append((close_time.tz_localize("UTC"), opened / 100, high / 100, low / 100, ticks / 100))
                i += 1
        day += pd.Timedelta(days=1)
    return pd.DataFrame(rows, columns=["close_time", "open", "high", "low", "close"])


def generated_daily():
    """One walk per series in the order of their names, a fifth of the days blank."""
    frame = {}
    days = pd.date_range("2019-10-01", periods=1_060, freq="D")
    for number, series in enumerate(sorted(DELAY_DAYS)):
        draw = splitmix(100 + number)
        ticks, values = 50_000, []
        for _ in days:
            step, blank = next(draw) % 401, next(draw) % 5 == 0
            ticks += step - 200
            values.append(np.nan if blank else ticks / 1_000)
        frame[series] = values
    return pd.DataFrame(frame, index=days)


# ---- the features ---------------------------------------------------------------------------------------------------------


def usdcop_session(bars):
    """Monday to Friday, 08:00 to 13:00 Bogota (UTC-5 all year), listed holidays left out."""
    calendar = yaml.safe_load((ROOT / "config/calendars/usdcop.yaml").read_text())
    holidays = {pd.Timestamp(day) for day in calendar["holidays"]}
    local = (bars.close_time - FIVE_MINUTES - pd.Timedelta(hours=5)).dt.tz_localize(None)
    minute = local.dt.hour * 60 + local.dt.minute
    inside = (local.dt.day_of_week < 5) & (minute >= 480) & (minute < 780) & ~local.dt.normalize().isin(holidays)
    return bars[inside].reset_index(drop=True)


def technical(bars):
    high, low, close = (bars[c].to_numpy() for c in ("high", "low", "close"))
    out = pd.DataFrame({"close_time": bars.close_time})
    for name, k in (("log_ret_5m", 1), ("log_ret_1h", 12), ("log_ret_4h", 48)):
        out[name] = np.concatenate([np.full(k, np.nan), np.log(close[k:] / close[:-k])])
    rsi = talib.RSI(close, 9)
    # The one case in which we differ on purpose: nothing has ever moved.
    never_moved = np.cumsum(np.concatenate([[0.0], np.abs(np.diff(close))])) == 0
    out["rsi_9"] = np.where(never_moved & ~np.isnan(rsi), 50.0, rsi)
    out["natr_close"] = talib.NATR(close, close, close, 10)
    out["natr_ohlc"] = talib.NATR(high, low, close, 10)
    out["adx_close"] = talib.ADX(close, close, close, 14)
    out["adx_ohlc"] = talib.ADX(high, low, close, 14)
    return out


def as_of(series, delay_days, dates):
    """Values by the local date from which they are visible: the observation date + 1 + delay."""
    shifted = pd.Series(series.to_numpy(), index=series.index + pd.Timedelta(days=1 + delay_days))
    left = pd.DataFrame({"date": dates})
    right = pd.DataFrame({"date": shifted.index, "value": shifted.to_numpy()})
    return pd.merge_asof(left, right, on="date").value.to_numpy()


def daily_features(out, bars, daily):
    dates = (bars.close_time - pd.Timedelta(hours=5)).dt.tz_localize(None).dt.normalize().astype("datetime64[ns]")
    values = {s: daily[s].dropna() for s in DELAY_DAYS}
    for s in values:
        values[s].index = values[s].index.astype("datetime64[ns]")

    def zscore(window):
        return (window[-1] - window.mean()) / window.std(ddof=1)

    def z(s):
        score = values[s].rolling(252, min_periods=60).apply(zscore, raw=True).clip(-4, 4)
        return as_of(score, DELAY_DAYS[s], dates)

    def change(s):
        return as_of(values[s].pct_change(fill_method=None).clip(-0.10, 0.10), DELAY_DAYS[s], dates)

    def level(s):
        return as_of(values[s], DELAY_DAYS[s], dates)

    out["dxy_z"], out["dxy_change_1d"], out["vix_z"], out["embi_z"] = z("dxy"), change("dxy"), z("vix"), z("embi")
    out["brent_change_1d"] = change("brent")
    out["rate_spread"] = level("col10y") - level("ust10y")
    out["usdmxn_change_1d"] = change("usdmxn")
    minute = (bars.close_time - FIVE_MINUTES).dt.hour * 60 + (bars.close_time - FIVE_MINUTES).dt.minute
    out["time_normalized"] = (minute - 13 * 60) / 300
    return out


def usdcop(bars, daily):
    bars = usdcop_session(bars)
    return daily_features(technical(bars), bars, daily)


def eurusd(bars):
    out = technical(bars)
    opened = bars.close_time - FIVE_MINUTES
    out["time_normalized"] = (opened.dt.hour * 60 + opened.dt.minute) / 1440
    return out


# ---- the reference files --------------------------------------------------------------------------------------------------


def read_exact(path, **options):
    """A CSV whose numbers are read by Python's own float(), to the last bit."""
    frame = pd.read_csv(path, dtype=str, keep_default_na=False, **options)
    for column in frame.columns:
        if column not in ("close_time", "ts_utc", "flat", "tz_fixed", "source"):
            frame[column] = [float(text) if text else np.nan for text in frame[column]]
    return frame


def real_bars(name):
    bars = read_exact(DATA / name)
    bars["close_time"] = pd.to_datetime(bars.ts_utc, utc=True) + FIVE_MINUTES
    return bars[["close_time", "open", "high", "low", "close"]]


def real_daily():
    return read_exact(DATA / "macro_daily.csv", index_col="date", parse_dates=True)


def all_features():
    """Name of the reference → features of every bar, and which rows the file keeps."""
    made = {"generated": (usdcop(generated_bars(), generated_daily()), 23)}
    if DATA.is_dir():
        made["usdcop"] = (usdcop(real_bars("usdcop_5m.csv.gz"), real_daily()), 401)
        made["eurusd"] = (eurusd(real_bars("eurusd_5m.csv.gz")), 331)
    else:
        print(f"only the generated market: {DATA} is not there", file=sys.stderr)
    return made


def stamp(times):
    return times.dt.strftime("%Y-%m-%dT%H:%M:%SZ")


def sample(features, step):
    """Every n-th row, and the first fifteen of each operator's first values."""
    keep = np.zeros(len(features), dtype=bool)
    keep[::step] = True
    keep[9:60:3] = True
    kept = features[keep].copy()
    kept["close_time"] = stamp(kept.close_time)
    return kept


def worst(name, ours, reference, columns):
    """The largest relative difference of two columns sets; NaN must meet NaN."""
    largest = 0.0
    for mine, theirs in columns:
        a, b = ours[mine].to_numpy(float), reference[theirs].to_numpy(float)
        if not np.array_equal(np.isnan(a), np.isnan(b)):
            raise SystemExit(f"{name}: {theirs} is defined on other rows")
        scale = np.maximum(np.maximum(np.abs(a), np.abs(b)), 1e-6)
        difference = np.nan_to_num(np.abs(a - b) / scale)
        at = int(difference.argmax())
        largest = max(largest, difference[at])
        if difference[at] > TOLERANCE:
            raise SystemExit(f"{name}: {theirs} differs by {difference[at]:.3e} at row {at}: {a[at]!r} {b[at]!r}")
    return largest


def check():
    for name, (features, step) in all_features().items():
        committed = read_exact(HERE / f"{name}.csv")
        fresh = sample(features, step).reset_index(drop=True)
        if list(committed.close_time) != list(fresh.close_time):
            raise SystemExit(f"{name}.csv holds other rows; run this script without options")
        columns = [(c, c) for c in fresh.columns if c != "close_time"]
        print(f"{name}.csv: {len(fresh)} rows, largest difference {worst(name, fresh, committed, columns):.1e}")


TECHNICAL = [("log_ret_5m",) * 2, ("log_ret_1h",) * 2, ("log_ret_4h",) * 2, ("rsi_9",) * 2, ("time_normalized",) * 2]
DAILY = [(c, c) for c in ("dxy_z", "dxy_change_1d", "vix_z", "embi_z", "brent_change_1d", "rate_spread", "usdmxn_change_1d")]
CLOSE = [("atr_pct", "natr_close"), ("adx_14", "adx_close")]
OHLC = [("atr_pct", "natr_ohlc"), ("adx_14", "adx_ohlc")]


def compare_engine(engine):
    if not DATA.is_dir():
        raise SystemExit(f"{DATA} is not there")
    references = all_features()
    with tempfile.TemporaryDirectory() as folder:
        for contract, bars, reference, columns in (
            ("usdcop_15", "usdcop_5m.csv.gz", "usdcop", TECHNICAL + DAILY + CLOSE),
            ("usdcop_15_ohlc", "usdcop_5m.csv.gz", "usdcop", TECHNICAL + DAILY + OHLC),
            ("technical_8", "eurusd_5m.csv.gz", "eurusd", TECHNICAL + OHLC),
        ):
            out = Path(folder) / f"{contract}.csv"
            command = [engine, "features", "--features", ROOT / f"config/features/{contract}.yaml"]
            command += ["--bars", DATA / bars, "--stamp", "open", "--out", out]
            if reference == "usdcop":
                command += ["--macro", DATA / "macro_daily.csv", "--instrument", "USDCOP"]
            subprocess.run(command, check=True)
            ours = read_exact(out)
            expected = references[reference][0].copy()
            expected["close_time"] = stamp(expected.close_time)
            expected = expected[expected[[theirs for _, theirs in columns]].notna().all(axis=1)].reset_index(drop=True)
            if list(ours.close_time) != list(expected.close_time):
                raise SystemExit(f"{contract}: {len(ours)} rows, {len(expected)} expected")
            difference = worst(contract, ours, expected, columns)
            print(f"{contract} on {bars}: {len(ours)} rows, largest difference {difference:.1e}")


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--check", action="store_true", help="compare the committed files with fresh ones")
    arguments.add_argument("--engine", help="compare every row of this program's `features`")
    options = arguments.parse_args()
    if options.check:
        check()
    if options.engine:
        compare_engine(options.engine)
    if not options.check and not options.engine:
        for name, (features, step) in all_features().items():
            sample(features, step).to_csv(HERE / f"{name}.csv", index=False)
            print(f"{name}.csv written")


if __name__ == "__main__":
    main()
