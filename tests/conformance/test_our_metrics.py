"""Our own metrics pass the suite that guests' are checked by."""

import pytest

from rgf_keras.metrics.catalogue import OURS
from rgf_keras.testing import check_metric


@pytest.mark.parametrize("metric", OURS, ids=lambda metric: metric.key)
def test_metrics(metric):
    check_metric(metric)
