"""Hard disks against closed forms, a brute-force twin, Enskog and Henderson."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kadanoff.dynamics.hard_disks import (
    DiskDynamics,
    Disks,
    collision_rate_ratio,
    contact_value,
    disk_pressure,
    enskog_rate,
    lattice_start,
    random_start,
    reversed_disks,
    smallest_distance,
)

IMAGES = np.array([(a, b) for a in range(-4, 5) for b in range(-4, 5)], dtype=float)  # as far as a disk flies freely


def separations(positions, edge):
    i, j = np.triu_indices(len(positions), 1)
    away = positions[j] - positions[i]
    return i, j, away - edge * np.round(away / edge)


def least_gap(disks):
    """Smallest distance of any two disks, over all pairs."""
    return np.sqrt((separations(disks.positions, disks.edge)[2] ** 2).sum(axis=1).min())


def twin(disks, time):
    """All pairs, their images, the first collision, everything moved there, and so on: times and pairs."""
    x, v, now = disks.positions.copy(), disks.velocities.copy(), 0.0
    i, j = np.triu_indices(len(x), 1)
    seen = []
    while True:
        r = (x[j] - x[i])[:, None] - disks.edge * np.round((x[j] - x[i]) / disks.edge)[:, None] + IMAGES * disks.edge
        g = (v[j] - v[i])[:, None]
        b, c, gg = (r * g).sum(-1), (r**2).sum(-1) - disks.diameter**2, (g**2).sum(-1)
        root = b**2 - gg * c
        hit = (b < 0) & (root > 0)
        wait = np.where(hit, c / (np.sqrt(np.where(hit, root, 1)) - b), np.inf).clip(0)
        pair, image = np.unravel_index(wait.argmin(), wait.shape)
        if now + wait[pair, image] > time:
            return x + v * (time - now), v, np.array([s[0] for s in seen]), np.array([s[1:] for s in seen])
        now += wait[pair, image]
        x = x + v * wait[pair, image]
        first, second = i[pair], j[pair]
        k = x[second] - x[first]
        k -= disks.edge * np.round(k / disks.edge)
        k /= np.linalg.norm(k)
        exchanged = ((v[first] - v[second]) @ k) * k
        v[first], v[second] = v[first] - exchanged, v[second] + exchanged
        x = np.mod(x, disks.edge)
        seen.append((now, first, second))


@settings(max_examples=40)
@given(st.floats(-0.95, 0.95), st.floats(0.1, 3.0), st.floats(0, 2 * math.pi), st.floats(0, 10), st.floats(0, 10))
def test_two_disks_in_closed_form(miss, speed, angle, x, y):
    """Impact parameter b: they meet sqrt(1 - b^2) before the closest approach, and the line of centres is known."""
    along, across = np.array([math.cos(angle), math.sin(angle)]), np.array([-math.sin(angle), math.cos(angle)])
    first = np.array([x, y])
    velocity = np.array([speed * along, [0.0, 0.0]])
    dynamics = DiskDynamics(Disks(np.array([first, first + 3 * along + miss * across]), velocity, 1.0, 10.0))
    meet = (3 - math.sqrt(1 - miss**2)) / speed
    seen = dynamics.collisions(meet + 0.5 / speed)
    assert seen.time == pytest.approx([meet], rel=1e-12)
    k = math.sqrt(1 - miss**2) * along + miss * across
    exchanged = speed * math.sqrt(1 - miss**2) * k
    later = dynamics.disks()
    assert later.velocities == pytest.approx(velocity + np.array([-exchanged, exchanged]), abs=1e-12)
    assert np.linalg.norm(later.positions[0] - later.positions[1]) > 0
    assert later.time == pytest.approx(meet + 0.5 / speed)


@pytest.mark.parametrize(("number", "packing", "each", "start"), [
    (20, 0.02, 2, random_start), (20, 0.3, 6, random_start), (20, 0.6, 12, lattice_start), (5, 0.05, 3, lattice_start)
])  # fmt: skip
def test_the_same_events_as_brute_force(number, packing, each, start):
    """The same pairs in the same order, at the same times up to rounding, which grows from collision to collision."""
    disks = start(number, packing, seed=3)
    time = each / enskog_rate(disks)
    x, v, times, pairs = twin(disks, time)
    assert len(times) > number / 2
    dynamics = DiskDynamics(disks)
    seen = dynamics.collisions(time)
    assert np.sort(seen.pairs, axis=1).tolist() == pairs.tolist()
    assert seen.time == pytest.approx(times, abs=1e-9)
    later = dynamics.disks()
    assert later.velocities == pytest.approx(v, abs=1e-7)
    assert np.abs(later.positions - x - disks.edge * np.round((later.positions - x) / disks.edge)).max() < 1e-7


@settings(max_examples=30)
@given(st.integers(2, 60), st.floats(0.005, 0.45), st.integers(0, 2**31), st.sampled_from(["thermal", "equal"]))
def test_energy_momentum_and_no_overlap(number, packing, seed, speeds):
    if number * math.pi / (4 * packing) < 9:
        packing = number * math.pi / 36  # a box of three diameters
    disks = random_start(number, packing, seed=seed, speeds=speeds)
    assert np.abs(disks.velocities.sum(axis=0)).max() < 1e-12 * number
    assert disks.temperature == pytest.approx(1, rel=1e-12)
    dynamics = DiskDynamics(disks)
    for _ in range(10):
        dynamics.run(1.0 / enskog_rate(disks))
        later = dynamics.disks()
        assert least_gap(later) > 1 - 1e-11
        assert smallest_distance(later)[0] >= least_gap(later) * (1 - 1e-12)
        assert later.energy == pytest.approx(disks.energy, rel=1e-12)
        assert np.abs(later.velocities.sum(axis=0)).max() < 1e-11 * number


def test_looking_changes_no_bit():
    disks = random_start(300, 0.2, seed=5)
    straight, looked, logged = DiskDynamics(disks), DiskDynamics(disks), DiskDynamics(disks)
    total = straight.run(400.0)
    parts = []
    for _ in range(1000):
        parts.append(looked.run(0.4).collisions)
        looked.disks()
    seen = logged.collisions(400.0)
    assert sum(parts) == total.collisions == len(seen.time)
    assert np.array_equal(straight.disks().velocities, logged.disks().velocities)
    assert np.array_equal(straight.disks().velocities, looked.disks().velocities)
    assert np.all(np.diff(seen.time) >= 0)
    assert seen.time[-1] > straight._length  # the clocks have been set back on the way


def test_a_full_log_loses_nothing(monkeypatch):
    disks = random_start(100, 0.2, seed=5)
    whole = DiskDynamics(disks).collisions(10.0)
    monkeypatch.setattr("kadanoff.dynamics.hard_disks._LOG", 7)
    parts = DiskDynamics(disks).collisions(10.0)
    assert np.array_equal(whole.pairs, parts.pairs)
    assert np.array_equal(whole.after, parts.after)


def test_collisions_conserve_and_exchange():
    seen = DiskDynamics(random_start(200, 0.1, seed=2)).collisions(20.0)
    assert len(seen.time) > 500
    assert seen.after.sum(axis=1) == pytest.approx(seen.before.sum(axis=1), abs=1e-13)
    assert (seen.after**2).sum(axis=(1, 2)) == pytest.approx((seen.before**2).sum(axis=(1, 2)), rel=1e-12)


def test_reversal_returns_for_a_few_collisions_and_then_no_more():
    """Rounding grows in every collision: 3e-10 after one a disk, all lost after four (dilute)."""
    disks = random_start(400, 0.01, seed=4)

    def missed(each):
        dynamics = DiskDynamics(disks)
        dynamics.run(each / enskog_rate(disks))
        back = DiskDynamics(reversed_disks(dynamics.disks()))
        back.run(each / enskog_rate(disks))
        return np.abs(back.disks().velocities + disks.velocities).max()

    assert missed(0.1) < 1e-11
    assert missed(1.0) < 1e-6
    assert missed(6.0) > 1.0


def test_one_disk_moved_a_little_destroys_the_return():
    disks = random_start(100, 0.3, seed=4)
    time = 6.0 / enskog_rate(disks)
    dynamics = DiskDynamics(disks)
    dynamics.run(time)
    turned = reversed_disks(dynamics.disks())
    velocities = turned.velocities.copy()
    velocities[0] = velocities[0, ::-1] * [1, -1]

    def missed(start):
        back = DiskDynamics(start)
        back.run(time)
        return np.abs(back.disks().velocities + disks.velocities).max(axis=1)

    assert missed(turned).max() < 1e-3
    assert np.mean(missed(Disks(turned.positions, velocities, 1.0, turned.edge)) > 0.1) > 0.5


@pytest.mark.parametrize(("packing", "chi"), [(0.01, 1.0158), (0.1, 1.1806), (0.4, 2.2917)])
def test_henderson(packing, chi):
    assert contact_value(packing) == pytest.approx(chi, abs=5e-5)


@pytest.mark.parametrize("packing", [0.01, 0.1])
def test_the_collision_rate_is_enskogs(packing):
    ratio = collision_rate_ratio(random_start(1024, packing, seed=6), settle=15, collisions=150)
    assert ratio.error < 0.006
    assert abs(ratio.value - 1) < 4 * ratio.error + 0.002  # Henderson's chi is good to 0.2 per cent


def test_the_pressure_is_hendersons():
    pressure = disk_pressure(random_start(1024, 0.1, seed=7), settle=15, collisions=100)
    assert pressure.error < 0.005
    assert abs(pressure.value - (1 + 0.1**2 / 8) / 0.9**2) < 4 * pressure.error


@pytest.mark.slow
@pytest.mark.parametrize("packing", [0.01, 0.1, 0.4])
def test_the_collision_rate_to_a_per_cent(packing):
    ratio = collision_rate_ratio(random_start(4096, packing, seed=8), settle=60, collisions=400)
    assert ratio.error < 0.003
    assert abs(ratio.value - 1) < 0.01


def test_a_moving_frame_changes_nothing():
    disks = random_start(200, 0.1, seed=2)
    moving = Disks(disks.positions, disks.velocities + np.array([3.0, -1.0]), 1.0, disks.edge)
    assert enskog_rate(moving) == pytest.approx(enskog_rate(disks), rel=1e-12)
    there, here = DiskDynamics(moving).collisions(5.0), DiskDynamics(disks).collisions(5.0)
    assert np.sort(there.pairs, axis=1).tolist() == np.sort(here.pairs, axis=1).tolist()


def test_disks_at_rest_stay():
    disks = Disks(np.array([[1.0, 1.0], [5.0, 5.0]]), np.zeros((2, 2)), 1.0, 10.0)
    dynamics = DiskDynamics(disks)
    assert dynamics.run(100.0).collisions == 0
    assert np.array_equal(dynamics.disks().positions, disks.positions)


def two(positions=((1.0, 1.0), (5.0, 5.0)), velocities=((1.0, 0.0), (0.0, 0.0)), diameter=1.0, edge=10.0):
    return Disks(np.array(positions), np.array(velocities), diameter, edge)


@pytest.mark.parametrize(("make", "words"), [
    (lambda: two(positions=((1.0, np.nan), (5.0, 5.0))), "disk 0"),
    (lambda: two(edge=2.5), "three diameters"),
    (lambda: two(velocities=((1.0, 0.0),) * 3), "2 positions but 3 velocities"),
    (lambda: DiskDynamics(two(positions=((0.2, 1.0), (9.7, 1.0)))), "disks 0 and 1 overlap: 0.5 apart"),
    (lambda: DiskDynamics(two()).run(-1.0), "not negative"),
    (lambda: random_start(10, 0.6, seed=0), "jams"),
    (lambda: lattice_start(100, 0.8, seed=0), "do not fit"),
    (lambda: lattice_start(100, 0.1, seed=0, speeds="fast"), "speeds"),
    (lambda: lattice_start(100, 0.1, seed=0, temperature=0.0), "temperature"),
    (lambda: lattice_start(1, 0.1, seed=0), "two or more"),
    (lambda: collision_rate_ratio(two(velocities=((1.0, 0.0),) * 2)), "all move alike"),
    (lambda: collision_rate_ratio(two(), collisions=1.0), "a collision in each"),
    (lambda: contact_value(1.0), "packing"),
])  # fmt: skip
def test_bad_input(make, words):
    with pytest.raises(ValueError, match=words):
        make()


def test_newtons_cradle():
    """A row of touching disks hands the momentum on: only the last one leaves, with the velocity of the first."""
    positions = np.array([[2.0 + x, 5.0] for x in (0.0, 2.0, 3.0, 4.0, 5.0)])
    dynamics = DiskDynamics(Disks(positions, np.array([[1.0, 0.0]] + [[0.0, 0.0]] * 4), 1.0, 20.0))
    assert dynamics.run(3.0).collisions == 4
    assert dynamics.disks().velocities == pytest.approx(np.array([[0.0, 0.0]] * 4 + [[1.0, 0.0]]), abs=1e-12)


def test_all_collisions_at_one_time():
    """Pairs on a lattice that all meet at the same moment, up to rounding."""
    side = 30
    places = np.indices((2 * side, side)).reshape(2, -1).T
    velocities = np.where(places[:, :1] % 2 == 0, 1.0, -1.0) * np.array([[1.0, 0.0]])
    disks = Disks(places * np.array([1.5, 3.0]) + 0.3, velocities, 1.0, 3.0 * side)
    seen = DiskDynamics(disks).collisions(0.9)
    assert seen.time[: side**2] == pytest.approx(np.full(side**2, 0.25), abs=1e-12)
    assert seen.time[side**2 :] == pytest.approx(np.full(len(seen.time) - side**2, 0.75), abs=1e-12)
    assert len(seen.time) == 2 * side**2
