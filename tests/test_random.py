"""The counter-based generator: published vectors, NumPy twins, moments and independence."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numba import njit

from kadanoff.random import fill_normals, normal, normal3, philox, uniform

U = np.uint64
LOW = U(0xFFFFFFFF)
SEED = 2024


@pytest.mark.parametrize(
    ("counter", "key", "words"),
    [
        ("00000000 00000000 00000000 00000000", "00000000 00000000", "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
        ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff", "408f276d 41c83b0e a20bc7c6 6d5451fd"),
        ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0", "d16cfe09 94fdcceb 5001e420 24126ea1"),
    ],
)
def test_the_known_answers_of_random123(counter, key, words):
    given = [int(word, 16) for word in (counter + " " + key).split()]
    assert " ".join(f"{word:08x}" for word in philox(*given)) == words


def twin_words(seed, stream, step, item):
    """Philox in arrays of NumPy, written from the paper."""
    c = [np.asarray(x, dtype=U) for x in (item, step & 0xFFFFFFFF, step >> 32, stream)]
    k = [U(seed & 0xFFFFFFFF), U(seed >> 32 & 0xFFFFFFFF)]
    for _ in range(10):
        a, b = U(0xD2511F53) * c[0], U(0xCD9E8D57) * c[2]
        c = [b >> U(32) ^ c[1] ^ k[0], b & LOW, a >> U(32) ^ c[3] ^ k[1], a & LOW]
        k = [(k[0] + U(0x9E3779B9)) & LOW, (k[1] + U(0xBB67AE85)) & LOW]
    return c


def twin_uniform(*key):
    a, b, c, d = twin_words(*key)
    return [((hi << U(32) | lo) >> U(12)).astype(float) * 2.0**-52 + 2.0**-53 for hi, lo in ((a, b), (c, d))]


def twin_normal3(*key):
    a, b, c, d = (word.astype(float) for word in twin_words(*key))
    radius, other = (np.sqrt(-2 * np.log((word + 0.5) / 2.0**32)) for word in (a, c))
    turn, third = 2 * np.pi * b / 2.0**32, 2 * np.pi * d / 2.0**32
    return np.stack([radius * np.cos(turn), radius * np.sin(turn), other * np.cos(third)], axis=1)


@njit
def many(seed, stream, step, n):
    flat, bell = np.empty((n, 2)), np.empty((n, 2))
    for i in range(n):
        flat[i, 0], flat[i, 1] = uniform(seed, stream, step, i)
        bell[i, 0], bell[i, 1] = normal(seed, stream, step, i)
    return flat, bell


@pytest.mark.parametrize(("seed", "stream", "step"), [(SEED, 0, 0), (-1, 7, 2**40 + 3), (2**63 - 1, 2**32 - 1, 5)])
def test_kernels_equal_their_numpy_twins(seed, stream, step):
    item = np.arange(1000, dtype=U)
    flat, bell = many(seed, stream, step, 1000)
    key = (seed % 2**64, stream, step, item)
    first, second = twin_uniform(*key)
    assert np.array_equal(flat, np.stack([first, second], axis=1))
    radius = np.sqrt(-2 * np.log(first))
    np.testing.assert_allclose(bell[:, 0], radius * np.cos(2 * np.pi * second), rtol=1e-13, atol=1e-14)
    np.testing.assert_allclose(bell[:, 1], radius * np.sin(2 * np.pi * second), rtol=1e-13, atol=1e-14)
    out = np.empty((1000, 3), np.float32)
    fill_normals(seed, stream, step, out)
    np.testing.assert_allclose(out, twin_normal3(*key), rtol=0, atol=3e-5)
    assert np.mean(np.abs(out - twin_normal3(*key))) < 1e-6
    assert all(np.array_equal(np.float32(normal3(seed, stream, step, i)), out[i]) for i in (0, 255, 256, 999))


def test_single_precision_at_the_ends_of_its_range():
    kernel = normal3.py_func.__globals__
    for word in (0, 1, 2**30, 2**31 - 1, 2**31, 3 * 2**30, 2**32 - 2**8, 2**32 - 1):
        radius, (cosine, sine) = kernel["_radius"](U(word)), kernel["_turn"](U(word))
        angle = 2 * math.pi * word / 2**32
        assert abs(cosine - math.cos(angle)) < 2e-7
        assert abs(sine - math.sin(angle)) < 2e-7
        assert abs(radius - math.sqrt(-2 * math.log((word + 0.5) / 2**32))) < 4e-5
        assert math.isfinite(radius)


def test_numbers_do_not_depend_on_how_many_are_drawn():
    short, long = np.empty((5, 3), np.float32), np.empty((1000, 3), np.float32)
    fill_normals(SEED, 1, 2, short)
    fill_normals(SEED, 1, 2, long)
    assert np.array_equal(short, long[:5])


def five_sigma(value, expected, variance_of_one, n):
    assert abs(value - expected) < 5 * math.sqrt(variance_of_one / n)


def test_moments_of_the_uniform():
    n = 200_000
    flat, _ = many(SEED, 0, 0, n)
    assert flat.min() > 0
    assert flat.max() < 1
    for power in (1, 2, 3, 4):
        for column in flat.T:
            variance = 1 / (2 * power + 1) - 1 / (power + 1) ** 2
            five_sigma(np.mean(column**power), 1 / (power + 1), variance, n)
    expected = n / 64
    chi_squared = np.sum((np.histogram2d(*flat.T, bins=8, range=[(0, 1)] * 2)[0] - expected) ** 2) / expected
    assert abs(chi_squared - 63) < 5 * math.sqrt(2 * 63)


@pytest.mark.parametrize("which", ["normal", "fill_normals"])
def test_moments_of_the_normal(which):
    n = 200_000
    if which == "normal":
        draws = many(SEED, 3, 1, n)[1]
    else:
        draws = np.empty((n, 3), np.float32)
        fill_normals(SEED, 3, 1, draws)
        draws = draws.astype(float)
    for column in draws.T:
        # E x^2k = (2k - 1)!!: 1, 3, 15, 105 and so on for the variances
        for power, expected, square in ((1, 0, 1), (2, 1, 3), (3, 0, 15), (4, 3, 105), (6, 15, 10395)):
            five_sigma(np.mean(column**power), expected, square - expected**2, n)
        five_sigma(np.mean(np.abs(column) > 3), 0.0026997960632601866, 0.0027, n)
    for i in range(draws.shape[1]):
        for j in range(i):
            five_sigma(np.mean(draws[:, i] * draws[:, j]), 0, 1, n)
            five_sigma(np.mean(draws[:, i] ** 2 * draws[:, j] ** 2), 1, 8, n)


def test_every_part_of_the_key_matters_and_nothing_is_correlated():
    n = 50_000
    draws = []
    for seed, stream, step in ((0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1), (2**32, 0, 0), (0, 0, 2**32)):
        out = np.empty((n, 3), np.float32)
        fill_normals(seed, stream, step, out)
        draws.append(out[:, 0].astype(float))
    draws.append(np.roll(draws[0], 1))  # neighbouring items
    for i, first in enumerate(draws):
        for second in draws[:i]:
            five_sigma(np.mean(first * second), 0, 1, n)
            five_sigma(np.mean(first**2 * second**2), 1, 8, n)
