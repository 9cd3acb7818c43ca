"""The platform under another time: code server, daemon and runs that live in December 2018.

What does not belong here: what arrives there (`month_events.py`), what is printed (`month.py`).

libfaketime (Linux, x86-64) is loaded into every process but this one, so that they all, Dagster's own code
included, read one clock: that of the machine plus an offset that stands in a file. The clock runs on by
itself and is moved by `Clock.set`. While something is awaited it shows the last seconds of each minute only,
because Dagster's scheduler sleeps until a minute is over, and would sleep for a minute of real time.
Nothing of Dagster or of the platform is replaced: sensors, schedules, queue, monitoring and runs are the real
ones. File times are left as they are, and set by whoever lays a file down.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import libfaketime
import yaml

ROOT = Path(__file__).resolve().parent.parent
SETTINGS = ROOT / "deploy" / "dagster.local.yaml"
LOCATION = "lim_pipelines"
_PLACE = f'repositoryName: "__repository__", repositoryLocationName: "{LOCATION}"'
MINUTE = 60
LAST_SECONDS = 58
"""The clock shows no earlier second of a minute while something is awaited."""
SEEN = timedelta(seconds=2.5)
"""Real time after which all processes have read the clock again: they do when a second is over."""
READY = timedelta(seconds=120)
"""Real time within which the code server listens."""


class MachineError(RuntimeError):
    """A process of the machine is not there."""


class Clock:
    """The clock of all processes of the machine.

    Parameters
    ----------
    path
        File with the offset from the machine's own clock, seconds, read by libfaketime.
    start
        What the clock shows first, UTC.
    """

    def __init__(self, path: Path, start: datetime) -> None:
        self._path = path
        self._offset = timedelta(0)
        self._move(start)

    def now(self) -> datetime:
        """Return what the clock shows, UTC."""
        return datetime.now(UTC) + self._offset

    def set(self, moment: datetime) -> None:
        """Move the clock; it goes on from there, and all processes have seen it."""
        self._move(moment)
        time.sleep(SEEN.total_seconds())

    def _move(self, moment: datetime) -> None:
        # Whole seconds, and rather late than early: nothing is to happen before its moment.
        self._offset = timedelta(seconds=math.ceil((moment - datetime.now(UTC)).total_seconds()))
        new = self._path.with_suffix(".new")
        new.write_text(f"{self._offset.total_seconds():+.0f}\n", encoding="ascii")
        # In one step: a process that found half a number would be in another century.
        new.replace(self._path)

    def pass_on(self) -> None:
        """Skip the part of the minute in which nothing of Dagster's happens."""
        now = self.now()
        if now.second < LAST_SECONDS:
            self._move(now.replace(second=LAST_SECONDS, microsecond=0))

    def environment(self) -> dict[str, str]:
        """Return the variables by which a process reads this clock."""
        _, loaded = libfaketime.get_reload_information()
        # Not at every call, as `loaded` has it: a thread that asks while another one reads the file sees the
        # real time now and then, and a tick of 2026 is the last one of its sensor.
        once = {"FAKETIME_NO_CACHE": "0", "FAKETIME_CACHE_DURATION": "1"}
        where = {"FAKETIME_TIMESTAMP_FILE": str(self._path), "NO_FAKE_STAT": "1"}
        return {**loaded, **once, **where}


@dataclass
class Machine:
    """Code server and daemon.

    Parameters
    ----------
    home
        Folder of everything: lake, landing folder, `dagster`, logs.
    clock
        What all processes read.
    workspace
        The file by which Dagster's tools find the code server.
    socket
        Where the code server listens.
    """

    home: Path
    clock: Clock
    workspace: Path
    socket: Path

    @property
    def code_server(self) -> tuple[str, ...]:
        """The command of the code server."""
        return ("dagster", "api", "grpc", "-s", str(self.socket), "-m", "lim_pipelines.definitions")

    @property
    def daemon(self) -> tuple[str, ...]:
        """The command of the daemon."""
        return ("dagster-daemon", "run", "-w", str(self.workspace))

    @property
    def environment(self) -> dict[str, str]:
        """Variables of every process."""
        own = {"LIM_HOME": str(self.home), "DAGSTER_HOME": str(self.home / "dagster")}
        return {**os.environ, **own, "OMP_NUM_THREADS": "1", **self.clock.environment()}

    def start(self, tool: str, *arguments: str) -> subprocess.Popen[bytes]:
        """Start one of Dagster's tools under the clock; it writes into a log of its own."""
        command = [str(Path(sys.executable).with_name(tool)), *arguments]
        with (self.home / f"{tool}.log").open("ab") as log:
            return subprocess.Popen(command, cwd=ROOT, env=self.environment, stdout=log, stderr=log)

    def switch_on(self, sensors: Sequence[str], schedules: Sequence[str]) -> None:
        """Switch sensors and schedules on, as people do in the UI.

        Raises
        ------
        MachineError
            The code location has none of that name.
        """
        kinds = [("Sensor", name) for name in sensors] + [("Schedule", name) for name in schedules]
        calls = [
            f"start{kind}({kind.lower()}Selector: {{{_PLACE}, {kind.lower()}Name: {json.dumps(name)}}})"
            for kind, name in kinds
        ]
        self._ask(calls, ("Sensor", "ScheduleStateResult"))

    def materialize(self, *assets: str) -> None:
        """Start a run that materialises assets without partitions, as people do in the UI.

        Raises
        ------
        MachineError
            The run could not be started.
        """
        chosen = ", ".join(f"{{path: [{json.dumps(name)}]}}" for name in assets)
        job = f'{_PLACE}, pipelineName: "__ASSET_JOB", assetSelection: [{chosen}]'
        self._ask(
            [f'launchPipelineExecution(executionParams: {{mode: "default", selector: {{{job}}}}})'],
            ("LaunchRunSuccess",),
        )

    def _ask(self, calls: Sequence[str], good: Sequence[str]) -> None:
        """Send mutations, each of which must be answered with one of some types."""
        answer = self.home / "answer.json"
        text = (
            "mutation {" + "\n".join(f"n{i}: {call} {{ __typename }}" for i, call in enumerate(calls)) + "}"
        )
        command = ["-t", text, "-w", str(self.workspace), "-o", str(answer)]
        if self.start("dagster-graphql", *command).wait():
            raise MachineError(f"nothing was done; see {self.home}/dagster-graphql.log")
        done = json.loads(answer.read_text()).get("data") or {}
        found = {call: done.get(f"n{i}", {}).get("__typename") for i, call in enumerate(calls)}
        wrong = {call: found for call, found in found.items() if found not in good}
        if wrong:
            raise MachineError(f"not done: {wrong}; compare the names with those in the UI")


def prepared(home: Path, start: datetime, socket: Path, settings: Path = SETTINGS) -> Machine:
    """Make a new home, in which nothing works yet.

    Parameters
    ----------
    home
        Folder; what lies there is removed.
    start
        What the clock shows first, UTC.
    socket
        Where the code server shall listen; a path of at most a hundred characters.
    settings
        The Dagster instance's.
    """
    shutil.rmtree(home, ignore_errors=True)
    (home / "dagster").mkdir(parents=True)
    (home / "landing").mkdir()
    shutil.copy(settings, home / "dagster" / "dagster.yaml")
    workspace = home / "workspace.yaml"
    server = {"socket": str(socket), "location_name": LOCATION}
    workspace.write_text(yaml.safe_dump({"load_from": [{"grpc_server": server}]}))
    return Machine(home, Clock(home / "offset", start), workspace, socket)


@contextmanager
def machine(home: Path, start: datetime) -> Iterator[Machine]:
    """Make a new home with its code server; the daemon is started by whoever has switched something on.

    Parameters
    ----------
    home
        Folder; what lies there is removed.
    start
        What the clock shows first, UTC.

    Raises
    ------
    MachineError
        The code server does not come up.
    """
    with tempfile.TemporaryDirectory(prefix="month") as near:
        made = prepared(home, start, Path(near) / "code")
        with kept(made, *made.code_server) as code:
            listening(made.socket, code)
            yield made


@contextmanager
def kept(on: Machine, tool: str, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a process of the machine that is stopped when the block ends."""
    process = on.start(tool, *arguments)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def listening(socket: Path, process: subprocess.Popen[bytes]) -> None:
    """Wait until the code server listens.

    Raises
    ------
    MachineError
        It has ended, or does not listen within `READY`.
    """
    end = time.monotonic() + READY.total_seconds()
    while not socket.exists():
        if process.poll() is not None or time.monotonic() > end:
            raise MachineError("the code server did not come up; see the log dagster.log in the home")
        time.sleep(0.2)
