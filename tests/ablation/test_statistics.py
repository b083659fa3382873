import numpy as np
import pytest
from scipy import stats

from occface_core.ablation.severity import severity_curve
from occface_core.ablation.statistics import bootstrap_weights, holm, interval, paired_test


def test_interval_agrees_with_an_independent_bootstrap():
    values = np.random.default_rng(0).exponential(2.0, 80)
    low, high = interval(values, bootstrap_weights(80))
    other = stats.bootstrap(
        (values,), np.mean, method="percentile", n_resamples=4000, rng=1
    ).confidence_interval
    assert low == pytest.approx(other.low, abs=0.06) and high == pytest.approx(other.high, abs=0.06)


def test_interval_covers_as_often_as_it_says():
    weights = bootstrap_weights(60)
    rng = np.random.default_rng(3)
    hits = sum(
        low <= 5 <= high for low, high in (interval(rng.normal(5, 1, 60), weights) for _ in range(300))
    )
    assert 0.90 <= hits / 300 <= 0.98


def test_interval_leaves_out_what_is_not_known():
    values = np.array([1.0, np.nan, 1.0, np.nan, 1.0])
    assert interval(values, bootstrap_weights(5)) == (1.0, 1.0)
    assert np.isnan(interval(np.array([1.0, np.nan]), bootstrap_weights(2))).all()


def test_paired_test_agrees_with_scipys_permutation_test():
    differences = np.array([0.3, 0.8, -0.1, 0.6, 0.2, 0.9, -0.4, 0.5])
    other = stats.permutation_test((differences,), np.mean, permutation_type="samples", n_resamples=np.inf)
    assert paired_test(differences) == pytest.approx(other.pvalue)
    many = np.random.default_rng(0).normal(0.2, 1.0, 50)
    assert paired_test(many) == pytest.approx(stats.ttest_1samp(many, 0).pvalue, abs=0.02)
    assert paired_test(np.zeros(9)) == 1.0 and paired_test(np.array([np.nan])) == 1.0


def test_false_alarms_are_as_rare_as_asked():
    rng = np.random.default_rng(5)
    alarms = sum(paired_test(rng.normal(0, 1, 10)) < 0.05 for _ in range(400))
    assert alarms / 400 < 0.08


def test_holms_correction_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.7]) == [1.0, 1.0] and holm([]) == []


def test_severity_curve_is_the_mean_in_each_bin():
    shares = np.array([0.05, 0.02, 0.08, 0.25, 0.22, 0.28, np.nan, 0.9])
    values = np.array([1.0, 2.0, 3.0, 10.0, 20.0, np.nan, 5.0, 7.0])
    curve = severity_curve(shares, values)
    assert [(point.low, point.count, point.value) for point in curve] == [(0.0, 3, 2.0)]
    values[5] = 30.0
    assert [point.value for point in severity_curve(shares, values)] == [2.0, 20.0]
