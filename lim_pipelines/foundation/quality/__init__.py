"""What the foundation model is worth: same windows, questions and scores for it and for all its rivals.

What does not belong here: methods (`foundation/baselines`, the model), statistics of trading (`evaluate`).
Trading is not judged here; a good density is not yet a good position.
"""
