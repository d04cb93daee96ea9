"""The rows of a split as the model will see them: normalised features, then the two state features."""

import json
from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow.parquet

BAR_MS = 300_000
CLIP = 5.0  # of every normalised feature


class Market:
    """One split: observations without the position, and the return from each bar's fill to the next."""

    def __init__(self, job, path):
        rows = pyarrow.parquet.read_table(path).to_pydict()
        with open(job["norm_stats"], encoding="utf-8") as file:
            stats = json.load(file)["features"]
        names = [feature["name"] for feature in job["feature_contract"]["features"]]
        self.width, self.position_at = len(names), names.index("position") if "position" in names else None
        close_times = [millis(value) for value in rows["close_time"]]
        self.rows = np.zeros((len(close_times), self.width), np.float32)
        for column, name in enumerate(names):
            if name in stats:
                scale = stats[name]["std"] if stats[name]["std"] >= 1e-8 else 1.0
                z = (np.asarray(rows[name]) - stats[name]["mean"]) / scale
                self.rows[:, column] = np.clip(z, -CLIP, CLIP)
            elif name == "time_normalized":
                self.rows[:, column] = through_the_session(close_times, job["feature_contract"]["calendar"])
        opens = np.asarray(rows["open"])
        # A decision at bar t fills at the open of t + 1 and is held at least to that of t + 2.
        self.returns = np.zeros(len(opens))
        self.returns[:-2] = opens[2:] / opens[1:-1] - 1.0
        self.volatility = float(np.std(self.returns)) or 1.0

    def __len__(self):
        return len(self.rows)

    def observe(self, at, position):
        """What the model sees at a bar while it holds a position."""
        row = self.rows[at].copy()
        if self.position_at is not None:
            row[self.position_at] = position
        return row

    def next_return(self, at):
        """Of one unit long from the fill after this bar to the next one's."""
        return self.returns[at]


def millis(value):
    """A close time as milliseconds since 1970, however the reader shows it."""
    return int(value.timestamp() * 1000) if isinstance(value, datetime) else int(value)


def through_the_session(close_times, calendar):
    """Share of the session that has passed at each bar's open; of the day where a session is a whole day."""
    zone = ZoneInfo(calendar["zone"])
    sessions = calendar["sessions"]
    begin, end = (minutes(sessions[0][side]) for side in ("open", "close"))
    length = (end - begin) % 1440 or 1440
    shares = []
    for close in close_times:
        local = datetime.fromtimestamp((close - BAR_MS) / 1000, zone)
        since = local.hour * 60 + local.minute - begin
        shares.append(min(max(since / length, 0.0), 1.0))
    return np.asarray(shares, np.float32)


def minutes(clock):
    """Minutes since midnight of HH:MM."""
    hour, minute = clock.split(":")[:2]
    return int(hour) * 60 + int(minute)
