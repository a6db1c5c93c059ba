"""Claim: transition counts of 1e8 frames cost at most five times as much as reading them, and a tenth of what
deeptime's do on the same frames; one core."""

from __future__ import annotations

import argparse

from _common import machine, seconds, table, use_cores

use_cores(1)

import numpy as np  # noqa: E402

from kadanoff.dynamics.jumps import simulate_chain  # noqa: E402
from kadanoff.dynamics.transition_counts import count_transitions, markov_model  # noqa: E402

STATES = 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=100_000_000)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    rng = np.random.default_rng(0)
    chain = 0.9 * np.eye(STATES) + 0.1 * rng.dirichlet(np.ones(STATES), STATES)  # metastable: one cell is hit in a row
    frames = simulate_chain(chain, arguments.frames, seed=0)
    model = markov_model(count_transitions(frames, states=STATES))
    assert np.abs(model.transition - chain).max() < 5 * model.errors("multinomial").max()
    small = frames.astype(np.int8)
    # one pass that only reads: the sum of the same bytes as 64-bit words, which numpy vectorises
    words = frames[: len(frames) // 2 * 2].view(np.int64)
    runs = {
        "kadanoff count_transitions, int32, 32 blocks": (
            lambda: count_transitions(frames, states=STATES),
            frames.nbytes,
        ),
        "kadanoff count_transitions, int8": (lambda: count_transitions(small, states=STATES), small.nbytes),
        "numpy sum of the int32 frames (reads only)": (lambda: words.sum(), frames.nbytes),
    }
    try:
        from deeptime.markov import TransitionCountEstimator
    except ImportError:
        print("deeptime is not installed: no peer")
    else:

        def peer() -> np.ndarray:
            estimator = TransitionCountEstimator(lagtime=1, count_mode="sliding", n_states=STATES)
            return estimator.fit(frames).fetch_model().count_matrix

        assert np.array_equal(peer(), count_transitions(frames, states=STATES).matrix)
        runs["deeptime TransitionCountEstimator, int32"] = (peer, frames.nbytes)
    times = {name: seconds(run, repeats=arguments.repeats)[1] for name, (run, _) in runs.items()}
    ours = times["kadanoff count_transitions, int32, 32 blocks"]
    rows = [
        (name, best, 1e9 * best / len(frames), runs[name][1] / best / 1e9, best / ours) for name, best in times.items()
    ]
    print(machine())
    header = (f"{len(frames):.3g} frames, {STATES} states, 1 core", "best s", "ns a frame", "GB/s", "times ours")
    print(table(rows, header))
    share = times["numpy sum of the int32 frames (reads only)"] / ours
    peers = [best for name, best in times.items() if name.startswith("deeptime")]
    ratio = peers[0] / ours if peers else float("nan")
    print(
        f"{100 * share:.0f} % of the bandwidth of reading alone, {ratio:.1f} times deeptime; claim: 20 % and 10 times"
    )
    raise SystemExit(0 if share >= 0.20 and not ratio < 10 else 1)


if __name__ == "__main__":
    main()
