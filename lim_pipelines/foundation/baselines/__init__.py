"""What the foundation model is compared with: a file each, one contract (`base.py`)."""
