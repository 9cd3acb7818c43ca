"""How files of the landing folder become runs: what is new, what is in it, what has to be loaded.

The ledger (`LANDING_FILES`) is the memory: a look at the folder compares with it (`survey.py`), a run reads
what it does not know (`inspect.py`) and writes it down (`register.py`), and what was written down since then
says which partitions are to be loaded (`loads.py`).

What does not belong here: parsing (`sources/`), loading (`ingest.py`), asking for runs (`assets/`).
"""
