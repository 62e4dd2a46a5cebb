"""What scikit-learn asks of every estimator, by its own checks."""

import warnings

import pytest

pytest.importorskip("sklearn")

from prior2posterior.sklearn import PriorCorrectedClassifier, PriorCorrector
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.utils import estimator_checks as checks

FEWER_COLUMNS = "its data have fewer columns than classes, and here the columns are the classes"
INTEGERS = "its data are integers: refused, since integers in place of scores are mostly labels"
WORDING = "refused as it should be, in a sentence of this package"

# The columns of a PriorCorrector are classes, not features.
CORRECTOR_EXCEPTIONS = {
    "check_estimators_overwrite_params": FEWER_COLUMNS,
    "check_estimators_fit_returns_self": FEWER_COLUMNS,
    "check_readonly_memmap_input": FEWER_COLUMNS,
    "check_estimators_dtypes": INTEGERS,
    "check_sample_weights_pandas_series": INTEGERS,
    "check_sample_weights_not_an_array": INTEGERS,
    "check_sample_weights_shape": INTEGERS,
    "check_dtype_object": "arrays of Python objects are refused, whatever they hold",
    "check_estimators_nan_inf": "-inf is a score: that of a class which is ruled out",
    "check_complex_data": WORDING,
    "check_estimators_empty_data_messages": WORDING,
    "check_fit2d_1feature": WORDING,
    "check_fit2d_predict1d": WORDING,
}


def failed(estimator):
    """The failed checks, with what they say."""
    if not hasattr(checks, "estimator_checks_generator"):
        pytest.skip("scikit-learn before 1.6 stops at the first failure")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        results = checks.check_estimator(estimator, on_fail=None)
    assert len(results) > 40
    return {r["check_name"]: repr(r["exception"]) for r in results if r["status"] == "failed"}


@pytest.mark.parametrize(
    "classifier",
    [
        PriorCorrectedClassifier(LogisticRegression()),
        PriorCorrectedClassifier(GaussianNB(), cv=3),
        PriorCorrectedClassifier(GaussianNB(), target="empirical", strength=0.5),
    ],
    ids=["linear", "out-of-fold", "naive-bayes"],
)
def test_the_classifier_passes_every_check(classifier):
    assert failed(classifier) == {}


def test_the_corrector_fails_the_checks_that_do_not_apply_and_no_other():
    # Some of its data lie in [0, 1], which is asked about unless one says what they are.
    failures = failed(PriorCorrector(input="logits"))
    unexpected = {name: said for name, said in failures.items() if name not in CORRECTOR_EXCEPTIONS}
    assert unexpected == {}
    assert set(failures) == set(CORRECTOR_EXCEPTIONS)
