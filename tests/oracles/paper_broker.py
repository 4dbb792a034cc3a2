#!/usr/bin/env python3
"""The paper broker's exact rules once more, written from docs/ARCHITECTURE.md alone and in another language.

Usage: paper_broker.py QUOTES.csv[.gz] < CANDIDATES.json > TRADES.json

CANDIDATES is a list of {"kind", "lookback", "threshold", "stop", "limit", "hold_us", "bar_us", "latency_us",
"slip_micros", "size", "point_micros", "rate", "session"}; TRADES a list of lists of
[opened_us, closed_us, direction, open_micros, close_micros, reason, profit_micros]. Prices and money are whole numbers of
millionths, everything between them is a fraction: nothing rounds but a funding charge.
"""
import gzip
import json
import sys
from datetime import datetime, timedelta, timezone
from fractions import Fraction
from zoneinfo import ZoneInfo

LONDON = ZoneInfo("Europe/London")
RESET_US = 3_600_000_000


def micros(text):
    whole, _, part = text.partition(".")
    return int(whole) * 1_000_000 + int((part + "000000")[:6])


def load(path):
    """Quotes as (time in microseconds, bid, offer)."""
    opener = gzip.open if path.endswith(".gz") else open
    with opener(path, "rt") as lines:
        next(lines)
        for line in lines:
            time, bid, offer = line.rstrip("\n").split(",")[:3]
            moment = datetime.strptime(time[:19], "%Y-%m-%dT%H:%M:%S").replace(tzinfo=timezone.utc)
            part = time[20:-1] if time[19] == "." else ""
            yield int(moment.timestamp()) * 1_000_000 + int((part + "000000")[:6]), micros(bid), micros(offer)


def next_funding(time):
    """The first 22:00 London after `time`, and how often it is charged."""
    day = datetime.fromtimestamp(time // 1_000_000, timezone.utc).astimezone(LONDON).date()
    while True:
        at = int(datetime(day.year, day.month, day.day, 22, tzinfo=LONDON).timestamp()) * 1_000_000
        if at > time:
            return at, 3 if day.weekday() == 4 else 1
        day += timedelta(days=1)


def in_session(time):
    """Sun 22:00-Fri 22:00 Europe/London."""
    local = datetime.fromtimestamp(time // 1_000_000, timezone.utc).astimezone(LONDON)
    minute = local.weekday() * 1_440 + local.hour * 60 + local.minute
    return minute >= 6 * 1_440 + 22 * 60 or minute < 4 * 1_440 + 22 * 60


class Candidate:
    def __init__(self, terms):
        self.terms, self.trades, self.mids = terms, [], []
        self.order = self.position = self.last_mid = None
        self.size, self.rate = Fraction(terms["size"]), Fraction(terms["rate"])
        self.threshold = float(terms["threshold"])

    def quote(self, time, bid, offer):
        t, slip = self.terms, self.terms["slip_micros"]
        if self.order and time >= self.order["from"]:
            if time >= self.order["until"]:
                self.last_mid = bid + offer
                return
            side = self.order["side"]
            level = offer + slip if side > 0 else bid - slip
            self.position = {
                "side": side, "opened": time, "level": level, "due": time + t["hold_us"], "charged": 0,
                "stop": level - side * t["stop"] * t["point_micros"],
                "limit": level + side * t["limit"] * t["point_micros"],
                "funding": next_funding(time),
            }
            self.order = None
        elif self.position:
            p = self.position
            while time >= p["funding"][0]:
                at, times = p["funding"]
                charge = self.size * Fraction(self.last_mid, 2) / t["point_micros"] * self.rate / 365 * 1_000_000
                p["charged"] += times * round(charge)  # Python rounds halves to even
                p["funding"] = next_funding(at)
            side, price = p["side"], bid if p["side"] > 0 else offer
            if side * (price - p["stop"]) <= 0:
                self.close(time, price - side * slip, "stop")
            elif side * (price - p["limit"]) >= 0:
                self.close(time, p["limit"], "limit")
            elif time >= p["due"]:
                self.close(time, price - side * slip, "time")
        self.last_mid = bid + offer

    def close(self, time, level, reason):
        p = self.position
        profit = Fraction(p["side"] * (level - p["level"]), self.terms["point_micros"]) * self.size * 1_000_000
        assert profit.denominator == 1, "money is exact"
        row = [p["opened"], time, p["side"], p["level"], level, reason, int(profit) - p["charged"]]
        self.trades.append(row)
        self.position = None

    def bar(self, end, mid2):
        t = self.terms
        self.mids.append(mid2)
        if self.order and self.order["until"] <= end:
            self.order = None
        if len(self.mids) <= t["lookback"]:
            return
        score = self.mids[-1] / self.mids[-1 - t["lookback"]] - 1
        score = -score if t["kind"] == "mean_reversion" else score
        side = (score > self.threshold) - (score < -self.threshold)
        if side and not self.order and not self.position and (not t["session"] or in_session(end)):
            self.order = {"side": side, "from": end + t["latency_us"], "until": end + t["bar_us"]}


def main():
    candidates = [Candidate(terms) for terms in json.load(sys.stdin)]
    length = candidates[0].terms["bar_us"]
    start = last = mid2 = None
    pending = []
    for time, bid, offer in load(sys.argv[1]):
        if start is not None and time - time % length != start:
            for candidate in candidates:
                for quote in pending:
                    candidate.quote(*quote)
                candidate.bar(start + length, mid2)
            pending = []
        if last is not None and time - last > RESET_US:
            for candidate in candidates:
                candidate.mids.clear()
        start, last, mid2 = time - time % length, time, bid + offer
        pending.append((time, bid, offer))
    for candidate in candidates:
        for quote in pending:
            candidate.quote(*quote)
    json.dump([candidate.trades for candidate in candidates], sys.stdout)


main()
