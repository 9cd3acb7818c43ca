"""The command `lim`: where a number comes from, whether it can be made again, what is installed.

    lim trace wti_transfer --metric sharpe --arm full     from a number to raw files
    lim verify 2018-06-01|XNAS                             make it again, compare the bits
    lim doctor                                             check the installation
    lim champion list                                      which checkpoints are in use, and why
    lim champion rollback foundation_checkpoint --why ...  take an earlier one

What does not belong here: running anything that is Dagster's. Nothing here writes the lake or the models;
`rollback` adds a line to the log of champions.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

    from lim_pipelines.places import Places

EQUAL, DIFFERENT, UNKNOWN = 0, 1, 2
"""Exit codes: all is well; something is wrong; it cannot be said."""

_SUBJECT = (
    "what: wti_transfer or reports/wti_transfer.html; wti_transfer@2018-06-01 or"
    " foundation_checkpoint@2018-06-01 or a checkpoint's folder; '2018-06-01|XNAS',"
    " 'model_inputs@2018-06-01|XNAS', validated_macro@vix, entity_links"
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the console script `lim`.

    Parameters
    ----------
    arguments
        Words of the command line; those of the process if absent.

    Returns
    -------
    int
        Exit code: 0 well, 1 wrong, 2 not to be said (not found, not readable, or partly not verifiable).
    """
    asked = _parser().parse_args(arguments)
    from lim_pipelines.places import Places

    places = Places.find(asked.home)
    try:
        return int(asked.run(places, asked))
    except _expected() as error:
        print(f"lim: {error}", file=sys.stderr)
        return UNKNOWN
    except BrokenPipeError:
        # Whoever reads has read enough: `lim trace ... | head`.
        sys.stderr.close()
        return EQUAL


def _expected() -> tuple[type[BaseException], ...]:
    """Errors that say what is wrong and what to do; others are ours and keep their traceback."""
    from deltalake.exceptions import DeltaError
    from polars.exceptions import PanicException, PolarsError

    from lim_pipelines.finetune.store import ModelError
    from lim_pipelines.foundation.checkpoint import CheckpointError
    from lim_pipelines.lake import LayoutError
    from lim_pipelines.provenance.subject import SubjectError
    from lim_pipelines.provenance.whole import TornError
    from lim_pipelines.strategies.document import SpecError

    return (
        SubjectError,
        SpecError,
        CheckpointError,
        ModelError,
        LayoutError,
        DeltaError,
        PolarsError,
        PanicException,
        TornError,
        OSError,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="lim", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    common = argparse.ArgumentParser(add_help=False)
    # Before the command or behind it: what is absent behind it leaves alone what stands before it.
    home: dict[str, Any] = {
        "metavar": "FOLDER",
        "help": "folder of the platform; $LIM_HOME or .lim if absent",
    }
    parser.add_argument("--home", default="", **home)
    common.add_argument("--home", default=argparse.SUPPRESS, **home)
    common.add_argument("--json", action="store_true", help="for machines")
    commands = parser.add_subparsers(required=True, metavar="command")
    one = commands.add_parser("trace", parents=[common], help="the tree from a number to raw files")
    one.add_argument("subject", help=_SUBJECT)
    one.add_argument("--metric", help="a figure of the report, such as sharpe")
    one.add_argument("--arm", help="of one arm, such as full; with --metric")
    one.add_argument("--depth", type=_levels, help="levels below the root, 0 or more")
    one.add_argument("--all", action="store_true", dest="every", help="unfold everything")
    one.set_defaults(run=_trace)
    one = commands.add_parser("verify", parents=[common], help="make it again and compare the bits")
    one.add_argument("subject", help=_SUBJECT)
    one.add_argument("--train", action="store_true", help="of a checkpoint: train it again, too")
    one.set_defaults(run=_verify)
    one = commands.add_parser("doctor", parents=[common], help="check the installation")
    one.add_argument("--fast", action="store_true", help="only what takes no time: reads no file of the lake")
    one.set_defaults(run=_doctor)
    _add_champion(commands, common)
    return parser


def _add_champion(commands: Any, common: argparse.ArgumentParser) -> None:
    champion = commands.add_parser("champion", help="checkpoints in use: list, roll back")
    actions = champion.add_subparsers(required=True, metavar="action")
    one = actions.add_parser("list", parents=[common], help="decisions on champions, newest last")
    one.add_argument("family", nargs="?", help="of one family, such as foundation_checkpoint")
    one.set_defaults(run=_champions)
    one = actions.add_parser("rollback", parents=[common], help="make an earlier checkpoint the champion")
    one.add_argument("family", help="which family, such as foundation_checkpoint")
    one.add_argument("--to", type=date.fromisoformat, metavar="CUTOFF", help="if absent: the champion before")
    one.add_argument("--why", required=True, help="for whoever reads the log later")
    one.add_argument("--by", default="", help="who asks; the user's login if absent")
    one.set_defaults(run=_rollback)


def _levels(text: str) -> int:
    levels = int(text)
    if levels < 0:
        raise ValueError(text)
    return levels


def _trace(places: Places, asked: argparse.Namespace) -> int:
    if asked.arm and not asked.metric:
        print("lim: --arm names whose figure is meant: say which one, --metric sharpe", file=sys.stderr)
        return UNKNOWN
    from lim_pipelines.provenance import subject
    from lim_pipelines.provenance.trace import Number, trace
    from lim_pipelines.provenance.tree import show, unfold, warnings_of
    from lim_pipelines.provenance.whole import require_whole

    require_whole(places.lake())
    number = Number(asked.metric, asked.arm) if asked.metric else None
    tree = unfold(trace(places, subject.find(asked.subject, places), number), asked.depth, asked.every)
    if asked.json:
        _print_json(tree)
        return EQUAL
    console = _console()
    console.print(show(tree))
    for line in warnings_of(tree):
        _line(f"! {line}", "red")
    return EQUAL


def _verify(places: Places, asked: argparse.Namespace) -> int:
    from lim_pipelines.provenance import subject
    from lim_pipelines.provenance.verify import verdict, verify
    from lim_pipelines.provenance.whole import require_whole

    require_whole(places.lake())
    found = verify(places, subject.find(asked.subject, places), asked.train)
    code = {"equal": EQUAL, "differs": DIFFERENT, "cannot be verified": UNKNOWN}[verdict(found)]
    if asked.json:
        _print_json({"verdict": verdict(found), "findings": [asdict(one) for one in found]})
        return code
    colours = {"equal": "green", "differs": "bold red", "cannot be verified": "yellow"}
    rows = [(one.what, f"{one.compared:,}", one.verdict, one.detail) for one in found]
    _table(("compared", "rows", "verdict", "detail"), rows, colours, 2)
    _line(f"{asked.subject}: {verdict(found)}", colours[verdict(found)])
    return code


def _doctor(places: Places, asked: argparse.Namespace) -> int:
    from lim_pipelines.provenance.doctor import examine

    found = examine(places, asked.fast)
    code = DIFFERENT if any(one.status == "fail" for one in found) else EQUAL
    if asked.json:
        _print_json([asdict(one) for one in found])
        return code
    colours = {"ok": "green", "warn": "yellow", "fail": "bold red"}
    rows = [(one.status, one.name, one.detail, one.remedy) for one in found]
    _table(("", "part", "found", "remedy"), rows, colours, 0)
    counts = {status: sum(one.status == status for one in found) for status in colours}
    _line(f"{places.root}: " + ", ".join(f"{n} {status}" for status, n in counts.items()))
    return code


def _champions(places: Places, asked: argparse.Namespace) -> int:
    from lim_pipelines.foundation import registry
    from lim_pipelines.foundation.config import FOUNDATIONS

    families = [asked.family] if asked.family else list(FOUNDATIONS)
    logs = {family: registry.events(places.models, family) for family in families}
    if asked.json:
        _print_json({family: [one.model_dump(mode="json") for one in log] for family, log in logs.items()})
        return EQUAL
    rows = []
    for family, log in logs.items():
        now = registry.champion_of(log)
        for one in log:
            state = "champion" if one.checkpoint == now else ""
            rows.append((family, one.moment[:16], one.event, str(one.checkpoint), state, one.by, one.why))
    titles = ("family", "when (UTC)", "decision", "checkpoint", "now", "by", "why")
    _table(titles, rows, {"": "", "champion": "green"}, 4)
    return EQUAL if rows else UNKNOWN


def _rollback(places: Places, asked: argparse.Namespace) -> int:
    import getpass

    from lim_pipelines.foundation import registry

    done = registry.rollback(places.models, asked.family, asked.to, asked.by or getpass.getuser(), asked.why)
    if asked.json:
        _print_json(done.model_dump(mode="json"))
    else:
        _line(f"{asked.family}: champion is {done.checkpoint}, before it was {done.before}")
    return EQUAL


def _table(
    titles: Sequence[str], rows: Sequence[tuple[str, ...]], colours: dict[str, str], coloured: int
) -> None:
    """Print a table; the words of one column have colours."""
    from rich.table import Table
    from rich.text import Text

    table = Table(*titles, box=None, pad_edge=False)
    for row in rows:
        table.add_row(*(Text(c, colours[c] if i == coloured else "") for i, c in enumerate(row)))
    _console().print(table)


def _line(text: str, style: str = "") -> None:
    _console().print(text, style=style, markup=False, highlight=False)


def _print_json(what: Any) -> None:
    print(json.dumps(what, indent=2, default=_plain))


def _plain(value: Any) -> Any:
    if isinstance(value, date | datetime):
        return value.isoformat()
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value)} has no JSON form")


def _console() -> Console:
    from rich.console import Console

    # Hashes and paths are to be copied: lines are as long as they are where nobody watches.
    return Console(soft_wrap=True) if sys.stdout.isatty() else Console(width=10_000, soft_wrap=True)
