"""Your own time series to a Langevin model, with a report on the time scales between which one holds."""

# --8<-- [start:imports]
import numpy as np

from kadanoff.dynamics.correlations import passage_time
from kadanoff.dynamics.simulation import simulate_overdamped
from kadanoff.dynamics.time_scales import time_scale_report
from kadanoff.dynamics.trajectory_files import read_trajectories

# --8<-- [end:imports]

# --8<-- [start:data]
# a particle in a double well that remembers its velocity for a while; only its position is kept
rng, step, x, v, rows = np.random.default_rng(1), 0.01, -1.0, 0.0, []
for n, kick in enumerate(rng.standard_normal(800_000)):
    v += step * (-4 * x * (x * x - 1) - 20 * v) + (40 * step) ** 0.5 * kick
    x += step * v
    if n % 4 == 0:
        rows.append(x)
np.savetxt("own.csv", np.array(rows), header="x", comments="")
# --8<-- [end:data]

# --8<-- [start:body]
series = read_trajectories("own.csv", columns=["x"], spacing=0.04, unit="nm", time_unit="ps")
report = time_scale_report(series, thermal_energy=1.0)

print(report.verdict)
for test in report.tests:
    print(f"lag {test.time:.3g} ps:", *test.checks, sep="\n   ")
if report.model is not None:
    print(f"D = {report.diffusion}, friction kT / D = {report.friction}")
    report.model.save("model.json")
# --8<-- [end:body]

# --8<-- [start:simulate]
if report.model is not None:
    walkers = simulate_overdamped(report.model, np.full(16, -1.0), 40_000, 0.02, every=20, seed=1)
    seen = series.thinned(10)  # both looked at every 0.4 ps: passages depend on how often one looks
    print(f"from well to well: data {passage_time(seen, -1, 1)}, model {passage_time(walkers, -1, 1)}")
# --8<-- [end:simulate]
