from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from strategy_world import spec

from lim_pipelines.finetune.spec import ModelSpec
from lim_pipelines.strategies.document import SpecError
from lim_pipelines.strategies.spec import StrategySpec
from lim_pipelines.strategies.template import EXAMPLES

DEFS = Path(__file__).resolve().parents[2] / "lim_pipelines" / "defs"
SHIPPED = sorted([*DEFS.glob("*/defs.yaml"), *EXAMPLES.glob("*/defs.yaml")])
WTI = (DEFS / "wti_transfer" / "defs.yaml").read_text()


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.parent.name)
def test_shipped_strategies_are_valid_and_survive_json(path: Path) -> None:
    one = StrategySpec.from_yaml(path)
    assert StrategySpec.model_validate(one.model_dump(mode="json")) == one
    assert StrategySpec.model_validate_json(one.model_dump_json()).digest() == one.digest()
    assert one.simulated == one.name.startswith("xsim_")
    assert one.books()[0] == (one.method, one.seeds[0])


def edited(tmp_path: Path, old: str, new: str) -> Path:
    path = tmp_path / "wti_transfer" / "defs.yaml"
    path.parent.mkdir()
    assert old in WTI
    path.write_text(WTI.replace(old, new, 1))
    return path


@pytest.mark.parametrize(
    ("old", "new", "field", "remedy"),  # the line to be named is that of the field
    [
        ("horizon: 5", "horizon: 500", "horizon", "less than or equal to 63"),
        ("  horizon: 5\n", "", "horizon", "add it"),
        ("vol_target: 0.15", "vol_traget: 0.15", "portfolio.vol_traget", "did you mean 'vol_target'?"),
        (
            "vol_target: 0.15",
            "risk_aversion: 5.0",
            "portfolio.risk_aversion",
            "belongs to another kind of portfolio",
        ),
        ("seeds:", "sedes:", "sedes", "unknown key (did you mean 'seeds'?)"),
        ("XNYM:WTI", "XNYM-WTI", "universe.instruments", "ids look like XNYM:WTI"),
        ("XNYM:WTI", "XNYN:WTI", "universe.instruments", "unknown exchange 'XNYN' (did you mean"),
        ('instruments: ["XNYM:WTI"]', "exchanges: [XLON]", "universe.exchanges", "known are"),
        ('instruments: ["XNYM:WTI"]', "instruments: []", "universe", "no instrument is left"),
        (
            "foundation: foundation",
            "foundation: xsim_foundation",
            "foundation",
            "write foundation_checkpoint",
        ),
        ("task: directional", "task: sideways", "task", "'directional', 'cross_sectional'"),
        ("method: full", "method: magic", "method", "'full'"),
        ("method: full", "method: fill", "method", "(did you mean 'full'?) (is 'fill')"),
        ("credit_spread]", "credit_spred]", "features", "did you mean 'credit_spread'?"),
        ("steps: 64", "stepps: 64", "fit.stepps", "did you mean 'steps'?"),
        ("frequency: 1d", "frequency: 1m", "frequency", "write 1d"),
        ("horizon: 5", "horizon: 5\n  cadence:\n    retrain: daily", "cadence.retrain", "'quarterly'"),
        (
            "horizon: 5",
            "horizon: 5\n  cadence:\n    first_cutoff: 2015-01-15",
            "cadence.first_cutoff",
            "2015-01-01",
        ),
        (
            "horizon: 5",
            "horizon: 5\n  costs:\n    multiplier: -1",
            "costs.multiplier",
            "greater than or equal",
        ),
        ("method: full", "method: scratch", "controls", "remove it from `controls`"),
        ("credit_spread]", "moon_phase]", "features", "known are"),
        ("[scratch, ridge", "[scratch, scratch, ridge", "controls", "remove the repetition"),
        ("name: wti_transfer", "name: other", "name", "folder's name"),
        ("max_leverage: 1.0", "max_leverage: -1", "portfolio.max_leverage", "greater than 0"),
        ("validation_sessions: 252", "validation_sessions: few", "fit.validation_sessions", "valid integer"),
    ],
)
def test_an_error_names_file_line_field_and_remedy(
    tmp_path: Path, old: str, new: str, field: str, remedy: str
) -> None:
    path = edited(tmp_path, old, new)
    with pytest.raises(SpecError) as caught:
        StrategySpec.from_yaml(path)
    message = str(caught.value)
    key = "attributes" if new == "" else field.split(".")[-1]
    where = next(
        i for i, line in enumerate(path.read_text().splitlines(), 1) if line.lstrip().startswith(f"{key}:")
    )
    assert f"{path}:{where}: " in message
    assert f" {field}: " in message
    assert remedy in message


def test_a_list_with_a_wrong_item_is_not_called_too_short_as_well(tmp_path: Path) -> None:
    seeds = next(line.strip() for line in WTI.splitlines() if line.strip().startswith("seeds:"))
    with pytest.raises(SpecError) as caught:
        StrategySpec.from_yaml(edited(tmp_path, seeds, "seeds: [a]"))
    (message,) = str(caught.value).splitlines()
    assert ": seeds.0: Input should be a valid integer" in message


def test_a_misspelt_key_is_not_called_missing_as_well(tmp_path: Path) -> None:
    with pytest.raises(SpecError) as caught:
        StrategySpec.from_yaml(edited(tmp_path, "horizon: 5", "horizont: 5"))
    (message,) = str(caught.value).splitlines()
    assert ": horizont: unknown key (did you mean 'horizon'?)" in message


def test_a_missing_key_is_missing_whatever_else_is_unknown(tmp_path: Path) -> None:
    with pytest.raises(SpecError) as caught:
        StrategySpec.from_yaml(edited(tmp_path, "horizon: 5", "colour: 5"))
    assert ": horizon: is missing; add it" in str(caught.value)
    assert ": colour: unknown key" in str(caught.value)


def test_a_key_that_stands_twice_is_named_where_it_stands_again(tmp_path: Path) -> None:
    path = edited(tmp_path, "horizon: 5", "horizon: 5\n  horizon: 6")
    line = WTI.splitlines().index("  horizon: 5") + 2
    with pytest.raises(SpecError, match=f"defs.yaml:{line}: horizon: stands here twice"):
        StrategySpec.from_yaml(path)


@pytest.mark.parametrize("text", ["", "type: x\n", "attributes: 3\n", "attributes: [1\n", "\t\x00"])
def test_what_is_no_strategy_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "defs.yaml"
    path.write_text(text)
    with pytest.raises(SpecError, match=r"defs.yaml"):
        StrategySpec.from_yaml(path)


def test_digest_counts_settings_not_words() -> None:
    one = spec()
    assert one.digest() == spec(description="Other words.").digest()
    assert one.digest() != spec(horizon=6).digest()
    assert one.digest() != spec(portfolio={"gross": 0.5}).digest()


def test_positions_settings_do_not_retrain() -> None:
    assert spec().model_config_json() == spec(portfolio={"gross": 0.5}).model_config_json()
    assert spec().model_config_json() != spec(seeds=[3]).model_config_json()
    fields: dict[str, Any] = spec().model_dump(mode="json", include=set(ModelSpec.model_fields))
    assert ModelSpec.model_validate(fields).model_config_json() == spec().model_config_json()


def test_real_and_simulated_never_mix() -> None:
    with pytest.raises(ValueError, match="never mix"):
        spec(universe={"instruments": ["XSIM:SIM01", "XNYM:WTI"]})


def test_loading_a_spec_loads_nothing_heavy() -> None:
    code = (
        "import sys; from lim_pipelines.strategies.spec import StrategySpec;"
        f"StrategySpec.from_yaml({str(DEFS / 'wti_transfer' / 'defs.yaml')!r});"
        "import lim_pipelines.finetune.train, lim_pipelines.portfolio.targets,"
        "lim_pipelines.reports.strategy, lim_pipelines.evaluate.leaderboard;"
        "print([m for m in ('torch','pandas','scipy','cvxpy','matplotlib','lightning') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=DEFS.parents[1]
    )
    assert done.stdout.strip() == "[]"
