"""Tables in pieces: the same bits for any batch, worker and restart; bad rows are named."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from kadanoff.networks import Network, Regions, Shares, block, block_of_dataset, out_of_core, soft_block
from kadanoff.networks import soft_block_of_dataset as soft_of
from kadanoff.parallel import executor

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")
feather = pytest.importorskip("pyarrow.feather")

N = 200
IDS = 10_000_000_000_000_000 + 7 * np.random.default_rng(0).permutation(N)


def edges(seed: int = 0, rows: int = 6000) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    stray = rng.random((2, rows)) < 0.01  # ids that are not in the table of nodes
    pre, post = (np.where(s, 5, IDS[rng.integers(N, size=rows)]) for s in stray)
    return pre, post, rng.integers(0, 30, rows)


def table(columns: tuple[np.ndarray, ...]) -> object:
    return pa.table({"pre": columns[0], "weight": columns[2], "other": columns[0].astype(str), "post": columns[1]})


@pytest.fixture
def dataset(tmp_path):
    """Four files in hive folders, with several row groups each."""
    columns = edges()
    for part in range(4):
        folder = tmp_path / "edges" / f"region={part % 2}"
        folder.mkdir(parents=True, exist_ok=True)
        cut = slice(1500 * part, 1500 * (part + 1))
        pq.write_table(table(tuple(c[cut] for c in columns)), folder / f"part-{part // 2}.parquet", row_group_size=400)
    return tmp_path / "edges"


def members() -> tuple[Regions, Shares, Shares]:
    rng = np.random.default_rng(1)
    regions = Regions.from_labels(rng.integers(-1, 4, N), ("a", "b", "c", "d"))
    made = [Shares.from_matrix(rng.dirichlet(np.full(5, 0.4), N)[:, :4], ("a", "b", "c", "d")) for _ in range(2)]
    return regions, made[0], made[1]


def in_memory() -> tuple[Network, np.ndarray, np.ndarray]:
    """The same by the maps in memory: the stray node is one more, unassigned."""
    regions, pre, post = members()
    network = Network.from_edges(*edges(), nodes=np.append(IDS, 5))
    label = np.append(regions.label.astype(np.int64), 4)
    more = []
    for one in (pre, post):
        entries = np.zeros((N + 1, 5))
        entries[np.repeat(np.arange(N), np.diff(one.starts)), one.region] = one.share / 2**16
        entries[N, 4] = 1
        more.append(Shares.from_matrix(entries[:, :4], one.names[:4]))
    hard = block(network, Regions.from_labels(np.where(label == 4, -1, label), regions.names[:-1]))
    return network, hard.counts, soft_block(network, *more).exact


def test_any_batch_and_any_workers_give_the_bits_of_memory(dataset):
    regions, pre, post = members()
    network, hard, soft = in_memory()
    for rows, batch, workers in ((1 << 24, 1 << 20, 1), (1, 333, 2), (900, 50, 2), (900, 7, 1)):
        with executor(workers) as pool:
            found = block_of_dataset(dataset, IDS, regions, batch=batch, piece=rows, executor=pool)
            shared = soft_of(dataset, IDS, pre, post, batch=batch, piece=rows, executor=pool)
        assert np.array_equal(found.network.counts, hard)
        assert np.array_equal(shared.network.exact, soft)
        pre_ids, post_ids, count = edges()
        stray = (pre_ids == 5) | (post_ids == 5)
        assert (found.rows, found.zeros) == (6000, int((count == 0).sum()))
        assert (found.unmatched, found.unmatched_count) == (int(stray.sum()), int(count[stray].sum()))
        loops = (pre_ids == post_ids) & ~stray
        assert (found.self_loops, found.self_loop_count) == (int(loops.sum()), int(count[loops].sum()))
        assert found.network.total == network.total
        assert found.pieces == {1: 16, 900: 8}.get(rows, 4)


def test_feather_and_text_ids(tmp_path):
    regions, _, _ = members()
    pre, post, count = edges()
    feather.write_feather(
        pa.table({"pre": pre.astype(str), "post": post.astype(str), "weight": count}),
        tmp_path / "e.feather",
        chunksize=700,
    )
    found = block_of_dataset(tmp_path / "e.feather", IDS.astype(str), regions, batch=256)
    assert np.array_equal(found.network.counts, in_memory()[1])


def test_a_killed_run_goes_on(dataset, tmp_path, monkeypatch):
    regions, pre, post = members()
    _, hard, soft = in_memory()
    folder = tmp_path / "partials"
    real = out_of_core._batches
    files = []

    def dies(piece):
        files.append(piece.file)
        if len(files) == 3:
            raise KeyboardInterrupt
        yield from real(piece)

    monkeypatch.setattr(out_of_core, "_batches", dies)
    with pytest.raises(KeyboardInterrupt):
        block_of_dataset(dataset, IDS, regions, partials=folder)
    found = block_of_dataset(dataset, IDS, regions, partials=folder)
    assert (found.pieces, found.resumed, len(files)) == (4, 2, 5)  # two read before, two now, one twice
    assert np.array_equal(found.network.counts, hard)
    again = block_of_dataset(dataset, IDS, regions, partials=folder)
    assert (again.resumed, again.rows, again.unmatched) == (4, found.rows, found.unmatched)
    assert np.array_equal(again.network.counts, hard)
    monkeypatch.setattr(out_of_core, "_batches", real)
    other = block_of_dataset(dataset, IDS, regions.shuffled(1), partials=folder)  # other regions: other partial sums
    assert other.resumed == 0
    shared = soft_of(dataset, IDS, pre, post, partials=folder)
    assert shared.resumed == 0
    assert np.array_equal(shared.network.exact, soft)


def test_bad_rows_are_named(tmp_path):
    regions, _, _ = members()
    pre, post, count = edges(rows=100)

    def refused(match: str, columns: dict[str, object], **more: object) -> None:
        pq.write_table(pa.table(columns), tmp_path / "bad.parquet")
        with pytest.raises(ValueError, match=match):
            block_of_dataset(tmp_path / "bad.parquet", IDS, regions, batch=30, **more)

    wrong = count.copy()
    wrong[70] = -3
    refused("-3.*row 70", {"pre": pre, "post": post, "weight": wrong})
    half = count.astype(np.float64)
    half[40] = 0.5
    refused("0.5.*row 40", {"pre": pre, "post": post, "weight": half})
    refused(r"float32.*2\^24", {"pre": pre, "post": post, "weight": (count + 2**24).astype(np.float32)})
    refused("no id.*'post'", {"pre": pre, "post": pa.array([None, *post[1:].tolist()]), "weight": count})
    refused("'count' could be weight or n_syn", {"pre": pre, "post": post, "weight": count, "n_syn": count})
    refused("could be psd_sites", {"pre": pre, "post": post, "psd_sites": count})
    refused("text", {"pre": pre.astype(str), "post": post.astype(str), "weight": count})
    (tmp_path / "e.csv").write_text("pre,post\n1,2\n")
    with pytest.raises(ValueError, match="read in pieces"):
        block_of_dataset(tmp_path / "e.csv", IDS, regions)


def test_on_a_cluster_in_threads(dataset, tmp_path):
    distributed = pytest.importorskip("distributed")
    regions, pre, post = members()
    _, hard, soft = in_memory()
    with (
        distributed.LocalCluster(
            n_workers=1, threads_per_worker=2, processes=False, dashboard_address=None, host="127.0.0.1", protocol="tcp"
        ) as cluster,
        executor(cluster.scheduler_address.replace("tcp://", "dask://")) as pool,
    ):
        kept = block_of_dataset(dataset, IDS, regions, partials=tmp_path / "partials", executor=pool)
        assert np.array_equal(kept.network.counts, hard)
        assert np.array_equal(soft_of(dataset, IDS, pre, post, executor=pool).network.exact, soft)


@pytest.mark.slow
def test_in_processes(dataset, tmp_path):
    regions, pre, post = members()
    _, hard, soft = in_memory()
    with executor("processes:2") as pool:
        kept = block_of_dataset(dataset, IDS, regions, partials=tmp_path / "partials", executor=pool)
        assert np.array_equal(kept.network.counts, hard)
        assert np.array_equal(soft_of(dataset, IDS, pre, post, executor=pool).network.exact, soft)


SCRIPT = """
import sys, numpy as np
from pathlib import Path
from kadanoff.networks import Regions, block_of_dataset
place = Path(sys.argv[1])
held = np.load(place / "nodes.npz")
regions = Regions(tuple(held["names"].tolist()), held["label"])
def memory(which):
    lines = open("/proc/self/status").read().splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith(which)) / 1024
before = memory("VmRSS")
partials = place / "partials" if len(sys.argv) > 3 else None
print("ready", flush=True)
found = block_of_dataset(place / sys.argv[2], held["ids"], regions, partials=partials, batch=1 << 18)
print(found.resumed, found.network.total, memory("VmHWM") - before)
"""


def prepared(place, files: int, rows: int) -> None:
    regions, _, _ = members()
    np.savez(place / "nodes.npz", ids=IDS, label=regions.label, names=np.array(regions.names))
    (place / f"{files} files").mkdir()
    for number in range(files):
        pq.write_table(table(edges(number, rows)), place / f"{files} files" / f"{number:03d}.parquet")


@pytest.mark.slow
def test_a_process_that_is_killed_goes_on(tmp_path):
    prepared(tmp_path, 60, 100_000)
    command = [sys.executable, "-c", SCRIPT, str(tmp_path), "60 files", "keep"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline().strip() == b"ready"
        while len(list((tmp_path / "partials").glob("0*.npz"))) < 5 and process.poll() is None:
            time.sleep(0.002)
        process.kill()
    resumed, total, _ = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[1:]
    assert 5 <= int(resumed) < 60
    assert int(total) == sum(int(edges(number, 100_000)[2].sum()) for number in range(60))


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads the peak memory as Linux tells it")
def test_memory_does_not_grow_with_the_table(tmp_path):
    peaks = []
    for files in (2, 16):
        prepared(tmp_path, files, 1_000_000)
        command = [sys.executable, "-c", SCRIPT, str(tmp_path), f"{files} files"]
        peaks.append(float(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[-1]))
    assert peaks[1] < 1.3 * peaks[0] + 10  # eight times the rows
