"""Drift: whether recent data still look like those that models were trained on.

    bars, model inputs --observations, inputs--> rows by session --distances--> how far each stretch of
    sessions is from the reference --family--> thresholds --report--> DRIFT_RESULTS

What does not belong here: what to do about it (`retraining.py`), when it is measured (`assets/drift.py`),
whether single rows are right (the gate). What it can and cannot see: docs/drift.md.
"""
