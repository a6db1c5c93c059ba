"""Where work runs does not change what comes out."""

import threading
import time

import numpy as np
import pytest

from kadanoff.parallel import Serial, executor, map_ordered, reduce_ordered


def slow_square(task: int) -> int:
    time.sleep(0.01 * ((task * 7) % 5))  # later tasks often finish first
    return task * task


def chunk_sum(task: tuple[int, int]) -> np.ndarray:
    seed, chunk = task
    return np.random.default_rng([seed, chunk]).normal(size=50) * 10.0 ** (chunk % 7)


def add(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return a + b


def fail_at_three(task: int) -> int:
    if task == 3:
        raise ValueError("three")
    return task


@pytest.mark.parametrize("workers", [1, 2, "threads:3"])
def test_results_come_in_task_order(workers):
    with executor(workers) as pool:
        assert list(map_ordered(slow_square, range(20), pool)) == [n * n for n in range(20)]


def test_same_bits_for_any_number_of_workers():
    tasks = [(5, chunk) for chunk in range(23)]
    sums = []
    for workers in (1, 2, 5):
        with executor(workers) as pool:
            sums.append(reduce_ordered(chunk_sum, tasks, add, pool))
    sums.append(reduce_ordered(chunk_sum, tasks, add))
    assert all(np.array_equal(sums[0], other) for other in sums)
    assert not np.array_equal(sums[0], reduce_ordered(chunk_sum, tasks[::-1], add))  # order matters


def test_processes_are_spawned_and_agree():
    tasks = [(5, chunk) for chunk in range(6)]
    with executor("processes:2") as pool:
        assert pool._mp_context.get_start_method() == "spawn"
        there = reduce_ordered(chunk_sum, tasks, add, pool)
    assert np.array_equal(there, reduce_ordered(chunk_sum, tasks, add))


def test_only_a_few_tasks_are_taken_ahead():
    taken = []

    def tasks():
        for n in range(100):
            taken.append(n)
            yield n

    with executor(2) as pool:
        results = map_ordered(slow_square, tasks(), pool, ahead=3)
        next(results)
        assert len(taken) <= 4
        results.close()
    assert len(taken) <= 4


def test_an_error_comes_in_its_turn():
    for workers in (1, 2):
        with executor(workers) as pool:
            results = map_ordered(fail_at_three, range(10), pool)
            assert [next(results) for _ in range(3)] == [0, 1, 2]
            with pytest.raises(ValueError, match="three"):
                next(results)


def test_serial_runs_in_the_callers_thread():
    assert Serial().submit(threading.get_ident).result() == threading.get_ident()
    assert isinstance(Serial().submit(fail_at_three, 3).exception(), ValueError)


def test_nothing_to_merge():
    with pytest.raises(ValueError, match="no tasks"):
        reduce_ordered(slow_square, [], lambda a, b: a + b)


@pytest.mark.parametrize("workers", [0, "-2", "many", "threads:0", "threads:x", "2:3", "cluster://a:1", 1.5])
def test_nonsense_is_refused(workers):
    with pytest.raises(ValueError, match="workers"), executor(workers):
        pass


def test_dask_in_threads():
    """A cluster in this process: equal tasks are not merged into one (pure=False), order and bits are kept."""
    distributed = pytest.importorskip("distributed")
    tasks = [(5, 1), (5, 1), (5, 2), (5, 0)]
    with (
        distributed.LocalCluster(
            n_workers=1, threads_per_worker=2, processes=False, dashboard_address=None, host="127.0.0.1", protocol="tcp"
        ) as cluster,
        executor(cluster.scheduler_address.replace("tcp://", "dask://")) as pool,
    ):
        assert np.array_equal(reduce_ordered(chunk_sum, tasks, add, pool), reduce_ordered(chunk_sum, tasks, add))
        first, second = (pool.submit(threading.get_ident) for _ in range(2))
        assert first is not second
        assert first.result() != threading.get_ident()


@pytest.mark.slow
def test_dask_in_processes():
    distributed = pytest.importorskip("distributed")
    tasks = [(5, chunk) for chunk in range(40)]
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster,
        executor(cluster.scheduler_address.replace("tcp://", "dask://")) as pool,
    ):
        assert np.array_equal(reduce_ordered(chunk_sum, tasks, add, pool), reduce_ordered(chunk_sum, tasks, add))


def test_no_scheduler_there():
    pytest.importorskip("distributed")
    with pytest.raises(ValueError, match="no Dask scheduler"), executor("dask://127.0.0.1:9"):
        pass
