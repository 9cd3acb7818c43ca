"""Model inputs: what strategies read beside quotes, joined as of each decision.

A block a file (`macro.py`, `fundamentals.py`, ...), all of them in `registry.py`: `features:` of a strategy's
YAML are looked up there. `blocks.py` says what a block is, `decisions.py` when and on what a session decides,
`build.py` writes the tables.

What does not belong here: encoders (`modalities/`), who is who (`entities/`), what a strategy does with its
inputs (`finetune/`). The simulated exchange has no inputs: it never meets real data.
"""
