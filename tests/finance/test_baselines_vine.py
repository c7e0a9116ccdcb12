# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import importlib
import itertools

import numpy as np
import pytest
from scipy.stats import kendalltau

from spade_finance.baselines import RegimeVine, make_baseline
from spade_finance.exceptions import InputError
from spade_finance.regimes.labels import RegimeLabels
from tests.finance.evaluation_doubles import make_returns

pytestmark = pytest.mark.filterwarnings("ignore::spade_finance.exceptions.RareRegimeWarning")


def labelled(n_days: int, n_sectors: int):
    returns = make_returns(n_days, n_sectors)
    codes = np.zeros(n_days, dtype=np.int8)
    codes[-30:] = 1
    return returns, RegimeLabels.from_codes(codes, ("bull", "crisis"), returns.index)


def test_without_skfolio_it_says_what_to_install(monkeypatch):
    real = importlib.import_module

    def without(name, *args):
        if name.startswith("skfolio"):
            raise ModuleNotFoundError(f"No module named {name!r}", name="skfolio")
        return real(name, *args)

    monkeypatch.setattr(importlib, "import_module", without)
    with pytest.raises(InputError, match=r"vine needs skfolio.*spade-finance\[vine\]"):
        RegimeVine().fit(*labelled(200, 3))


@pytest.mark.parametrize("n_sectors", [1, 2])
def test_fewer_than_three_sectors_are_refused(n_sectors):
    with pytest.raises(InputError, match=rf"got {n_sectors} sector.*take regime_t"):
        RegimeVine().fit(*labelled(200, n_sectors))


@pytest.mark.slow  # skfolio alone takes seconds to import
@pytest.mark.parametrize("n_sectors", [3, 5])
def test_vine_draws_the_datas_rank_correlations_and_margins(n_sectors):
    pytest.importorskip("skfolio", reason="the vine extra is not installed")
    returns, labels = labelled(300 if n_sectors == 3 else 1000, n_sectors)
    fitted = make_baseline("vine").fit(returns, labels)
    codes = np.repeat([0, 1], [1500, 60])
    x = fitted.sample(codes, 2, 0)
    np.testing.assert_array_equal(x.log_array, fitted.sample(codes, 2, 0).log_array)
    assert not np.array_equal(x.log_array, fitted.sample(codes, 2, 1).log_array)
    by_path = fitted.sample(np.stack([codes, codes[::-1]]), 2, 0)
    assert np.isfinite(by_path.log_array).all()
    calm = x.log_array[:, :1500].reshape(-1, n_sectors).astype(np.float64)
    real = np.log1p(returns.to_numpy())[labels.codes == 0]
    for i, j in itertools.combinations(range(n_sectors), 2):
        mine, theirs = kendalltau(calm[:, i], calm[:, j])[0], kendalltau(real[:, i], real[:, j])[0]
        assert mine == pytest.approx(theirs, abs=0.06)
    for q in (0.05, 0.25, 0.75, 0.95):
        np.testing.assert_allclose(np.quantile(calm, q, axis=0), np.quantile(real, q, axis=0), rtol=0.25)
    size = np.abs(calm[:, 0])
    assert abs(np.corrcoef(size[1:1500], size[:1499])[0, 1]) < 0.08  # no memory
