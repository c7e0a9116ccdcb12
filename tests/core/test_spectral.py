# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import warnings

import pytest
import torch
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm as newer_spectral_norm

from spade_core import SPADEResBlk
from spade_core.spectral import (
    from_parametrized_keys,
    spectral_norm,
    to_parametrized_keys,
    warm_up_spectral,
)


def largest_singular_value(layer: nn.Module) -> float:
    return float(torch.linalg.matrix_norm(layer.weight.detach().flatten(1), 2))


@pytest.mark.parametrize(
    "make", [lambda: nn.Linear(7, 5), lambda: nn.Conv1d(3, 4, 3), lambda: nn.Conv2d(3, 4, 3)]
)
def test_warm_up_brings_the_norm_to_one(make) -> None:
    torch.manual_seed(0)
    layer = spectral_norm(make())
    warm_up_spectral(layer, 200)
    layer.eval()(
        torch.zeros(1, 7)
        if isinstance(layer, nn.Linear)
        else torch.zeros(1, 3, *(9,) * (layer.weight.dim() - 2))
    )
    assert largest_singular_value(layer) == pytest.approx(1.0, abs=1e-4)


def test_warm_up_leaves_trained_weights_alone() -> None:
    block = SPADEResBlk(3, 4, 2, 1, spectral=True)
    before = {k: v.clone() for k, v in block.state_dict().items()}
    warm_up_spectral(block)
    for key, value in block.state_dict().items():
        assert torch.equal(value, before[key]) == (not key.endswith(("weight_u", "weight_v"))), key


def test_no_deprecation_warning_from_torch() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        layer = spectral_norm(nn.Conv1d(2, 2, 3))
        layer(torch.zeros(1, 2, 5))


def test_keys_to_torchs_newer_form_and_back() -> None:
    """A newer-form layer loaded with converted keys computes the same, in evaluation."""
    torch.manual_seed(0)
    old = nn.Sequential(spectral_norm(nn.Conv1d(3, 4, 3)), nn.ReLU(), nn.Conv1d(4, 2, 1))
    new = nn.Sequential(newer_spectral_norm(nn.Conv1d(3, 4, 3)), nn.ReLU(), nn.Conv1d(4, 2, 1))
    old.train()(torch.randn(2, 3, 9))
    state = old.state_dict()
    converted = to_parametrized_keys(state)
    new.load_state_dict(converted, strict=True)
    x = torch.randn(2, 3, 9)
    torch.testing.assert_close(new.eval()(x), old.eval()(x))
    back = from_parametrized_keys(new.state_dict())
    assert set(back) == set(state)
    assert all(torch.equal(back[k], state[k]) for k in state)
