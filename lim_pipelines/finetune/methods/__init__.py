"""Fine-tuning methods, a file each: from a checkpoint and samples to a forecaster (paper section 5.2)."""
