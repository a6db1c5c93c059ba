"""A small study of several stages, for the tests."""

import time
from dataclasses import dataclass

import numpy as np
import xarray
from pydantic import BaseModel, ConfigDict

from kadanoff import plotting
from kadanoff.estimates import Estimate
from kadanoff.losses import Ledger, Loss
from kadanoff.study import Picture, Reported, Result, Run, Slides, Table, execute, judge, stages
from kadanoff.study.configs import Loaded


class Small(BaseModel):
    model_config = ConfigDict(extra="forbid")
    steps: int = 5
    size: int = 2000
    wait: float = 0.0
    fail_at: int = -1
    draw: bool = True
    slides: int = 0
    table: bool = False


@dataclass(frozen=True, eq=False)
class State:
    step: int
    walk: np.ndarray


def begin(size: int, seed: int) -> State:
    return State(
        0, np.asfortranarray(np.random.default_rng(seed).normal(size=(size, 3))).T[:, ::2]
    )  # odd strides on purpose


def advance(state: State, seed: int, wait: float, fail: bool) -> State:
    time.sleep(wait)
    if fail:
        raise ValueError("the walk left the world; take smaller steps")
    kick = np.random.default_rng([seed, state.step]).normal(size=state.walk.shape)
    return State(state.step + 1, state.walk + kick / (1 + np.abs(state.walk).sum()))


def small(config: Small, run: Run) -> Result:
    """A walk of a few stages."""
    state = run.stage("begin", begin, config.size, run.seed)
    for step in range(config.steps):
        state = run.stage(f"step-{step}", advance, state, run.seed, config.wait, step == config.fail_at)
    places = state.walk[0, :50]
    total = float(state.walk.sum())
    drawing, (axis,) = plotting.figure()
    plotting.band(axis, np.arange(len(places)), places, 0.1, label="walk")
    axis.set(xlabel=plotting.label("step"), ylabel=plotting.label("place", "nm"), title="A walk")
    estimates = {
        "total": Reported(Estimate(total, 1.0, unit="nm"), reference=total + 0.5, source="made up"),
        "speedup": Reported(None, reason="nothing to compare with"),
        "size": Estimate.exact(config.size),
    }
    ledger = Ledger(
        [
            Loss(
                "spread",
                Estimate.exact(2.0),
                Estimate.exact(1.5),
                Estimate.exact(0.5),
                "nat",
                "coarse <= fine",
                "always",
                "it shrinks",
            )
        ]
    )
    data = xarray.Dataset({"walk": (("axis", "step"), np.ascontiguousarray(state.walk), {"units": "nm"})})
    pictures = {"walk": Picture(drawing, "The walk. In nm.")} if config.draw else {}
    files: dict[str, str | bytes] = {"tables/walk.txt": f"{total!r}\n", "raw.bin": state.walk.tobytes()}
    verdict = judge(estimates, ledger, "A walk.\n\n- one limit\n- another")
    boards = {f"step <{k}>": plotting.pixels(np.eye(8 * (k + 1)), ["white", "black"]) for k in range(config.slides)}
    slides = {"boards": Slides(boards, "Boards. One after the other.")} if boards else {}
    columns = {
        "name <a>": ["b", "a10", "a9", "c"],
        "size": [9, 123456789, 20, None],
        "count": [1, Estimate(12345.0, 678.0), 2, 3],
        "share": [Estimate(0.5, 0.1), 0.25, None, -1e-9],
    }
    tables = {"sizes": Table(columns, "Sizes. Of things.")} if config.table else {}
    return Result(estimates, ledger, verdict, data, pictures, files, ["Nobody, Nowhere (1900)."], slides, tables)


def loaded(**settings: object) -> Loaded:
    return Loaded("small", "lattices.small", small, Small(**settings))


def slowly(folder: str, seed: int, sources: str) -> None:
    """For a process of its own, to be killed; sees the sources as the test does, even if edited meanwhile."""
    stages.source_hash = lambda: sources
    execute(loaded(wait=0.1), folder, seed=seed, resume=True)
