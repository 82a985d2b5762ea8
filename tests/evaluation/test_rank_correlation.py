"""The rank correlation of benchmarks/uncertainty.py, by hand."""

import numpy as np
import pytest

from benchmarks.uncertainty import blocks, ranks, spearman


def test_equal_values_share_the_mean_of_their_ranks():
    np.testing.assert_array_equal(ranks(np.array([7.0, 1.0, 7.0, 9.0])), [2.5, 1, 2.5, 4])


def test_only_the_order_counts():
    values = np.random.default_rng(0).normal(size=(2, 8, 8)).astype(np.float32)
    assert spearman(values, np.exp(3 * values)) == pytest.approx(1)
    assert spearman(values, -values) == pytest.approx(-1)
    # 1 - 6 sum d^2 / n (n^2 - 1) with rank differences 1, 1, 0, 0
    assert spearman(np.array([1, 2, 3, 4.0]), np.array([2, 1, 3, 4.0])) == pytest.approx(0.8)
    assert spearman(values, np.ones_like(values)) == 0


def test_blocks_are_means_of_8x8():
    values = np.zeros((1, 8, 16), np.float32)
    values[0, :, 8:] = np.arange(64).reshape(8, 8)
    np.testing.assert_allclose(blocks(values), [[[0, 31.5]]])
