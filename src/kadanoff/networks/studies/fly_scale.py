"""A made-up connectome of a fly's size to regions: how fast, how near to merely reading it, and the same bits by every
road."""

from __future__ import annotations

import itertools
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import xarray
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from kadanoff import plotting
from kadanoff.estimates import Estimate
from kadanoff.losses import Ledger, Loss
from kadanoff.networks._kernels import blocks
from kadanoff.networks.aggregation import block, soft_block
from kadanoff.networks.network import Network
from kadanoff.networks.out_of_core import block_of_dataset, soft_block_of_dataset
from kadanoff.networks.regions import QUANTUM
from kadanoff.networks.synthetic import Twin, synthetic_twin
from kadanoff.networks.tables import needed
from kadanoff.parallel import Serial
from kadanoff.parallel import executor as workers
from kadanoff.study import Picture, Reported, Result, Run, judge

__all__ = ["FlyScale", "fly_scale"]

T = TypeVar("T")
Array = NDArray[Any]


class FlyScale(BaseModel):
    """Settings of networks.fly-scale."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    neurons: int = Field(166_700, ge=10, description="Neurons of the made-up connectome.")
    edges: int = Field(25_600_000, ge=10, description="Pairs of neurons that are connected.")
    regions: int = Field(100, ge=2, le=1000, description="Regions, of log-normal size.")
    regions_per_neuron: int = Field(5, ge=1, description="Regions over which a neuron is spread in the soft block.")
    files: int = Field(8, ge=1, le=1000, description="Parquet files of the run out of core.")


@dataclass(frozen=True, eq=False)
class InMemory:
    """What the passes over the arrays gave, and the seconds each took (processor time, best of several)."""

    edges: int
    total: int
    hard: Array
    soft: Array
    outflow: Array
    sizes: Array
    names: tuple[str, ...]
    degrees: Array
    same_in_threads: bool
    seconds: dict[str, float]


@dataclass(frozen=True, eq=False)
class OutOfCore:
    """What the passes over the files gave, and the seconds (processor time). `dask` is None where that is not
    installed."""

    hard: Array
    soft: Array
    same_in_threads: bool
    dask: bool | None
    bytes: int
    seconds: dict[str, float]


def in_memory(config: FlyScale, seed: int) -> InMemory:
    """Read, block and soft block on one core; the block again in two threads."""
    seconds: dict[str, float] = {}
    started = time.process_time()
    twin = _twin(config, seed)
    seconds["generate"] = time.process_time() - started
    network, regions, shares = twin.network, twin.regions, twin.shares
    seconds["read"] = _timed(lambda: _read(network), 7)[0]
    seconds["read_compiled"] = _timed(lambda: blocks.read(network.target, network.count), 7)[0]
    seconds["block"], hard = _timed(lambda: block(network, regions), 7)
    seconds["soft_block"], soft = _timed(lambda: soft_block(network, shares, shares), 2)
    with workers(2) as pool:
        there = block(network, regions, pool).counts, soft_block(network, shares, shares, pool).exact
    assert soft.exact is not None
    same = np.array_equal(there[0], hard.counts) and np.array_equal(np.asarray(there[1]), soft.exact)
    outflow = np.zeros(regions.k, np.int64)
    np.add.at(outflow, regions.label, network.outflow)
    degrees = np.stack([np.diff(network.starts), np.bincount(network.target, minlength=network.n)])
    return InMemory(
        network.m,
        int(network.total),
        hard.counts,
        soft.exact,
        outflow,
        regions.sizes,
        regions.names,
        degrees,
        same,
        seconds,
    )


def out_of_core(config: FlyScale, seed: int, executor: Executor | None) -> OutOfCore:
    """The twin in parquet files, in the order of its rows, added up file by file: alone, with two threads, with the
    run's own workers, on Dask."""
    twin = _twin(config, seed)
    ids = twin.network.nodes
    with tempfile.TemporaryDirectory(prefix="kadanoff-fly-scale-") as folder:
        place = Path(folder)
        bytes_written = _write(twin.network, place, config.files)
        regions, shares = twin.regions, twin.shares
        del twin
        seconds: dict[str, float] = {}

        def hard(pool: Executor | None, batch: int) -> Array:
            return block_of_dataset(place, ids, regions, batch=batch, executor=pool).network.counts

        def shared(pool: Executor | None, batch: int) -> Array:
            made = soft_block_of_dataset(place, ids, shares, shares, batch=batch, executor=pool).network.exact
            assert made is not None
            return made

        seconds["out_of_core"], alone = _timed(lambda: hard(None, 1 << 20), 1)
        seconds["soft_out_of_core"], soft = _timed(lambda: shared(None, 1 << 20), 1)

        def same(pool: Executor, batch: int) -> bool:
            return np.array_equal(hard(pool, batch), alone) and np.array_equal(shared(pool, batch), soft)

        with workers(2) as pool:
            threads = same(pool, 300_000)
        if executor is not None and not isinstance(executor, Serial):  # what the user asked for
            threads = threads and same(executor, 1 << 18)
        dask = None
        try:
            import distributed
        except ImportError:
            pass
        else:
            cluster = distributed.LocalCluster(  # type: ignore[no-untyped-call]
                n_workers=1,
                threads_per_worker=2,
                processes=False,
                dashboard_address=None,
                host="127.0.0.1",
                protocol="tcp",
            )
            with cluster, workers(cluster.scheduler_address.replace("tcp://", "dask://")) as pool:
                dask = same(pool, 700_000)
    return OutOfCore(alone, soft, threads, dask, bytes_written, seconds)


def fly_scale(config: FlyScale, run: Run) -> Result:
    """Hard and soft regions of a connectome of a fly's size, in memory and out of core, each synapse accounted for."""
    memory = run.stage("in memory", in_memory, config, run.seed)
    files = run.stage("out of core", out_of_core, config, run.seed, run.executor)
    estimates, ledger = _estimates(config, memory, files), _ledger(memory)
    return Result(
        estimates,
        ledger,
        judge(estimates, ledger, _in_words(config, memory, files)),
        _data(memory),
        _draw(memory, files),
        cite=[
            "S. Berg et al., Cell 189, 5504 (2026): MaleCNS, whose size the twin has.",
            "B. Karrer and M. E. J. Newman, Phys. Rev. E 83, 016107 (2011): degree-corrected block models.",
        ],
    )


def _twin(config: FlyScale, seed: int) -> Twin:
    return synthetic_twin(
        config.neurons, config.edges, config.regions, regions_per_neuron=config.regions_per_neuron, seed=seed
    )


def _read(network: Network) -> int:
    return int(network.target.sum(dtype=np.int64)) + int(network.count.sum(dtype=np.int64))


def _timed(function: Callable[[], T], repeats: int) -> tuple[float, T]:
    found, best = function(), np.inf  # the first call compiles
    for _ in range(repeats):
        started = time.process_time()
        found = function()
        best = min(best, time.process_time() - started)
    return float(best), found


def _write(network: Network, folder: Path, files: int) -> int:
    pyarrow, parquet = needed("pyarrow"), needed("pyarrow.parquet")
    cuts = np.linspace(0, network.m, files + 1).astype(np.int64)
    for number, (first, last) in enumerate(itertools.pairwise(cuts)):
        columns = {
            "pre": network.nodes[network.source[first:last]],
            "post": network.nodes[network.target[first:last]],
            "weight": network.count[first:last],
        }
        parquet.write_table(
            pyarrow.table(columns), folder / f"edges-{number:03d}.parquet", compression="zstd", row_group_size=1 << 20
        )
    return sum(file.stat().st_size for file in folder.iterdir())


def _estimates(config: FlyScale, memory: InMemory, files: OutOfCore) -> dict[str, Reported | Estimate]:
    exact = Estimate.exact
    took = memory.seconds | files.seconds

    def same(agree: bool, what: str) -> Reported:
        return Reported(exact(float(agree)), 1.0, source=f"block and soft block of whole numbers: {what}")

    soft_total = sum(memory.soft.ravel().tolist()) // QUANTUM**2
    estimates: dict[str, Reported | Estimate] = {
        "neurons": exact(float(config.neurons)),
        "edges": Reported(exact(float(memory.edges)), float(config.edges), source="the edges asked for"),
        "synapses": exact(float(memory.total)),
        "synapses.block": Reported(
            exact(float(memory.hard.sum())), float(memory.total), tolerance=0.0, source="all synapses, in integers"
        ),
        "outflow_defect.block": Reported(
            exact(float(np.abs(memory.hard.sum(axis=1) - memory.outflow).max())),
            0.0,
            tolerance=0.0,
            source="a region sends what its neurons send",
        ),
        "synapses.soft_block": Reported(
            exact(float(soft_total)), float(memory.total), tolerance=0.0, source="all synapses, in integers"
        ),
        "fraction_of_read_floor": exact(took["read"] / took["block"]),
        "fraction_of_compiled_read": exact(took["read_compiled"] / took["block"]),
        "bit_equal.threads": same(memory.same_in_threads and files.same_in_threads, "two threads as one"),
        "bit_equal.out_of_core": same(
            np.array_equal(files.hard, memory.hard) and np.array_equal(files.soft, memory.soft), "files as memory"
        ),
        "bytes_per_edge.parquet": exact(files.bytes / memory.edges, "B"),
    }
    if files.dask is None:
        estimates["bit_equal.dask"] = Reported(
            None, reason="the extra is not installed: pip install '.[dask]' in the clone"
        )
    else:
        estimates["bit_equal.dask"] = same(
            files.dask and np.array_equal(files.hard, memory.hard), "a cluster as one thread"
        )
    for name, seconds in took.items():
        estimates[f"seconds.{name}"] = exact(seconds, "s")
    for name in ("block", "soft_block", "out_of_core", "soft_out_of_core"):
        estimates[f"rate.{name}"] = exact(memory.edges / took[name] / 1e6, "Medge/s")
    return estimates


def _ledger(memory: InMemory) -> Ledger:
    exact = Estimate.exact
    quanta = sum(memory.soft.ravel().tolist()) - memory.total * QUANTUM**2
    return Ledger(
        (
            Loss(
                "synapses, block",
                exact(float(memory.total)),
                exact(float(memory.hard.sum())),
                exact(float(memory.total - int(memory.hard.sum()))),
                "",
                "coarse == fine",
                "unassigned neurons are a region",
                "aggregation conserves every synapse",
            ),
            Loss(
                "synapses, soft block",
                exact(float(memory.total)),
                exact(float(memory.total + quanta / QUANTUM**2)),
                exact(float(quanta)),
                "",
                "coarse == fine",
                "shares of every neuron sum to 2^16",
                "in units of 2^-32 of a synapse",
            ),
        )
    )


def _in_words(config: FlyScale, memory: InMemory, files: OutOfCore) -> str:
    took = memory.seconds | files.seconds
    rate = {name: memory.edges / seconds / 1e6 for name, seconds in took.items()}
    agree = {
        "two threads": memory.same_in_threads and files.same_in_threads,
        f"{config.files} parquet files": np.array_equal(files.hard, memory.hard)
        and np.array_equal(files.soft, memory.soft),
    }
    if files.dask is not None:
        agree["a Dask cluster"] = files.dask
    same = [name for name, good in agree.items() if good]
    other = [name for name, good in agree.items() if not good]
    said = f"The same bits came from {', '.join(same)}" if same else "No other road gave the same bits"
    said += f"; other bits from {', '.join(other)}." if other else "."
    if files.dask is None:
        said += " Dask is not installed and was not tried."
    return (
        f"{memory.edges:,} edges of {memory.total:,} synapses between {config.neurons:,} neurons became "
        f"{config.regions} regions in {took['block']:.3f} s on one core, {rate['block']:.0f} million edges a second: "
        f"{took['read'] / took['block']:.0%} of the rate at which numpy merely adds up the same arrays "
        f"({took['read_compiled'] / took['block']:.0%} of a compiled sum, which nothing but memory limits). With "
        f"{config.regions_per_neuron} regions a neuron it took {took['soft_block']:.2f} s ({rate['soft_block']:.0f} "
        f"million edges a second), from parquet {took['out_of_core']:.1f} s ({rate['out_of_core']:.1f}). {said}\n\n"
        "Limits: the connectome is made up (a degree-corrected block model with log-normal degrees), so the matrix "
        "says nothing about a fly; targets of a neuron are sorted, as in a table of pairs. Seconds belong to this "
        "machine and this moment and are judged by no reference; they are processor time of one thread, the best pass "
        "of several in memory and a second pass over files in the page cache."
    )


def _data(memory: InMemory) -> xarray.Dataset:
    soft = memory.soft.astype(np.float64) / QUANTUM**2
    pair = ("source", "target")
    return xarray.Dataset(
        {
            "block": (pair, memory.hard, {"units": "1", "long_name": "synapses between regions, hard"}),
            "soft_block": (pair, soft, {"units": "1", "long_name": "synapses between regions, soft"}),
            "members": ("source", memory.sizes, {"units": "1", "long_name": "neurons in the region"}),
            "out_degree": ("neuron", memory.degrees[0], {"units": "1", "long_name": "neurons it sends to"}),
            "in_degree": ("neuron", memory.degrees[1], {"units": "1", "long_name": "neurons it receives from"}),
        },
        {"source": ("source", list(memory.names)), "target": ("target", list(memory.names))},
    )


def _draw(memory: InMemory, files: OutOfCore) -> dict[str, Picture]:
    took = memory.seconds | files.seconds
    order = np.argsort(-memory.sizes, kind="stable")
    order = order[memory.sizes[order] > 0]
    matrices, axes = plotting.figure(2, width=9.0, height=5.0)
    soft = memory.soft.astype(np.float64) / QUANTUM**2
    shown = [matrix[np.ix_(order, order)] for matrix in (memory.hard.astype(np.float64), soft)]
    top = max(matrix.max() for matrix in shown)
    for axis, matrix, title in zip(axes, shown, ("Hard regions", "Soft regions"), strict=True):
        image = axis.imshow(np.log10(np.maximum(matrix, 1)), cmap="cividis", vmin=1, vmax=np.log10(top))
        axis.set(title=title, xlabel="to region, largest first", ylabel="from region, largest first")
        axis.grid(visible=False)
    matrices.colorbar(image, ax=axes, shrink=0.85, pad=0.01).set_label("log10 of synapses")
    rates, (bars, tails) = plotting.figure(2, width=9.0, height=3.6)
    names = {
        "read_compiled": "compiled sum",
        "read": "numpy sum",
        "block": "block",
        "soft_block": "soft block",
        "out_of_core": "block, parquet",
        "soft_out_of_core": "soft block, parquet",
    }
    rate = [memory.edges / took[name] / 1e6 for name in names]
    colours = ["0.65", "0.65", *["C0"] * (len(names) - 2)]
    bars.barh(range(len(names)), rate, color=colours)
    for place, value in enumerate(rate):
        bars.text(value * 1.1, place, f"{value:.0f}", va="center")
    bars.set(
        yticks=range(len(names)),
        yticklabels=names.values(),
        xscale="log",
        xlabel="million edges a second, one core",
        xlim=(1, 4 * max(rate)),
    )
    bars.invert_yaxis()
    for row, label in zip(memory.degrees, ("targets of a neuron", "sources of a neuron"), strict=True):
        ordered = np.sort(row)[::-1]
        held = ordered > 0
        tails.plot(ordered[held], (np.arange(row.size)[held] + 1) / row.size, label=label)
    tails.set(xscale="log", yscale="log", xlabel="neurons connected to", ylabel="share of neurons with so many or more")
    tails.legend()
    return {
        "regions": Picture(
            matrices,
            "Synapses between the regions of the made-up connectome, ordered by size. A neuron in several regions "
            "blurs the diagonal; both matrices hold every synapse.",
        ),
        "speed": Picture(
            rates,
            "Left: edges a second on this machine, reading them in grey. Right: how heavy the tails of the made-up "
            "connectome are.",
        ),
    }
