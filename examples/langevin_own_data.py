"""Your own time series to a Langevin model, with a report on the time scales between which one holds."""

# --8<-- [start:data]
import numpy as np

from kadanoff.random import normal  # only to make an array; take your own instead

# a particle in a double well, its velocity remembered for a while: x is all that is kept
step, x, v, rows = 0.01, -1.0, 0.0, []
for n in range(800_000):
    kick, _ = normal(1, 0, n, 0)
    v += step * (-4 * x * (x * x - 1) - 20 * v) + (40 * step) ** 0.5 * kick
    x += step * v
    if n % 4 == 0:
        rows.append(x)
np.savetxt("own.csv", np.array(rows), header="x", comments="")
# --8<-- [end:data]

# --8<-- [start:body]
from kadanoff.dynamics.time_scales import time_scale_report
from kadanoff.dynamics.trajectory_files import read_trajectories

series = read_trajectories("own.csv", columns=["x"], spacing=0.04, unit="nm", time_unit="ps")
report = time_scale_report(series, thermal_energy=1.0)

print(report.verdict)
for test in report.tests:
    print(f"lag {test.time:.3g} ps: {'holds' if test.passed else 'does not hold'}")
    for check in test.checks:
        print(f"   {check}")
if report.model is not None:
    print(f"D = {report.diffusion}, friction kT / D = {report.friction}")
    report.model.save("model.json")
# --8<-- [end:body]

# --8<-- [start:simulate]
from kadanoff.dynamics.correlations import passage_time
from kadanoff.dynamics.simulation import simulate_overdamped

if report.model is not None:
    walkers = simulate_overdamped(report.model, np.full(16, -1.0), 40_000, 0.02, every=20, seed=1)
    print(f"from well to well: data {passage_time(series.thinned(10), -1, 1)}, model {passage_time(walkers, -1, 1)}")
# --8<-- [end:simulate]
