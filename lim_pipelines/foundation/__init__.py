"""The upstream foundation model: self-supervised, single instrument, patches to horizon (paper, section 4).

What does not belong here: strategies and fine-tuning (`finetune/`, `strategies/`), data cleaning (`align/`,
`validate/`), Dagster assets (`assets/`).

`config.py` and `checkpoint.py` are light and may be imported when a code location loads; the model, its
training and its inference import torch and are imported by training and inference processes only.
"""
