"""Every figure of two small runs, recomputed from docs/STATISTICS.md with Python's standard library alone.

`python3 metrics.py` writes metrics.json anew, `python3 metrics.py --check` compares. The Rust test `oracle` reads the file and must find the
same figures and intervals to 1e-9. Nothing here is taken from the Rust code.
"""

import json
import math
import random
import struct
import sys
from pathlib import Path
from statistics import NormalDist

FILE = Path(__file__).with_name("metrics.json")
RESAMPLES = 10_000
PHI, QUANTILE = NormalDist().cdf, NormalDist().inv_cdf
DAY_MS, FIRST_DAY = 86_400_000, 20_000


def make(seed, capital, drift):
    """A run with some empty sessions: [day, [[close_time, equity, held], …]] and its trades."""
    rng, equity, sessions, trades, turnover = random.Random(seed), capital, [], [], 0.0
    for day in range(FIRST_DAY, FIRST_DAY + 90):
        bars = []
        for at in range(0 if rng.random() < 0.1 else rng.randint(1, 5)):
            equity = round(equity * (1 + rng.gauss(drift, 0.004)), 4)
            bars.append([day * DAY_MS + at * 300_000, equity, rng.choice([-1, 0, 1, 1])])
        for bar in bars:
            if rng.random() < 0.5:
                gross, cost = round(rng.gauss(90, 400), 4), round(rng.uniform(1, 20), 4)
                trades.append({"exit_time": bar[0], "gross": gross, "cost": cost, "net": gross - cost})
                turnover += 2 * capital
        sessions.append([day, bars])
    return {"fingerprint": f"{seed:02x}" * 32, "initial_capital": capital, "sessions_per_year": 243.0,
            "turnover": turnover, "sessions": sessions, "trades": trades}


def words(seed, stream):
    """64-bit words of ChaCha8 with the seed and zeros as its key."""
    def rotate(x, n):
        return ((x << n) & 0xFFFFFFFF) | (x >> (32 - n))

    rounds = [(0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15),
              (0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14)] * 4
    head = [0x61707865, 0x3320646E, 0x79622D32, 0x6B206574, *struct.unpack("<8I", seed + bytes(24))]
    counter = 0
    while True:
        start = head + [counter & 0xFFFFFFFF, counter >> 32, stream, 0]
        w = list(start)
        for a, b, c, d in rounds:
            w[a] = (w[a] + w[b]) & 0xFFFFFFFF
            w[d] = rotate(w[d] ^ w[a], 16)
            w[c] = (w[c] + w[d]) & 0xFFFFFFFF
            w[b] = rotate(w[b] ^ w[c], 12)
            w[a] = (w[a] + w[b]) & 0xFFFFFFFF
            w[d] = rotate(w[d] ^ w[a], 8)
            w[c] = (w[c] + w[d]) & 0xFFFFFFFF
            w[b] = rotate(w[b] ^ w[c], 7)
        out = [(x + y) & 0xFFFFFFFF for x, y in zip(w, start)]
        yield from (out[i] | out[i + 1] << 32 for i in range(0, 16, 2))
        counter += 1


def resamples(fingerprint, stream, n, block):
    source = words(bytes.fromhex(fingerprint)[:8], stream)
    for _ in range(RESAMPLES):
        rows = []
        for i in range(n):
            word = next(source)
            if i and (word & 0xFFFFFFFF) / 2**32 > 1 / block:
                rows.append((rows[-1] + 1) % n)
            else:
                rows.append((word >> 32) * n >> 32)
        yield rows


def block_length(x):
    """Politis and White (2004), corrected 2009; stationary bootstrap."""
    n = len(x)
    mean = sum(x) / n
    e = [v - mean for v in x]
    window = max(5, int(math.log10(n)))
    lags = math.ceil(math.sqrt(n)) + window
    band = 2 * math.sqrt(math.log10(n) / n)
    gamma = [sum(e[k:][i] * e[i] for i in range(n - k)) / n for k in range(lags + 1)]
    rho = [abs(gamma[k] * n) / math.sqrt(sum(v * v for v in e[k + 1:]) * sum(v * v for v in e[:n - k - 1]))
           for k in range(lags + 1)]
    m = lags
    for i in range(window, lags + 1):
        if all(r < band for r in rho[i - window:i]):
            m = min(2 * max(i - window, 1), lags)
            break
    weight = [1 if k / m <= 0.5 else 2 * (1 - k / m) for k in range(m + 1)]
    g = sum(2 * weight[k] * k * gamma[k] for k in range(1, m + 1))
    long_run = gamma[0] + sum(2 * weight[k] * gamma[k] for k in range(1, m + 1))
    best = (g * g / long_run**2) ** (1 / 3) * n ** (1 / 3)
    return min(max(best, 1), math.ceil(min(3 * math.sqrt(n), n / 3)))


def block_of(r):
    return max(block_length(r), block_length([v * v for v in r]))


def type7(ordered, p):
    h = (len(ordered) - 1) * p
    low = math.floor(h)
    return ordered[low] + (h - low) * (ordered[min(low + 1, len(ordered) - 1)] - ordered[low])


def percentile(values):
    ordered = sorted(values)
    return {"low": type7(ordered, 0.025), "high": type7(ordered, 0.975)}


def corrected(values, estimate):
    ordered = sorted(values)
    z0, z = QUANTILE(sum(v < estimate for v in ordered) / len(ordered)), QUANTILE(0.025)
    return {"low": type7(ordered, PHI(2 * z0 + z)), "high": type7(ordered, PHI(2 * z0 - z))}


def scaled(interval, factor):
    return {end: value * factor for end, value in interval.items()}


def sharpe(r):
    mean = math.fsum(r) / len(r)
    return mean / math.sqrt(math.fsum((v - mean) ** 2 for v in r) / (len(r) - 1))


def returns(run):
    before, out = run["initial_capital"], []
    for _, bars in run["sessions"]:
        end = bars[-1][1] if bars else before
        out.append(end / before - 1)
        before = end
    return out


def worst(curve):
    peak, found = curve[0], 0.0
    for value in curve:
        peak = max(peak, value)
        found = max(found, (peak - value) / peak)
    return found


def longest(curve):
    found = 0
    for at, peak in enumerate(curve):
        back = next((i for i in range(at + 1, len(curve)) if curve[i] >= peak), len(curve) - 1)
        if back > at and min(curve[at + 1:back + 1]) < peak:
            found = max(found, back - at)
    return found


def figures(run, sr0):
    r, capital, year = returns(run), run["initial_capital"], run["sessions_per_year"]
    n = len(r)
    mean = math.fsum(r) / n
    m2, m3, m4 = (math.fsum((v - mean) ** k for v in r) / n for k in (2, 3, 4))
    g3, g4, ratio = m3 / m2**1.5, m4 / m2**2, sharpe(r)
    shape = 1 - g3 * ratio + (g4 - 1) / 4 * ratio**2
    error = math.sqrt(shape / (n - 1))
    curve = [capital] + [bar[1] for _, bars in run["sessions"] for bar in bars]
    nets = [t["net"] for t in run["trades"]]
    won, lost = [x for x in nets if x > 0], [-x for x in nets if x < 0]
    gross, cost = sum(t["gross"] for t in run["trades"]), sum(t["cost"] for t in run["trades"])
    held = [bar[2] for _, bars in run["sessions"] for bar in bars]
    share, z = len(won) / len(nets), -QUANTILE(0.025)
    z2 = z * z / len(nets)
    half = z * math.sqrt((share * (1 - share) + z2 / 4) / len(nets)) / (1 + z2)
    fall = worst(curve)

    # What each session does to the equity before it, bar by bar, and the trades closed in it.
    paths, before, closed = [], capital, []
    for _, bars in run["sessions"]:
        paths.append([bar[1] / before for bar in bars])
        before = bars[-1][1] if bars else before
        times = {bar[0] for bar in bars}
        closed.append([t["net"] for t in run["trades"] if t["exit_time"] in times])
    drawn = {"sharpe": [], "drawdown": [], "total": [], "factor": [], "average": []}
    for rows in resamples(run["fingerprint"], 0, n, block_of(r)):
        drawn["sharpe"].append(sharpe([r[i] for i in rows]))
        path, level = [1.0], 1.0
        for i in rows:
            path += [level * step for step in paths[i]]
            level = path[-1]
        drawn["drawdown"].append(worst(path))
        drawn["total"].append(level - 1)
        some = [net for i in rows for net in closed[i]]
        drawn["factor"].append(sum(x for x in some if x > 0) / -sum(x for x in some if x < 0))
        drawn["average"].append(sum(some) / len(some))

    session_ci = corrected(drawn["sharpe"], ratio)
    value = lambda v, ci=None: {"value": v} | ({"ci95": ci} if ci else {})
    return {
        "sharpe_ratio": value(ratio * math.sqrt(year), scaled(session_ci, math.sqrt(year))),
        "sharpe_per_session": value(ratio, session_ci),
        "sortino_ratio": value(mean / math.sqrt(sum(min(v, 0) ** 2 for v in r) / n) * math.sqrt(year)),
        "calmar_ratio": value(((curve[-1] / capital) ** (year / n) - 1) / fall),
        "max_drawdown": value(fall, percentile(drawn["drawdown"])),
        "max_drawdown_upper95": value(type7(sorted(drawn["drawdown"]), 0.95)),
        "max_drawdown_duration_bars": longest(curve),
        "total_return": value(curve[-1] / capital - 1, percentile(drawn["total"])),
        "win_rate": value(share, {"low": (share + z2 / 2) / (1 + z2) - half, "high": (share + z2 / 2) / (1 + z2) + half}),
        "profit_factor": value(sum(won) / sum(lost), percentile(drawn["factor"])),
        "total_trades": len(nets),
        "avg_trade_pnl": value(sum(nets) / len(nets), percentile(drawn["average"])),
        "expectancy": value(sum(nets) / len(nets) / (sum(lost) / len(lost))),
        "exposure": value(sum(h != 0 for h in held) / len(held)),
        "turnover": value(run["turnover"] / capital),
        "cost_share": value(cost / gross),
        "break_even_cost_bps": value(gross / run["turnover"] * 10_000),
        "skewness": value(g3),
        "kurtosis": value(g4),
        "psr": value(PHI(ratio / error)),
        "dsr": value(PHI((ratio - sr0) / error)),
        "min_track_record_sessions": value(1 + shape * (QUANTILE(0.95) / ratio) ** 2),
        "sessions": n,
    }


def comparison(new, base):
    a, b, year = returns(new), returns(base), math.sqrt(new["sessions_per_year"])
    block = max(block_of(a), block_of(b), block_of([x - y for x, y in zip(a, b)]))
    deltas = [sharpe([a[i] for i in rows]) - sharpe([b[i] for i in rows])
              for rows in resamples(new["fingerprint"], 1, len(a), block)]
    delta, of_base = sharpe(a) - sharpe(b), sharpe(b) * year
    improved = delta * year / of_base if of_base >= 0.25 else delta * year
    return {"delta_sharpe": {"value": delta * year, "ci95": scaled(corrected(deltas, delta), year)},
            "p_better": {"value": sum(d > 0 for d in deltas) / len(deltas)},
            "sharpe_improvement": {"value": improved}}


def compute():
    new, base = make(7, 100_000.0, 0.0005), make(11, 100_000.0, 0.0002)
    ledger = {"number": 5, "declared": 2, "sharpes": [0.02, -0.1, 0.13]}
    mean = sum(ledger["sharpes"]) / 3
    variance = max(sum((s - mean) ** 2 for s in ledger["sharpes"]) / 2, 1 / (len(new["sessions"]) - 1))
    euler, trials = 0.5772156649015329, 7
    best = (1 - euler) * QUANTILE(1 - 1 / trials) + euler * QUANTILE(1 - 1 / (trials * math.e))
    return {"new": new, "base": base, "ledger": ledger,
            "expected": {"metrics": figures(new, math.sqrt(variance) * best), "comparison": comparison(new, base)}}


def alike(a, b):
    """Equal but for the last digits, in which mathematical libraries may differ."""
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(alike(a[key], b[key]) for key in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(alike, a, b))
    if isinstance(a, str) or isinstance(b, str):
        return a == b
    return math.isclose(a, b, rel_tol=1e-12, abs_tol=1e-12)


if __name__ == "__main__":
    made = json.loads(json.dumps(compute()))
    if "--check" in sys.argv[1:]:
        same = alike(made, json.loads(FILE.read_text()))
        print("metrics.json is what the script makes" if same else "metrics.json differs from what the script makes")
        sys.exit(not same)
    FILE.write_text(json.dumps(made, separators=(",", ":")) + "\n")
