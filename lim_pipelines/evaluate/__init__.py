"""Evaluate: how much of a result may be luck (paper section 6.2)."""
