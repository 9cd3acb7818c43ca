"""Fine-tuning: from a foundation checkpoint to a strategy's forecasting models (paper section 5.2)."""
