"""Ledgers by hand: rules of exchanges as of their dates. A book begins with 100,000.00; all money is 1 here.

What does not belong here: everything that holds on all exchanges (`ledgers_trading.py`).
"""

from __future__ import annotations

from datetime import date

from ledger_case import Bar, Case, Thing

CN, US, HK = "XSHG:A", "XNAS:A", "XHKG:A"
YUAN = {"things": {CN: Thing(currency="CNY")}, "fx": {"CNY": [1.0] * 6}}
BANNED, UPTICK_CN = date(2009, 3, 2), date(2012, 3, 1)
EIGHTHS, UPTICK_US, CENTS = date(1994, 3, 1), date(1999, 3, 1), date(2012, 3, 1)

CASES = (
    Case(
        # 50,000 / 10.37 = 4,821.6: 48 lots of 100; +0.10 each
        "lots",
        {CN: [10, 10.37, 10.47]},
        [(0, CN, 0.5)],
        ["100000.00", "100480.00"],
        [(1, CN, 4800, "lot")],
        start=UPTICK_CN,
        **YUAN,
    ),
    Case(
        # 5 for 4: 6,250. 25,100 / 8 = 3,137.5: 3,112.5 to sell, 31 lots, tax 24.80; then the odd 3,150: 25.20
        "an odd lot is sold whole, and only whole",
        {CN: [10, 10, Bar(8, f=0.8), 8, 8]},
        [(0, CN, 0.5), (2, CN, 0.251), (3, CN, 0.0)],
        ["100000.00", "100000.00", "99975.20", "99950.00"],
        [(1, CN, 5000, ""), (3, CN, -3100, "lot"), (4, CN, -3150, "")],
        start=UPTICK_CN,
        **YUAN,
    ),
    Case(
        # 11.00 is the limit of 10.00: nobody sells. 50,000 / 11.5 = 4,347.8; 4,300 * 0.5
        "limit-up: no purchase, the order waits",
        {CN: [10, 11, 11.5, 12]},
        [(0, CN, 0.5)],
        ["100000.00", "100000.00", "102150.00"],
        [(2, CN, 4300, "lot")],
        start=UPTICK_CN,
        **YUAN,
    ),
    Case(
        # 9.99 * 1.1 = 10.989, which is 10.99 in ticks: at 10.98 one can buy, 50,000 / 10.98 = 4,553.7
        "below the limit as rounded to the tick",
        {CN: [9.99, 10.98]},
        [(0, CN, 0.5)],
        ["100000.00"],
        [(1, CN, 4500, "lot")],
        start=UPTICK_CN,
        **YUAN,
    ),
    Case(
        "at the limit as rounded to the tick",
        {CN: [9.99, 10.99]},
        [(0, CN, 0.5)],
        ["100000.00"],
        [],
        start=UPTICK_CN,
        **YUAN,
    ),
    Case(
        # -5,000 at 9.00, locked; sold at 8.50: 50,000 + 42,500 - tax 42.50
        "limit-down: no sale, the order waits",
        {CN: [10, 10, 9, 8.5]},
        [(0, CN, 0.5), (1, CN, 0.0)],
        ["100000.00", "95000.00", "92457.50"],
        [(1, CN, 5000, ""), (3, CN, -5000, "")],
        start=UPTICK_CN,
        **YUAN,
    ),
    Case(
        # 50,000 + 55,000 - 55
        "limit-up stops no sale",
        {CN: [10, 10, 11]},
        [(0, CN, 0.5), (1, CN, 0.0)],
        ["100000.00", "104945.00"],
        start=UPTICK_CN,
        **YUAN,
    ),
    Case(
        # the limit of an ex-date is that of the adjusted close: 10.00 * 0.5 = 5.00, so 5.50 is locked
        "a price limit is measured from the adjusted close",
        {CN: [10, Bar(5.5, f=0.5), 5.2]},
        [(0, CN, 0.52)],
        ["100000.00", "100000.00"],
        [(2, CN, 10000, "")],
        start=UPTICK_CN,
        **YUAN,
    ),
    Case(
        # one trade a session: what session 1 bought is sold by session 2; 51,000 - 51 tax + 50,000
        "T+1",
        {CN: [10, 10, 10.2]},
        [(0, CN, 0.5), (1, CN, 0.0)],
        ["100000.00", "100949.00"],
        [(1, CN, 5000, ""), (2, CN, -5000, "")],
        start=UPTICK_CN,
        **YUAN,
    ),
    Case(
        # 5,000 sold, tax 50.00; no short sales in 2009: the rest lapses
        "a sale stops at zero where short sales are banned",
        {CN: [10, 10, 10, 10]},
        [(0, CN, 0.5), (1, CN, -0.2)],
        ["100000.00", "99950.00", "99950.00"],
        [(1, CN, 5000, ""), (2, CN, -5000, "short_ban")],
        start=BANNED,
        **YUAN,
    ),
    Case(
        "no short position where short sales are banned",
        {CN: [10, 10, 11]},
        [(0, CN, -0.5)],
        ["100000.00", "100000.00"],
        [],
        start=BANNED,
        **YUAN,
    ),
    Case(
        # the ban ends on 2010-03-31, a day after the order; it has lapsed
        "a banned short sale does not wait for the end of the ban",
        {CN: [10, 10, 10.1, 10.2]},
        [(0, CN, -0.5)],
        ["100000.00", "100000.00", "100000.00"],
        [],
        start=date(2010, 3, 29),
        **YUAN,
    ),
    Case(
        # 49 is below 50: wait; 49.5 is above 49: 50,000 / 49.5 = 1,010.1; -1,010 * 0.5
        "uptick rule: no short sale at a falling price",
        {US: [50, 49, 49.5, 50]},
        [(0, US, -0.5)],
        ["100000.00", "100000.00", "99495.00"],
        [(2, US, -1010, "lot")],
        start=UPTICK_US,
    ),
    Case(
        "uptick rule: the same price is no falling price",
        {US: [50, 50]},
        [(0, US, -0.5)],
        ["100000.00"],
        [(1, US, -1000, "")],
        start=UPTICK_US,
    ),
    Case(
        # at 99 the 500 go, their sale is no short one; at 99.5: 0.5 * 99,500 / 99.5 = 500 short
        "uptick rule: the long part is sold at once, the short part waits",
        {US: [100, 100, 99, 99.5]},
        [(0, US, 0.5), (1, US, -0.5)],
        ["100000.00", "99500.00", "99500.00"],
        [(1, US, 500, ""), (2, US, -500, "short_ban"), (3, US, -500, "")],
        start=UPTICK_US,
    ),
    Case(
        # 50 * 1.00015 = 50.0075: 50.01 is paid, 49.99 received: 10.00 each for 1,000 shares
        "ticks are rounded against the trader",
        {US: [50, 50, 50]},
        [(0, US, 0.5), (1, US, 0.0)],
        ["99990.00", "99980.00"],
        [(1, US, 1000, ""), (2, US, -1000, "")],
        costs={"spread": "20.00", "commission": "0.00"},
        start=CENTS,
        rates={"half_spread": 1.5},
        held={US: 0},
    ),
    Case(
        # 48,300 / 20.125 = 2,400; 20.145125 is rounded to 20.25: an eighth each
        "a tick was an eighth in 1994",
        {US: [20.125, 20.125]},
        [(0, US, 0.483)],
        ["99700.00"],
        start=EIGHTHS,
        rates={"half_spread": 10},
    ),
    Case(
        # an average of many prices is on no tick: 1.5 bp of 50,000
        "no ticks at the volume-weighted price",
        {US: [50, Bar(50, vwap=50)]},
        [(0, US, 0.5)],
        ["99992.50"],
        start=CENTS,
        rates={"half_spread": 1.5},
        terms={"fill": "vwap"},
    ),
    Case(
        # lots of 400: 4,800; duty of 10 bp on both sides
        "a lot of the share's own, duty on purchases and sales",
        {HK: [10, 10, 10]},
        [(0, HK, 0.5), (1, HK, 0.0)],
        ["99952.00", "99904.00"],
        [(1, HK, 4800, "lot"), (2, HK, -4800, "")],
        costs={"tax": "96.00"},
        start=date(2014, 3, 3),
        things={HK: Thing(currency="HKD", lot=400, tick=0.01)},
        fx={"HKD": [1.0] * 3},
    ),
    Case(
        # Friday 10 bp of 25,000, Monday 5 bp of 25,000
        "the tax of the day: halved on 2023-08-28",
        {CN: [10, 10, 10, 10]},
        [(0, CN, 0.5), (1, CN, 0.25), (2, CN, 0.0)],
        ["100000.00", "99975.00", "99962.50"],
        costs={"tax": "37.50"},
        start=date(2023, 8, 23),
        **YUAN,
    ),
    Case(
        # a multiplier of 2 doubles the law's rate, too: 20 bp of 50,000
        "a tax times two",
        {CN: [10, 10, 10]},
        [(0, CN, 0.5), (1, CN, 0.0)],
        ["100000.00", "99900.00"],
        start=UPTICK_CN,
        rates={"multiplier": 2},
        **YUAN,
    ),
    Case(
        "a bar without volume is a halt",
        {US: [Bar(100, volume=10), Bar(100, volume=0), Bar(80, volume=10)]},
        [(0, US, 0.4)],
        ["100000.00", "100000.00"],
        [(2, US, 500, "")],
        start=CENTS,
    ),
    Case(
        # 50,000 / 11 = 4,545.4545...; fractions, at the limit, no tax
        "rules off: plain weights and prices",
        {CN: [10, 11, 12, 12]},
        [(0, CN, 0.5), (2, CN, 0.0)],
        ["100000.00", "104545.45", "104545.45"],
        start=UPTICK_CN,
        terms={"exchange_rules": False},
        **YUAN,
    ),
    Case(
        "rules off: a bar without volume is filled",
        {US: [Bar(100, volume=10), Bar(100, volume=0)]},
        [(0, US, 0.4)],
        ["100000.00"],
        [(1, US, 400, "")],
        start=CENTS,
        terms={"exchange_rules": False},
    ),
)
