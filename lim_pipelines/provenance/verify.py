"""Doing it again: what is stored, derived a second time and compared to the bit.

What does not belong here: how each kind is derived (`verify_rows.py`, `verify_models.py`,
`verify_results.py`), how contents are compared (`compare.py`).
"""

from __future__ import annotations

from collections.abc import Sequence

from lim_pipelines.places import Places
from lim_pipelines.provenance.compare import Finding, Verdict
from lim_pipelines.provenance.subject import Board, Models, Report, Subject


def verify(places: Places, subject: Subject, train: bool = False) -> list[Finding]:
    """Derive something again, aside, and compare it with what is stored.

    Parameters
    ----------
    places
        Where everything lies; nothing in it is written.
    subject
        What to verify.
    train
        Train checkpoints again, too.

    Returns
    -------
    list of Finding
        What was compared, in the order in which it is derived.

    Raises
    ------
    SubjectError
        It is not there, or nobody derives it.
    CheckpointError, SpecError
        A checkpoint's `meta.json`, or a strategy's YAML, cannot be read.
    """
    if isinstance(subject, Report):
        from lim_pipelines.provenance.verify_results import verify_results

        return verify_results(places, subject.strategy)
    if isinstance(subject, Board):
        from lim_pipelines.provenance.verify_results import verify_all_results

        return verify_all_results(places, subject.strategies)
    if isinstance(subject, Models):
        from lim_pipelines.provenance.verify_models import verify_models

        return verify_models(places, subject, train)
    from lim_pipelines.provenance.verify_rows import verify_rows

    return verify_rows(places, subject)


def verdict(findings: Sequence[Finding]) -> Verdict:
    """Sum findings up: one difference is a difference; one that cannot be verified leaves the rest unsaid."""
    found = {finding.verdict for finding in findings}
    return "differs" if "differs" in found else "equal" if found == {"equal"} else "cannot be verified"
