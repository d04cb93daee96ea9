#!/usr/bin/env python3
"""A backtest of the real bars, derived anew from its decisions.

    python3 metrics.py --programs target/debug     runs `control backtest` and checks what it wrote

From the run it takes what was decided at each bar, the dates of the sessions, and the fingerprint (the seed of the intervals). Fills, equity,
trades, session returns, every figure and every interval are computed from these, the raw bars and the experiment's settings, after
docs/STATISTICS.md, and must agree to 1e-9. The same run bar by bar, in one thread, in two, and of the same model out of a contract must leave
the same tables and figures, bit for bit.

Needs: pip install numpy pandas pyarrow pyyaml. The real bars are read in place from ../shared/data beside the repository.
"""

import argparse
import json
import math
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import NormalDist

import numpy as np
import pandas as pd
import yaml

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT.parent / "shared" / "data"
RESAMPLES = 10_000
NORMAL = NormalDist()
# (name, changes of the experiment's environment section)
VARIANTS = [
    ("hold, next open", {"transaction_cost_bps": 0.2, "slippage_bps": 0.1}),
    ("flatten, same close, stale after 3", {
        "transaction_cost_bps": 0.0, "slippage_bps": 0.05, "overnight": "flatten", "fill": "same_close", "stale_after_bars": 3,
        "position_size": 0.5}),
    ("ruined by its costs", {"transaction_cost_bps": 75.0}),
]


# ---- the run -------------------------------------------------------------------------------------------------------------


def run(programs, *words):
    done = subprocess.run([str(programs / words[0]), *map(str, words[1:])], capture_output=True, text=True, cwd=ROOT)
    if done.returncode != 0:
        sys.exit(f"{words[0]} {words[1]} ended with {done.returncode}:\n{done.stderr}")
    return done.stdout


def prepared(programs, folder):
    """A seeded policy, and norm stats of the real features up to the end of the experiment's training window."""
    shipped = yaml.safe_load((ROOT / "config/experiments/usdcop_ppo_baseline.yaml").read_text())
    bars = ["--bars", DATA / "usdcop_5m.csv.gz", "--stamp", "open", "--macro", DATA / "macro_daily.csv"]
    run(programs, "engine", "features", "--features", "config/features/usdcop_15.yaml", *bars, "--instrument", "USDCOP",
        "--out", folder / "features.csv")
    lines = (folder / "features.csv").read_text().splitlines(keepends=True)
    end = str(shipped["data"]["train"]["end"])
    (folder / "train.csv").write_text(lines[0] + "".join(line for line in lines[1:] if line[:10] < end))
    run(programs, "synthetic", "norm-stats", "--features", folder / "train.csv", "--out", folder / "norm_stats.json")
    run(programs, "synthetic", "policy", "--actions", "continuous", "--out", folder / "policy.onnx")
    run(programs, "engine", "contract", "make", "--model", folder / "policy.onnx", "--norm-stats", folder / "norm_stats.json",
        "--features", "config/features/usdcop_15.yaml", "--slot", "usdcop-5m", "--key", folder / "key", "--out", folder / "made")
    return shipped, bars


def backtest(programs, folder, bars, experiment, name, *how):
    out = folder / name
    model = ["--model", folder / "policy.onnx", "--norm-stats", folder / "norm_stats.json"]
    if "--contract" in how:
        model, how = ["--contract", folder / "made/contract.json", "--artifacts", folder / "made/artifacts"], how[1:]
    run(programs, "control", "backtest", "--unregistered", "--experiment", experiment, *model, *bars, "--out", out,
        "--report", out / "report.html", *how)
    return out


# ---- equity and trades from what was decided ------------------------------------------------------------------------------


def raw_bars():
    """Used bars by close time: sessions of the calendar, its holidays left out."""
    frame = pd.read_csv(DATA / "usdcop_5m.csv.gz", usecols=["ts_utc", "open", "high", "low", "close"])
    opened = pd.to_datetime(frame.pop("ts_utc"), utc=True)
    calendar = yaml.safe_load((ROOT / "config/calendars/usdcop.yaml").read_text())
    holidays = {str(day) for day in calendar["holidays"]}
    frame.index = opened + pd.Timedelta(minutes=5)
    frame["date"] = opened.dt.tz_convert("America/Bogota").dt.date.astype(str).to_numpy()
    frame = frame[~frame["date"].isin(holidays)]
    same = (frame["close"].diff() == 0).to_numpy()
    count, unchanged = 0, []
    for repeated in same:
        count = count + 1 if repeated else 0
        unchanged.append(count)
    frame["unchanged"] = unchanged
    return frame


def walk(bars, decided, settings):
    """Per bar: position at its close, equity, cost; and the trades."""
    capital, rate = settings["initial_capital"], (settings["transaction_cost_bps"] + settings["slippage_bps"]) / 1e4
    work, at_close = capital * settings["position_size"], settings["fill"] == "same_close"
    cash, position, quantity, entry = capital, 0, 0.0, None
    rows, trades, turnover, paid = [], [], 0.0, 0.0

    def change(to, price, close_time, closes, forced):
        nonlocal cash, position, quantity, entry, turnover, paid
        if to == position:
            return
        if position:
            gross = position * quantity * (price - entry["price"])
            cost = quantity * price * rate
            turnover, paid, cash = turnover + quantity * price, paid + cost, cash - cost + gross
            trades.append({"entry_time": entry["time"], "exit_time": close_time, "position": position, "quantity": quantity,
                           "entry_price": entry["price"], "exit_price": price, "gross": gross, "cost": entry["cost"] + cost,
                           "net": gross - entry["cost"] - cost, "bars": closes - entry["closes"], "forced": forced})
        if to:
            quantity = work / price
            cost = quantity * price * rate
            turnover, paid, cash = turnover + quantity * price, paid + cost, cash - cost
            entry = {"price": price, "time": close_time, "cost": cost, "closes": closes}
        position = to

    dates = bars["date"].to_numpy()
    table = zip(bars.index, bars["open"], bars["close"], bars["unchanged"], decided)
    for at, (time, opened, close, unchanged, decision) in enumerate(table):
        stale = unchanged >= settings["stale_after_bars"]
        if not at_close and not stale:
            change(decided[at - 1] if at else 0, opened, time, at, False)
        held = position
        if at_close and not stale:
            change(decision, close, time, at + 1, False)
        last = at + 1 == len(bars)
        if last or settings["overnight"] == "flatten" and dates[at + 1] != dates[at]:
            change(0, close, time, at + 1, last)
        equity = cash + position * quantity * (close - entry["price"] if position else 0.0)
        if equity <= 0:
            change(0, close, time, at + 1, True)
            equity = cash
        rows.append((held, equity, paid))
        paid = 0.0
        if equity <= 0:
            break
    return pd.DataFrame(rows, columns=["held", "equity", "cost"], index=bars.index[: len(rows)]), pd.DataFrame(trades), turnover


# ---- resamples -------------------------------------------------------------------------------------------------------------


def chacha8(key, count):
    """The first `count` 64-bit words of ChaCha8 with the eight bytes of `key` and zeros as its key."""
    blocks = -(-count // 8)
    state = np.zeros((16, blocks), dtype=np.uint32)
    state[:4] = np.array([0x61707865, 0x3320646E, 0x79622D32, 0x6B206574], dtype=np.uint32)[:, None]
    state[4:6] = np.frombuffer(key, dtype="<u4")[:, None]
    state[12] = np.arange(blocks, dtype=np.uint32)
    w = state.copy()
    rounds = [(0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15), (0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14)]
    for a, b, c, d in rounds * 4:
        for p, q, r, n in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
            w[p] += w[q]
            w[r] ^= w[p]
            w[r] = (w[r] << np.uint32(n)) | (w[r] >> np.uint32(32 - n))
    w += state
    words = w.T.reshape(-1).astype(np.uint64)
    return (words[0::2] | (words[1::2] << np.uint64(32)))[:count]


def block_length(x):
    """Politis and White (2004), corrected 2009."""
    n = len(x)
    e = x - x.mean()
    window = max(5, int(math.log10(n)))
    lags = math.ceil(math.sqrt(n)) + window
    band = 2 * math.sqrt(math.log10(n) / n)
    gamma = np.array([np.dot(e[k:], e[: n - k]) / n for k in range(lags + 1)])
    rho = [abs(gamma[k] * n) / math.sqrt(np.dot(e[k + 1:], e[k + 1:]) * np.dot(e[: n - k - 1], e[: n - k - 1])) for k in range(lags + 1)]
    m = next((min(2 * max(i - window, 1), lags) for i in range(window, lags + 1) if max(rho[i - window:i]) < band), lags)
    k = np.arange(1, m + 1)
    weight = np.where(k / m <= 0.5, 1.0, 2 * (1 - k / m))
    g, long_run = 2 * np.sum(weight * k * gamma[1: m + 1]), gamma[0] + 2 * np.sum(weight * gamma[1: m + 1])
    best = (g * g / long_run**2) ** (1 / 3) * n ** (1 / 3)
    return min(max(best, 1), math.ceil(min(3 * math.sqrt(n), n / 3)))


def drawn_rows(fingerprint, n, block):
    words = chacha8(bytes.fromhex(fingerprint)[:8], RESAMPLES * n).reshape(RESAMPLES, n)
    fresh = ((words >> np.uint64(32)) * np.uint64(n) >> np.uint64(32)).astype(np.int64)
    goes_on = (words & np.uint64(0xFFFFFFFF)).astype(np.float64) / 2**32 > 1 / block
    rows = np.empty((RESAMPLES, n), dtype=np.int64)
    rows[:, 0] = fresh[:, 0]
    for i in range(1, n):
        rows[:, i] = np.where(goes_on[:, i], (rows[:, i - 1] + 1) % n, fresh[:, i])
    return rows


def resampled(rows, returns, paths, closed):
    """Sharpe ratio per session, drawdown, total return, profit factor and mean net of every resample."""
    picked = returns[rows]
    deviation = picked.std(axis=1, ddof=1)
    sharpe = picked.mean(axis=1) / np.where(deviation == 0, np.nan, deviation)
    # Of each session: its end, its top, its bottom (of the equity before it), and the worst fall inside it.
    end = np.array([path[-1] if len(path) else 1.0 for path in paths])
    top = np.array([path.max() if len(path) else 0.0 for path in paths])
    bottom = np.array([path.min() if len(path) else np.inf for path in paths])
    inside = np.array([np.max(1 - path / np.maximum.accumulate(path)) if len(path) else 0.0 for path in paths])
    level, peak, worst = np.ones(RESAMPLES), np.ones(RESAMPLES), np.zeros(RESAMPLES)
    for i in range(rows.shape[1]):
        s = rows[:, i]
        worst = np.maximum(worst, np.maximum(inside[s], 1 - level * bottom[s] / peak))
        peak = np.maximum(peak, level * top[s])
        level = level * end[s]
    won = np.array([nets[nets > 0].sum() for nets in closed])[rows].sum(axis=1)
    lost = -np.array([nets[nets < 0].sum() for nets in closed])[rows].sum(axis=1)
    count = np.array([len(nets) for nets in closed])[rows].sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        factor, average = np.where(lost > 0, won / lost, np.nan), np.where(count > 0, (won - lost) / count, np.nan)
    return sharpe, worst, level - 1, factor, average


def percentile(values):
    low, high = np.quantile(values[~np.isnan(values)], [0.025, 0.975])
    return {"low": low, "high": high}


def corrected(values, estimate):
    values = values[~np.isnan(values)]
    z0, z = NORMAL.inv_cdf(np.mean(values < estimate)), NORMAL.inv_cdf(0.025)
    low, high = np.quantile(values, [NORMAL.cdf(2 * z0 + z), NORMAL.cdf(2 * z0 - z)])
    return {"low": low, "high": high}


# ---- figures ---------------------------------------------------------------------------------------------------------------


def longest_fall(curve):
    peak_at, found = 0, 0
    for at in range(1, len(curve)):
        if curve[at] >= curve[peak_at]:
            found = max(found, at - peak_at if at - peak_at > 1 else 0)
            peak_at = at
    return max(found, len(curve) - 1 - peak_at)


def figure(value, interval=None):
    return {"value": value} | ({"ci95": interval} if interval else {})


def none(why):
    return {"value": None, "undefined": why}


def figures(equity, trades, turnover, dates, returns, summary):
    capital, year = summary["settings"]["initial_capital"], summary["sessions_per_year"]
    ruined = summary["ruined"] is not None
    curve = np.concatenate([[capital], equity["equity"].to_numpy()])
    nets, gross, cost = trades["net"].to_numpy(), trades["gross"].sum(), trades["cost"].sum()
    won, lost = nets[nets > 0], -nets[nets < 0]
    n, share, z = len(returns), len(won) / len(nets), -NORMAL.inv_cdf(0.025)
    z2 = z * z / len(nets)
    half = z * math.sqrt((share * (1 - share) + z2 / 4) / len(nets)) / (1 + z2)
    found = {
        "max_drawdown_duration_bars": longest_fall(curve),
        "win_rate": figure(share, {"low": (share + z2 / 2) / (1 + z2) - half, "high": (share + z2 / 2) / (1 + z2) + half}),
        "total_trades": len(nets),
        "expectancy": figure(nets.mean() / lost.mean()),
        "exposure": figure(float(np.mean(equity["held"] != 0))),
        "turnover": figure(turnover / capital),
        "cost_share": figure(cost / gross) if gross > 0 else none("not_above"),
        "break_even_cost_bps": figure(gross / turnover * 1e4),
        "dsr": none("no_data"),
        "test_period_start": dates[0], "test_period_end": dates[-1], "sessions": n,
    }
    total, factor, average = curve[-1] / capital - 1, won.sum() / lost.sum(), nets.mean()
    if ruined:
        names = ["sharpe_ratio", "sharpe_per_session", "sortino_ratio", "calmar_ratio", "skewness", "kurtosis", "psr",
                 "min_track_record_sessions"]
        return found | {name: none("ruined") for name in names} | {
            "max_drawdown": figure(1.0), "max_drawdown_upper95": figure(1.0), "total_return": figure(total),
            "profit_factor": figure(factor), "avg_trade_pnl": figure(average)}

    before, paths, closed = capital, [], []
    for date in dates:
        of_day = equity["equity"].to_numpy()[(equity["date"] == date).to_numpy()]
        paths.append(of_day / before)
        before = of_day[-1] if len(of_day) else before
        closed.append(trades["net"].to_numpy()[(trades["exit_date"] == date).to_numpy()])
    block = max(block_length(returns), block_length(returns**2))
    sharpes, falls, totals, factors, averages = resampled(drawn_rows(summary["fingerprint"], n, block), returns, paths, closed)
    mean, deviation = returns.mean(), returns.std(ddof=1)
    m2, m3, m4 = (np.mean((returns - mean) ** k) for k in (2, 3, 4))
    g3, g4, ratio = m3 / m2**1.5, m4 / m2**2, mean / deviation
    shape = 1 - g3 * ratio + (g4 - 1) / 4 * ratio**2
    ci, root = corrected(sharpes, ratio), math.sqrt(year)
    fall = float(np.max(1 - curve / np.maximum.accumulate(curve)))
    return found | {
        "sharpe_ratio": figure(ratio * root, {end: value * root for end, value in ci.items()}),
        "sharpe_per_session": figure(ratio, ci),
        "sortino_ratio": figure(mean / math.sqrt(np.sum(np.minimum(returns, 0) ** 2) / n) * root),
        "calmar_ratio": figure(((curve[-1] / capital) ** (year / n) - 1) / fall),
        "max_drawdown": figure(fall, percentile(falls)),
        "max_drawdown_upper95": figure(np.quantile(falls, 0.95)),
        "total_return": figure(total, percentile(totals)),
        "profit_factor": figure(factor, percentile(factors)),
        "avg_trade_pnl": figure(average, percentile(averages)),
        "skewness": figure(g3), "kurtosis": figure(g4),
        "psr": figure(NORMAL.cdf(ratio / math.sqrt(shape / (n - 1)))),
        "min_track_record_sessions": figure(1 + shape * (NORMAL.inv_cdf(0.95) / ratio) ** 2) if ratio > 0 else none("not_above"),
    }


# ---- comparison ------------------------------------------------------------------------------------------------------------


def differences(ours, theirs, path=""):
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for name in sorted(ours.keys() | theirs.keys()):
            yield from differences(ours.get(name), theirs.get(name), f"{path}/{name}")
    elif isinstance(ours, (int, float, np.floating)) and isinstance(theirs, (int, float)):
        if not math.isclose(ours, theirs, rel_tol=1e-9, abs_tol=1e-9):
            yield f"{path}: {theirs!r}, derived {ours!r}"
    elif ours != theirs:
        yield f"{path}: {theirs!r}, derived {ours!r}"


def columns(ours, theirs, names, what):
    if len(ours) != len(theirs):
        yield f"{what}: {len(theirs)} rows, derived {len(ours)}"
        return
    for name in names:
        a, b = ours[name].to_numpy(), theirs[name].to_numpy()
        same = np.isclose(a.astype(float), b.astype(float), rtol=1e-9, atol=1e-9) if a.dtype.kind in "fiub" else a == b
        if not same.all():
            at = int(np.argmin(same))
            yield f"{what}, row {at}, {name}: {b[at]!r}, derived {a[at]!r}; {int((~same).sum())} rows differ"


def check(out, raw):
    summary = json.loads((out / "metrics.json").read_text())
    theirs, their_trades = pd.read_parquet(out / "equity.parquet"), pd.read_parquet(out / "trades.parquet")
    dates = [session["session"] for session in summary["sessions"]]
    in_window = raw[(raw["date"] >= dates[0]) & (raw["date"] <= dates[-1])]
    times = theirs["close_time"].dt.as_unit("ms")
    if not set(times) <= set(in_window.index.as_unit("ms")):
        return ["a bar of the run is no bar of the file"]
    used = raw.loc[pd.DatetimeIndex(times)]
    if not in_window.index[: len(used)].equals(used.index):
        left_out = in_window.index[: len(used)].difference(used.index)
        print(f"  left out by the strategy: {len(left_out)} bars")
    ours, trades, turnover = walk(used, theirs["decided"].tolist(), summary["settings"])
    ours["date"], ours["open"], ours["close"] = used["date"].to_numpy(), used["open"].to_numpy(), used["close"].to_numpy()
    trades["exit_date"] = ours.loc[pd.DatetimeIndex(trades["exit_time"]), "date"].to_numpy()
    for name in ("entry_time", "exit_time"):
        trades[name] = pd.DatetimeIndex(trades[name]).as_unit("ms").astype("int64")
        their_trades[name] = pd.DatetimeIndex(their_trades[name]).as_unit("ms").astype("int64")
    found = list(columns(ours, theirs, ["open", "close", "held", "equity", "cost"], "equity"))
    found += columns(trades, their_trades, [name for name in trades.columns if name != "exit_date"], "trades")
    last = ours.groupby("date")["equity"].last()
    before, returns = summary["settings"]["initial_capital"], []
    for date in dates:
        returns.append(last.get(date, before) / before - 1)
        before = last.get(date, before)
    found += differences(returns and dict(zip(dates, returns)), {s["session"]: s["value"] for s in summary["sessions"]}, "sessions")
    return found + list(differences(figures(ours, trades, turnover, dates, np.array(returns), summary), summary["metrics"]))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--programs", type=Path, required=True, help="the folder with engine, control and synthetic")
    parser.add_argument("--keep", type=Path, help="leave everything in this folder")
    asked = parser.parse_args()
    programs = asked.programs.resolve()
    with tempfile.TemporaryDirectory() as made:
        folder = (asked.keep or Path(made)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        shipped, bars = prepared(programs, folder)
        raw, broken = raw_bars(), 0
        for number, (name, changes) in enumerate(VARIANTS):
            shipped["experiment"]["name"] = f"oracle_{number}"
            experiment = folder / f"experiment{number}.yaml"
            experiment.write_text(yaml.safe_dump(shipped | {"environment": shipped["environment"] | changes}))
            out = backtest(programs, folder, bars, experiment, f"run{number}", "--threads", "2")
            found = check(out, raw)
            others = [["--threads", "1"], ["--bar-by-bar"], ["--threads", "2"], ["--contract"]] if number == 0 else []
            for how in others:
                again = backtest(programs, folder, bars, experiment, f"again{number}", *how)
                for file in ("equity.parquet", "trades.parquet", "metrics.json"):
                    if (out / file).read_bytes() != (again / file).read_bytes():
                        found.append(f"{file} with {' '.join(how)} is another")
            trades = len(pd.read_parquet(out / "trades.parquet"))
            print(f"backtest, {name}: {trades} trades, {'differs' if found else 'agrees to 1e-9'}")
            for line in found[:20]:
                print(f"  {line}")
            broken += bool(found)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
