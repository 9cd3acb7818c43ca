"""Ledgers by hand: splits, dividends, delistings, rolls. A book begins with 100,000.00.

What does not belong here: rules of exchanges (`ledgers_rules.py`).
"""

from __future__ import annotations

from ledger_case import Bar, Case, Thing

A, B, WTI = "XSIM:A", "XSIM:B", "XNYM:CL"
OIL = {WTI: Thing("future", multiplier=1000)}

CASES = (
    Case(
        # 500 become 1,000; 50,000 + 1,000 * 51
        "a split that is told",
        {A: [100, 100, Bar(51, f=0.5)]},
        [(0, A, 0.5)],
        ["100000.00", "101000.00"],
        things={A: Thing(splits={2: 0.5})},
        held={A: 1000},
    ),
    Case(
        "a split that only the bar tells",
        {A: [100, 100, Bar(51, f=0.5)]},
        [(0, A, 0.5)],
        ["100000.00", "101000.00"],
        held={A: 1000},
    ),
    Case(
        # 5,055 at 10 leave 49,450; 505.5 new ones: 505, and half of one is paid with 50; 505 * 101 + 49,500
        "a reverse split pays the fraction of a share",
        {A: [10, 10, Bar(101, f=10)]},
        [(0, A, 0.50555)],
        ["100000.00", "100505.00"],
        things={A: Thing(splits={2: 10.0})},
        held={A: 505},
    ),
    Case(
        # 1,000 in cash, 500 * 99
        "a dividend in cash",
        {A: [100, 100, Bar(99, f=0.98)]},
        [(0, A, 0.5)],
        ["100000.00", "100500.00"],
        things={A: Thing(dividends={2: 2.0})},
        held={A: 500},
    ),
    Case(
        # 500 / 0.98 = 510.204... at 99 = 50,510.204
        "a dividend that only the bar tells is reinvested",
        {A: [100, 100, Bar(99, f=0.98)]},
        [(0, A, 0.5)],
        ["100000.00", "100510.20"],
    ),
    Case(
        # 150,000 - 1,000 - 500 * 99
        "who is short pays the dividend",
        {A: [100, 100, Bar(99, f=0.98)]},
        [(0, A, -0.5)],
        ["100000.00", "99500.00"],
        things={A: Thing(dividends={2: 2.0})},
    ),
    Case(
        # prices that were adjusted already: the table's split and dividend are in them
        "what the bar does not confirm is not applied",
        {A: [100, 100, 101, 101]},
        [(0, A, 0.5)],
        ["100000.00", "100500.00", "100500.00"],
        things={A: Thing(splits={2: 0.5}, dividends={3: 2.0})},
        held={A: 500},
    ),
    Case(
        # 1 on each of 500, then 1,000 shares: 50,500 + 1,000 * 50
        "a split and a dividend on one day",
        {A: [100, 100, Bar(50, f=0.495)]},
        [(0, A, 0.5)],
        ["100000.00", "100500.00"],
        things={A: Thing(splits={2: 0.5}, dividends={2: 1.0})},
        held={A: 1000},
    ),
    Case(
        # E = 99,950: 999.5 wanted, 1,000 held after the split: less than a share to sell
        "an order on the ex-date counts shares after the split",
        {A: [100, 100, Bar(50, f=0.5)]},
        [(0, A, 0.5), (1, A, 0.5)],
        ["99950.00", "99950.00"],
        [(1, A, 500, "")],
        rates={"commission": 10},
        things={A: Thing(splits={2: 0.5})},
    ),
    Case(
        # not held on the ex-date, so neither dividend nor split
        "bought on the ex-date: no dividend",
        {A: [100, Bar(98, f=0.98), 98]},
        [(0, A, 0.49)],
        ["100000.00", "100000.00"],
        things={A: Thing(dividends={1: 2.0})},
        held={A: 500},
    ),
    Case(
        # 500 * 90 on the session after the last one; the order to buy more lapses
        "a delisted share is paid out at its last close",
        {A: [100, 100, 90, None, None], B: [10] * 5},
        [(0, B, 0.0), (0, A, 0.5), (2, A, 0.9)],
        ["100000.00", "95000.00", "95000.00", "95000.00"],
        [(1, A, 500, ""), (3, A, -500, "delisting")],
        things={A: Thing(ends=2)},
        held={A: 0},
    ),
    Case(
        # 150,000 - 500 * 90
        "a delisted short is bought back at the last close",
        {A: [100, 100, 90, None], B: [10] * 4},
        [(0, B, 0.0), (0, A, -0.5)],
        ["100000.00", "105000.00", "105000.00"],
        things={A: Thing(ends=2)},
        held={A: 0},
    ),
    Case(
        # 500 * 90 * 0.7 = 31,500; the contract that expires is settled at its price: 1,000 * (41 - 40)
        "a haircut on what is delisted, none on what expires",
        {A: [100, 100, 90, None], WTI: [40, 40, 41, None], B: [10] * 4},
        [(0, B, 0.0), (0, A, 0.5), (0, WTI, 0.4)],
        ["100000.00", "96000.00", "82500.00"],
        [(1, WTI, 1, ""), (1, A, 500, ""), (3, WTI, -1, "delisting"), (3, A, -500, "delisting")],
        terms={"delisting_haircut": 0.3},
        things={A: Thing(ends=2), WTI: Thing("future", multiplier=1000, ends=2)},
        held={A: 0, WTI: 0},
    ),
    Case(
        # nobody said that it ended: its value stays, its sale waits
        "bars that just stop make no money and no cash",
        {A: [100, 100, 90, None, None], B: [10] * 5},
        [(0, B, 0.0), (0, A, 0.5), (2, A, 0.0)],
        ["100000.00", "95000.00", "95000.00", "95000.00"],
        [(1, A, 500, "")],
        held={A: 500},
    ),
    Case(
        # a listing's end with bars after it is a new symbol
        "a listing that ends while its bars go on is no delisting",
        {A: [100, 100, 90, 100]},
        [(0, A, 0.5)],
        ["100000.00", "95000.00", "100000.00"],
        things={A: Thing(ends=1)},
        held={A: 500},
    ),
    Case(
        # 120,000 / 60,000 = 2 contracts, 120.00. +2,000. At the roll 61 is 64.05: 122.00 + 128.10 are paid;
        # 64.50 - 64.05 = 0.45 on 2,000 barrels is 900
        "a roll keeps the contracts and pays two trades",
        {
            WTI: [
                Bar(60, contract="Q"),
                Bar(60, contract="Q"),
                Bar(61, contract="Q"),
                Bar(64.5, f=1.05, contract="V"),
            ]
        },
        [(0, WTI, 1.2)],
        ["99880.00", "101880.00", "102529.90"],
        [(1, WTI, 2, ""), (3, WTI, -2, "roll"), (3, WTI, 2, "roll")],
        costs={"commission": "370.10"},
        rates={"commission": 10},
        things=OIL,
        held={WTI: 2},
    ),
    Case(
        # 2 * 1,000 * 60 * (1 + 1) at 10 bp: no jump between the contracts, still two trades
        "a roll without a jump is paid, too",
        {WTI: [Bar(60, contract="Q"), Bar(60, contract="Q"), Bar(60, contract="V")]},
        [(0, WTI, 1.2)],
        ["99880.00", "99640.00"],
        rates={"commission": 10},
        things=OIL,
    ),
    Case(
        # short: two contracts bought at 60, sold at 63: 120.00 + 126.00; then -0.5 * 2,000
        "a roll of a short, told by the factor alone",
        {WTI: [60, 60, Bar(63.5, f=1.05)]},
        [(0, WTI, -1.2)],
        ["99880.00", "98634.00"],
        rates={"commission": 10},
        things=OIL,
        held={WTI: -2},
    ),
    Case(
        # WTI on 2020-04-20: no price is taken below zero; the loss of 2 * 1,000 * 10 comes with the next one
        "a price below zero is no price",
        {WTI: [20, 20, -37.63, 10], "XNYM:HO": [1.0] * 4},
        [(0, WTI, 0.4), (0, "XNYM:HO", 0.0)],
        ["100000.00", "100000.00", "80000.00"],
        things=OIL | {"XNYM:HO": Thing("future")},
    ),
)
