"""Ledgers by hand: interest, impact, margin, closed books, currencies. A book begins with 100,000.00.

What does not belong here: rules of exchanges (`ledgers_rules.py`).
"""

from __future__ import annotations

from datetime import date

from ledger_case import Bar, Case, Thing

A, B, WTI, COIN = "XSIM:A", "XSIM:B", "XNYM:CL", "BINANCE:BTCUSDT"
EURO_SHARE, BUND, POUND = "XNYS:EU", "XEUR:FGBL", "FXCM:GBPUSD"
WEDNESDAY = date(2018, 3, 7)
LEVERAGE = {"initial_margin": 0.5, "maintenance_margin": 0.4}

# Closes of 100 and 101 in turn: each return is +- ln(1.01) = 0.00995033; over twenty the mean is 0 and the
# standard deviation (n - 1) 0.00995033 * sqrt(20 / 19) = 0.0102088. Value traded 1,000,000 a session.
RESTLESS = [Bar(100 + i % 2, turnover=1e6) for i in range(21)]

CASES = (
    Case(
        # 2,000 at 100 borrow 100,000: 3.65 % is 10.00 a day; over the weekend 100,010 * 3 / 10,000 = 30.003
        "negative cash pays the spread",
        {A: [100, 100, 100, 100]},
        [(0, A, 2.0)],
        ["100000.00", "99990.00", "99960.00"],
        costs={"financing": "40.00"},
        start=WEDNESDAY,
        terms={"financing_spread": 0.0365},
    ),
    Case(
        # 50,000 of cash: 5.00; 50,005 * 3 / 10,000 = 15.0015
        "cash earns the cash rate",
        {A: [100, 100, 100, 100]},
        [(0, A, 0.5)],
        ["100000.00", "100005.00", "100020.00"],
        costs={"financing": "-20.00"},
        start=WEDNESDAY,
        terms={"cash_rate": 0.0365},
    ),
    Case(
        # 150,000 of cash
        "proceeds of a short sale earn the cash rate",
        {A: [100, 100, 100]},
        [(0, A, -0.5)],
        ["100000.00", "100015.00"],
        start=WEDNESDAY,
        terms={"cash_rate": 0.0365},
    ),
    Case(
        # nothing is paid for two contracts: all 100,000 earn 10.00
        "a future needs no financing",
        {WTI: [100, 100, 100]},
        [(0, WTI, 2.0)],
        ["100000.00", "100010.00"],
        start=WEDNESDAY,
        terms={"cash_rate": 0.0365, "financing_spread": 0.05},
        things={WTI: Thing("future", multiplier=1000)},
    ),
    Case(
        # 400 at 100 = 40,000, a 25th of the volume: 0.0102088 * 0.2 = 20.4176 bp, 81.67
        "square-root impact",
        {A: [*RESTLESS, Bar(100)]},
        [(20, A, 0.4)],
        ["99918.33"],
        costs={"impact": "81.67"},
        terms={"impact": 1.0},
    ),
    Case(
        # half the impact, twice the costs
        "impact is scaled, and times the multiplier of costs",
        {A: [*RESTLESS, Bar(100)]},
        [(20, A, 0.4)],
        ["99918.33"],
        rates={"multiplier": 2},
        terms={"impact": 0.5},
    ),
    Case(
        # four returns are too few to speak of a volatility
        "no impact without a past",
        {A: [*RESTLESS[:5], Bar(100)]},
        [(4, A, 0.4)],
        ["100000.00"],
        terms={"impact": 1.0},
    ),
    Case(
        # 300,000 wanted, 100,000 / 0.5 allowed
        "initial margin limits what is held",
        {A: [100, 100, 90]},
        [(0, A, 3.0)],
        ["100000.00", "80000.00"],
        [(1, A, 2000, "margin")],
        terms={"initial_margin": 0.5},
    ),
    Case(
        # A goes from 150,000 to 50,000 whole; 150,000 are left for B, which wants 200,000
        "initial margin cuts what grows, not what shrinks",
        {A: [100, 100, 100], B: [10, 10, 10]},
        [(0, A, 1.5), (1, A, 0.5), (1, B, 2.0)],
        ["100000.00", "100000.00"],
        [(1, A, 1500, ""), (2, A, -1000, ""), (2, B, 15000, "margin")],
        terms={"initial_margin": 0.5},
    ),
    Case(
        # at 78: 56,000 is less than 0.4 * 156,000. 56,000 / (0.5 * 156,000) of 2,000 is 1,435.9; +2 on 1,435
        "a margin call sells what is too much, a session later",
        {A: [100, 100, 78, 78, 80]},
        [(0, A, 2.0)],
        ["100000.00", "56000.00", "56000.00", "58870.00"],
        [(1, A, 2000, ""), (3, A, -565, "margin_call")],
        terms=LEVERAGE,
    ),
    Case(
        # the order of session 2 waits for the call; 1,435 are sold at 80, one session later
        "orders wait for a margin call",
        {A: [100, 100, 78, 78, 80]},
        [(0, A, 2.0), (2, A, 0.0)],
        ["100000.00", "56000.00", "56000.00", "58870.00"],
        [(1, A, 2000, ""), (3, A, -565, "margin_call"), (4, A, -1435, "")],
        terms=LEVERAGE,
    ),
    Case(
        # back at 100 before the call is traded: 100,000 is just what 200,000 need
        "a margin call that the price has answered",
        {A: [100, 100, 78, 100]},
        [(0, A, 2.0)],
        ["100000.00", "56000.00", "100000.00"],
        [(1, A, 2000, "")],
        terms=LEVERAGE,
    ),
    Case(
        # 100,000 short at 10, bought back at 20: 100,000 - 1,000,000; nothing is ever traded again
        "a book without equity is closed for good",
        {A: [10, 10, 20, 10, 40]},
        [(0, A, -10.0), (2, A, 1.0)],
        ["100000.00", "-900000.00", "-900000.00", "-900000.00"],
        [(1, A, -100000, ""), (2, A, 100000, "")],
        terms={"cash_rate": 0.0, "financing_spread": 0.1},
    ),
    Case(
        # 125,000 / 60,000 = 2.08: 2 contracts, +1 on 2,000 barrels
        "a multiplier, whole contracts",
        {WTI: [60, 60, 61]},
        [(0, WTI, 1.25)],
        ["100000.00", "102000.00"],
        [(1, WTI, 2, "lot")],
        things={WTI: Thing("future", multiplier=1000)},
    ),
    Case(
        # 50,000 / 40,000
        "coins have no lots",
        {COIN: [40000, 40000, 44000]},
        [(0, COIN, 0.5)],
        ["100000.00", "105000.00"],
        [(1, COIN, 1.25, "")],
        things={COIN: Thing("crypto")},
    ),
    Case(
        # 50,000 / (100 * 1.25) = 400; then 400 * 110 * 1.20 = 52,800
        "a foreign share gains with its price and its currency",
        {EURO_SHARE: [100, 100, 110]},
        [(0, EURO_SHARE, 0.5)],
        ["100000.00", "102800.00"],
        [(1, EURO_SHARE, 400, "")],
        things={EURO_SHARE: Thing(currency="EUR")},
        fx={"EUR": [1.30, 1.25, 1.20]},
    ),
    Case(
        # no rate on session 2: the last one counts, 400 * 110 * 1.25; then 1.20
        "without a fixing the last one counts",
        {EURO_SHARE: [100, 100, 110, 110]},
        [(0, EURO_SHARE, 0.5)],
        ["100000.00", "105000.00", "102800.00"],
        things={EURO_SHARE: Thing(currency="EUR")},
        fx={"EUR": [1.30, 1.25, None, 1.20]},
    ),
    Case(
        # 400 shares, 2 euros each at 1.20 = 960 and 400 * 98 * 1.20 = 47,040
        "a foreign dividend is changed at the day's rate",
        {EURO_SHARE: [100, 100, Bar(98, f=0.98)]},
        [(0, EURO_SHARE, 0.5)],
        ["100000.00", "98000.00"],
        things={EURO_SHARE: Thing(currency="EUR", dividends={2: 2.0})},
        fx={"EUR": [1.25, 1.25, 1.20]},
    ),
    Case(
        # 125,000 / (5,000 * 10 * 1.25) = 2; the gain of 50 points * 10 * 2 is changed at 1.20: 1,200
        "a foreign future risks its gain, not its principal",
        {BUND: [5000, 5000, 5050, 5050]},
        [(0, BUND, 1.25)],
        ["100000.00", "101200.00", "101200.00"],
        [(1, BUND, 2, "")],
        things={BUND: Thing("future", currency="EUR", multiplier=10)},
        fx={"EUR": [1.25, 1.25, 1.20, 1.10]},
    ),
    Case(
        # 75,000 / 1.5 = 50,000 pounds; +0.02 each
        "a currency pair",
        {POUND: [1.5, 1.5, 1.52]},
        [(0, POUND, 0.75)],
        ["100000.00", "101000.00"],
        [(1, POUND, 50000, "")],
        things={POUND: Thing("fx")},
    ),
)
