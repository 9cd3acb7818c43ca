"""Ledgers by hand: holding, going short, when and how much is filled. A book begins with 100,000.00.

What does not belong here: rules of exchanges (`ledgers_rules.py`), splits, rolls (`ledgers_actions.py`),
interest, margin, currencies (`ledgers_money.py`).
"""

from __future__ import annotations

from datetime import date

from ledger_case import Bar, Case

A, B = "XSIM:A", "XSIM:B"
WEDNESDAY = date(2018, 3, 7)

CASES = (
    Case(
        # 50,000 / 100 = 500 shares; 50,000 + 500 * 110 = 105,000; 50,000 + 500 * 99 = 99,500
        "bought at the next close and held",
        {A: [90, 100, 110, 99]},
        [(0, A, 0.5)],
        ["100000.00", "105000.00", "99500.00"],
        [(1, A, 500, "")],
        held={A: 500},
    ),
    Case(
        # 500 * 100 = 50,000: 10 bp = 50, 5 bp = 25
        "commission and half spread",
        {A: [100, 100]},
        [(0, A, 0.5)],
        ["99925.00"],
        costs={"commission": "50.00", "spread": "25.00"},
        rates={"commission": 10, "half_spread": 5},
    ),
    Case(
        # the same with all rates times two: 100 + 50
        "costs times two",
        {A: [100, 100]},
        [(0, A, 0.5)],
        ["99850.00"],
        rates={"commission": 10, "half_spread": 5, "multiplier": 2},
    ),
    Case(
        # 99,950 after 50; at 120: 49,950 + 60,000 = 109,950; half of it is 458.125 shares; 41.875 to sell: 41
        # 41 * 120 = 4,920 at 10 bp = 4.92
        "the difference to the drifted position is traded and paid",
        {A: [100, 100, 120]},
        [(0, A, 0.5), (1, A, 0.5)],
        ["99950.00", "109945.08"],
        [(1, A, 500, ""), (2, A, -41, "lot")],
        rates={"commission": 10},
    ),
    Case(
        # 0.57 * 100,000 is 56,999.99999999999 in binary
        "a billionth of a share is no share less",
        {A: [100, 100]},
        [(0, A, 0.57)],
        ["100000.00"],
        [(1, A, 570, "")],
    ),
    Case(
        # 400 short at 100: 40,000 * 3.65 % / 365 = 4.00 a day; Friday one day, Monday three
        "borrow is paid for calendar days",
        {A: [100, 100, 100, 100]},
        [(0, A, -0.4)],
        ["100000.00", "99996.00", "99984.00"],
        costs={"borrow": "16.00"},
        start=WEDNESDAY,
        rates={"borrow": 365},
    ),
    Case(
        # Friday at 110: -4,000 and the fee on Thursday's 40,000: 4.00; Monday 44,000 / 10,000 * 3 = 13.20
        "borrow is paid on the value at the last close",
        {A: [100, 100, 110, 110]},
        [(0, A, -0.4)],
        ["100000.00", "95996.00", "95982.80"],
        start=WEDNESDAY,
        rates={"borrow": 365},
    ),
    Case(
        # +500 * 10 - 1,000 * 2 = 3,000
        "long and short",
        {A: [100, 100, 110], B: [50, 50, 52]},
        [(0, A, 0.5), (0, B, -0.5)],
        ["100000.00", "103000.00"],
        held={A: 500, B: -1000},
    ),
    Case(
        # E = 99,950; -0.3 E / 100 = -299.85: all 500 are sold, and 299 more; 799 * 100 at 10 bp = 79.90
        "from long to short in one trade",
        {A: [100, 100, 100]},
        [(0, A, 0.5), (1, A, -0.3)],
        ["99950.00", "99870.10"],
        [(1, A, 500, ""), (2, A, -799, "lot")],
        rates={"commission": 10},
    ),
    Case(
        "an instrument without a row keeps its position",
        {A: [100, 100, 100], B: [20, 20, 20]},
        [(0, A, 0.5), (1, B, 0.2)],
        ["100000.00", "100000.00"],
        held={A: 500, B: 1000},
    ),
    Case(
        # 2,500 at 20; no bar at session 2; sold at 30: 50,000 + 75,000
        "a halt: what is held keeps its value, the order waits",
        {A: [10, 10, 10, 10], B: [20, 20, None, 30]},
        [(0, A, 0.0), (0, B, 0.5), (1, B, 0.0)],
        ["100000.00", "100000.00", "125000.00"],
        [(1, B, 2500, ""), (3, B, -2500, "")],
    ),
    Case(
        "a newer decision replaces the order that waits",
        {A: [10, 10, 10], B: [100, None, 100]},
        [(0, A, 0.0), (0, B, 0.5), (1, B, 0.2)],
        ["100000.00", "100000.00"],
        [(2, B, 200, "")],
    ),
    Case(
        # decided at 0, due at 2: 55,000 / 110 = 500
        "a delay of two sessions",
        {A: [90, 100, 110, 120]},
        [(0, A, 0.55)],
        ["100000.00", "100000.00", "105000.00"],
        [(2, A, 500, "")],
        terms={"delay": 2},
    ),
    Case(
        # 500 at the open of 100, +10 by the close; then +10 again
        "filled at the open, marked at the close",
        {A: [100, Bar(110, open=100), Bar(120, open=115)]},
        [(0, A, 0.5)],
        ["105000.00", "110000.00"],
        terms={"fill": "open"},
    ),
    Case(
        # 50,000 + 500 * 108; what comes after the open is nobody's
        "sold at the open: the night is earned, the day is not",
        {A: [100, Bar(110, open=100), Bar(150, open=108)]},
        [(0, A, 0.5), (1, A, 0.0)],
        ["105000.00", "104000.00"],
        terms={"fill": "open"},
    ),
    Case(
        # at the open E = 50,000 + 500 * 120 = 110,000: 5,500 B at 10; cash -5,000; 50,000 + 60,500 - 5,000
        "an order at the open is sized with the equity at the open",
        {
            A: [100, Bar(100, open=100), Bar(100, open=120)],
            B: [10, Bar(10, open=10), Bar(11, open=10)],
        },
        [(0, A, 0.5), (1, B, 0.5)],
        ["100000.00", "105500.00"],
        terms={"fill": "open"},
        held={A: 500, B: 5500},
    ),
    Case(
        # 51,000 / 102 = 500, +2 each by the close
        "filled at the volume-weighted price",
        {A: [100, Bar(104, vwap=102)]},
        [(0, A, 0.51)],
        ["101000.00"],
        terms={"fill": "vwap"},
    ),
    Case(
        # A bar without an open is a halt for who trades at the open.
        "no fill price, no fill",
        {A: [100, Bar(100), Bar(100, open=80)]},
        [(0, A, 0.4)],
        ["100000.00", "110000.00"],
        [(2, A, 500, "")],
        terms={"fill": "open"},
    ),
    Case(
        # a tenth of 2,000 a session; 20.00; E 99,980 wants 499.9, 200 more, 20.00; 499.8: 99, 9.90
        "partial fills: a tenth of the volume a session",
        {A: [Bar(100, volume=2000)] * 4},
        [(0, A, 0.5)],
        ["99980.00", "99960.00", "99950.10"],
        [(1, A, 200, "participation"), (2, A, 200, "participation"), (3, A, 99, "lot")],
        rates={"commission": 10},
        terms={"participation": 0.1},
    ),
    Case(
        "a partial fill's rest ends with the next decision",
        {A: [Bar(100, volume=2000)] * 4},
        [(0, A, 0.5), (1, A, 0.1)],
        ["100000.00"] * 3,
        [(1, A, 200, "participation"), (2, A, -100, "")],
        terms={"participation": 0.1},
    ),
    Case(
        # nothing was traded on session 1, so nothing can be
        "no participation without a volume",
        {A: [Bar(100, volume=2000), Bar(100), Bar(100, volume=2000)]},
        [(0, A, 0.2)],
        ["100000.00"] * 2,
        [(2, A, 200, "")],
        terms={"participation": 0.1},
    ),
)
