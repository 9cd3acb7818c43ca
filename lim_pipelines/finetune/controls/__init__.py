"""Controls: what a fine-tuned model is reported beside, from rules of a line to boosted trees."""
