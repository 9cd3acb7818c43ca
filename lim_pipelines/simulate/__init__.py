"""Simulated exchanges with known structure: the ground truth that real markets do not give.

What does not belong here: turning simulated bars into raw quotes (`sources/xsim.py`).
"""
