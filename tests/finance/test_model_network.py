# SPDX-License-Identifier: Apache-2.0
"""Trunks and objectives: one contract for every way a map can come in."""

from __future__ import annotations

from itertools import product

import pytest
import torch

from spade_finance.exceptions import InputError
from spade_finance.model.config import GeneratorConfig, preset
from spade_finance.model.objectives import energy_score, facts, facts_loss, random_portfolios
from spade_finance.model.trunks import make_trunk

CONDITIONINGS = ("spade", "concat_input", "concat_layers", "film", "tables", "none")
TRUNKS = (
    [("causal", c) for c in CONDITIONINGS]
    + [("upsampling", c) for c in CONDITIONINGS]
    + [("unet", "concat_input")]
)


def make(trunk: str, conditioning: str) -> torch.nn.Module:
    torch.manual_seed(0)
    config = preset(
        "quick", trunk=trunk, conditioning=conditioning, channels=8, dilations=(1, 2), map_hidden=8
    )
    return make_trunk(4, 5, config)


@pytest.mark.parametrize(("trunk", "conditioning"), TRUNKS)
def test_trunk_contract(trunk: str, conditioning: str) -> None:
    net = make(trunk, conditioning)
    x, segmap = torch.randn(3, 4, 50), torch.rand(3, 5, 50)
    out = net(x, net.prepare(segmap))
    assert out.shape == (3, 8, 50)
    out.square().sum().backward()
    without = [name for name, p in net.named_parameters() if p.grad is None or not p.grad.abs().any()]
    assert not without
    shared = net(x, net.prepare(segmap[:1]))
    repeated = net(x, net.prepare(segmap[:1].expand(3, -1, -1)))
    assert torch.allclose(shared, repeated, atol=1e-6)  # one map's work serves every path


@pytest.mark.parametrize(("trunk", "conditioning"), [p for p in TRUNKS if p[1] != "film"])
def test_nothing_looks_ahead(trunk: str, conditioning: str) -> None:
    net = make(trunk, conditioning)
    x, segmap = torch.randn(2, 4, 64), torch.rand(2, 5, 64)
    before = net(x, net.prepare(segmap))
    for day in (1, 17, 40, 63):
        changed_x, changed_map = x.clone(), segmap.clone()
        changed_x[..., day:] += 3
        changed_map[..., day:] = torch.rand(2, 5, 64 - day)
        after = net(changed_x, net.prepare(changed_map))
        assert torch.equal(after[..., :day], before[..., :day])
        assert not torch.allclose(after[..., day:], before[..., day:])


@pytest.mark.parametrize("conditioning", ["spade", "concat_input", "concat_layers", "film"])
def test_the_map_matters_and_only_where_it_should(conditioning: str) -> None:
    net = make("causal", conditioning)
    x = torch.randn(2, 4, 40)
    one, other = torch.rand(2, 5, 40), torch.rand(2, 5, 40)
    assert not torch.allclose(net(x, net.prepare(one)), net(x, net.prepare(other)), atol=1e-4)
    for blind in ("tables", "none"):
        net = make("causal", blind)
        assert torch.equal(net(x, net.prepare(one)), net(x, net.prepare(other)))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"trunk": "gru"}, "trunk='gru'"),
        ({"conditioning": "add"}, "conditioning='add'"),
        ({"channels": 0}, "channels=0"),
        ({"map_hidden": 4}, "map_hidden=4"),
        ({"energy_weight": 0.0, "facts_weight": 0.0}, "nothing to train on"),
        ({"facts_weight": float("nan")}, "facts_weight=nan"),
    ],
)
def test_bad_settings_are_named(changes: dict[str, object], words: str) -> None:
    with pytest.raises(InputError, match=words):
        preset("quick", **changes)


def test_config_survives_json() -> None:
    for name, (a, b) in product(("quick", "large"), ((None, "direct"), (32, "structured"))):
        config = preset(name, map_hidden=a, head=b)
        assert GeneratorConfig.from_dict(config.to_dict()) == config
    with pytest.raises(InputError, match="unknown fields"):
        GeneratorConfig.from_dict({"depth": 3})


def test_energy_score_is_least_for_the_true_distribution() -> None:
    torch.manual_seed(0)
    ports = random_portfolios(3)

    def draw(scale: float, rho: float) -> torch.Tensor:
        return scale * (rho**0.5 * torch.randn(4000, 1, 64) + (1 - rho) ** 0.5 * torch.randn(4000, 3, 64))

    real = draw(1.0, 0.5)
    true = energy_score(draw(1.0, 0.5), draw(1.0, 0.5), real, ports)
    for scale, rho in ((0.8, 0.5), (1.25, 0.5), (1.0, 0.0), (1.0, 0.95)):
        assert energy_score(draw(scale, rho), draw(scale, rho), real, ports) > true + 1e-3


def test_facts_loss_tells_distributions_apart_by_regime() -> None:
    torch.manual_seed(0)
    regimes = torch.zeros(64, 2, 128)
    regimes[:32, 0], regimes[32:, 1] = 1, 1
    x, same = torch.randn(64, 3, 128), torch.randn(128, 3, 128)
    calm_too_wild = same.clone()
    calm_too_wild[:32] *= 1.3
    calm_too_wild[64:96] *= 1.3
    assert facts_loss(same, x, regimes) < 0.5 * facts_loss(calm_too_wild, x, regimes)
    found = facts(x, regimes)
    assert found["correlation"].abs().max() < 0.05
    assert found["acf_abs"].abs().max() < 0.05
    persistent = x * torch.exp(0.5 * torch.randn(64, 1, 1))
    assert facts(persistent, regimes)["acf_abs"].min() > 0.1
