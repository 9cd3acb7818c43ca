"""Risk models: what returns of instruments have in common, and what is each one's own. A file each."""
