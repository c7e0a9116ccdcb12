# SPDX-License-Identifier: Apache-2.0
r"""The generator: statistics of each regime, and a SPADE trunk that learns the deviations.

With the structured head the daily log return of sector s is

.. math::
    y_{t,s} = \mu_{t,s} + \varepsilon_{t,s} + \phi_t \varepsilon_{t-1,s} + \phi_t \phi_{t-1} \varepsilon_{t-2,s}, \qquad
    \varepsilon_{t,s} = e^{\,l_{t,s} + b_{t,s} + n_{t,s} + z_t + z_{t,s}} \; w_t \,(A_t f_t + D_t u_t)_s

l: log-volatility of the day's labels and severity (tables); b: bank of past innovations; n: the trunk; z, phi: slow
states; A, D: factor loadings and idiosyncratic scales of the day's regime, moved by the slow correlation state and by
the trunk; w: heavy-tailed mixing (multivariate t); f: normal factors, u: the sectors' own heavy-tailed news. The trunk
sees the cross-section of the innovations before t and the map up to t.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from spade_core.blocks import leaky
from spade_core.nd import conv
from spade_core.spade import MapModulation, Modulation
from spade_finance.model.bank import Bank
from spade_finance.model.config import GeneratorConfig
from spade_finance.model.dynamics import CLIP, MEAN_ABS
from spade_finance.model.maps import n_market_channels
from spade_finance.model.moments import Innovations
from spade_finance.model.start import StartStatistics
from spade_finance.model.trunks import make_trunk

PAST_CHANNELS = 4
SECTOR_CHANNELS = 8
MAX_LOG_DEVIATION = 2.0
"""Bank and trunk together move the log-volatility by no more than this."""
MAX_DRIFT = 0.15
"""The trunk moves a day's mean by at most this many of its volatilities."""


@dataclass
class Conditions:
    """All that a map decides, shared by every path under it; batch of maps m is 1 or the number of paths.

    ``mean``, ``level`` (m, S, T); ``loadings`` (m, S, r, T); ``idiosyncratic`` (m, S, T).
    """

    trunk: list[Any]
    sector: Modulation
    mean: Tensor
    level: Tensor
    loadings: Tensor
    idiosyncratic: Tensor


@dataclass
class PathInputs:
    """All that differs from path to path, B paths of T days.

    ``factors`` (B, r, T), ``own`` (B, S, T) normals; ``mixing`` (B, 1, T) scale of the t; ``slow`` (B, S + 3, T);
    ``bank`` (B, 2 S + 2, 5) its state before day 0.
    """

    factors: Tensor
    own: Tensor
    mixing: Tensor
    slow: Tensor
    bank: Tensor


class ScenarioNetwork(nn.Module):
    """Map and noise in, daily log returns (B, S, T) out."""

    mean: Tensor
    own_mean: Tensor
    loadings: Tensor
    idiosyncratic: Tensor
    own_tail: Tensor
    autocorrelation: Tensor
    severity_gain: Tensor
    severity_drift: Tensor

    def __init__(self, config: GeneratorConfig, start: StartStatistics) -> None:
        super().__init__()
        self.config = config
        moments, innovations = start.moments, start.innovations
        n_regimes, n_sectors = moments.mean.shape
        self.n_regimes, self.n_sectors, self.rank = n_regimes, n_sectors, innovations.loadings.shape[-1]
        self.tables = config.head_tables and config.conditioning != "none"
        self.register_buffer("mean", table(moments.mean))  # (K, S)
        self.register_buffer("own_mean", table(start.own.mean))  # (K, K)
        self.register_buffer("loadings", table(innovations.loadings))  # (K, S, r)
        self.register_buffer("idiosyncratic", table(innovations.idiosyncratic))  # (K, S)
        self.register_buffer("own_tail", table(innovations.tail)[:, None])  # (S, 1)
        self.register_buffer("autocorrelation", table(start.slow.autocorrelation))
        self.register_buffer("severity_gain", torch.ones(n_regimes))
        self.register_buffer("severity_drift", torch.zeros(n_regimes, n_sectors))
        self.level = nn.Parameter(log_volatility(start))  # (K, S)
        self.own_level = nn.Parameter(table(start.own.log_volatility))  # (K, K)
        self.bank = Bank(start.bank).requires_grad_(config.train_clustering)
        map_channels = n_market_channels(n_regimes)
        direct = config.head == "direct"
        self.trunk = make_trunk(PAST_CHANNELS + (n_sectors if direct else 0), map_channels, config)
        self.to_sector = conv(1, config.channels, SECTOR_CHANNELS, 1)
        own_map = n_regimes + 1 + map_channels
        self.sector_modulation = MapModulation(
            SECTOR_CHANNELS,
            own_map,
            nhidden=config.map_hidden,
            kernel_size=config.map_kernel,
            ndim=1,
            causal=True,
        )
        self.common_out = conv(1, config.channels, 2, 1)
        self.sector_out = nn.Linear(SECTOR_CHANNELS, 3)
        self.direct_out = conv(1, config.channels, n_sectors, 1) if direct else None
        for layer in (self.common_out, self.sector_out):  # the network starts as the statistics it is given
            for p in layer.parameters():
                nn.init.zeros_(p)

    # -- statistics -----------------------------------------------------------------------------------------------

    @torch.no_grad()
    def move_statistics(self, old: StartStatistics, new: StartStatistics) -> None:
        """Replace the statistics that the network stands on by others; what it learned on top of them stays."""
        self.level.add_(log_volatility(new) - log_volatility(old))
        self.own_level.add_(table(new.own.log_volatility - old.own.log_volatility))
        self.bank.own.add_(table(new.bank.own - old.bank.own))
        self.bank.common.add_(table(new.bank.common - old.bank.common))
        self.mean.copy_(table(new.moments.mean))
        self.own_mean.copy_(table(new.own.mean))
        self.autocorrelation.copy_(table(new.slow.autocorrelation))
        self.set_innovations(new.innovations)

    @torch.no_grad()
    def set_innovations(self, innovations: Innovations) -> None:
        """Replace the law of the innovations."""
        self.loadings.copy_(table(innovations.loadings))
        self.idiosyncratic.copy_(table(innovations.idiosyncratic))
        self.own_tail.copy_(table(innovations.tail)[:, None])

    # -- the map's work -------------------------------------------------------------------------------------------

    def condition(self, market: Tensor, sector: Tensor, weights: Tensor, context: int = 0) -> Conditions:
        """Do the map's work once.

        Parameters
        ----------
        market : (m, C, context + T)
            Market map; the first ``context`` days stand before day 0 and are dropped from the result.
        sector : (m, S, K + 1, context + T)
            Sector map.
        weights : (m, context + T, K)
            Market label weights.
        """
        n_maps, n_sectors, _, _n_days = sector.shape
        blank = self.config.conditioning in ("tables", "none")
        both = torch.cat([sector, market[:, None].expand(-1, n_sectors, -1, -1)], 2).flatten(0, 1)
        modulation = self.sector_modulation(torch.zeros_like(both) if blank else both)
        trunk = self.trunk.prepare(torch.zeros_like(market) if blank else market)
        return Conditions(
            _drop_days(trunk, context),
            Modulation(*(m.unflatten(0, (n_maps, n_sectors))[..., context:] for m in modulation)),
            *(x[..., context:] for x in self._head_tables(market, sector, weights)),
        )

    def _head_tables(
        self, market: Tensor, sector: Tensor, weights: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Mean, level, loadings and idiosyncratic scale of every day, (m, S, [r,] T)."""
        w = weights.transpose(1, 2)  # (m, K, T)
        if not self.tables:
            w = torch.full_like(w, 1 / self.n_regimes)
        level = torch.einsum("mkt,ks->mst", w, self.level)
        mean = torch.einsum("mkt,ks->mst", w, self.mean)
        if self.tables:
            own_weights, own_severity = sector[:, :, :-1], sector[:, :, -1]  # (m, S, K, T), (m, S, T)
            given = own_weights.sum(2)  # 1 where the sector has a label of its own
            log_severity = market[:, self.n_regimes][:, None]  # (m, 1, T)
            severity = torch.einsum("mkt,k->mt", w, self.severity_gain)[:, None] * log_severity
            drift = torch.einsum("mkt,ks->mst", w, self.severity_drift) * log_severity
            mean = mean + (1 - given) * drift
            own_level = torch.einsum("mkt,kj,msjt->mst", w, self.own_level, own_weights)
            level = level + own_level + (1 - given) * severity + given * own_severity
            mean = mean + torch.exp(level) * torch.einsum("mkt,kj,msjt->mst", w, self.own_mean, own_weights)
        loadings = torch.einsum("mkt,ksr->msrt", w, self.loadings)
        idiosyncratic = torch.einsum("mkt,ks->mst", w, self.idiosyncratic)
        return mean, level, loadings, idiosyncratic

    # -- the path's work ------------------------------------------------------------------------------------------

    def forward(self, conditions: Conditions, inputs: PathInputs) -> Tensor:
        """Daily log returns (B, S, T)."""
        common, own = self._parts(conditions, inputs)
        e = common + own  # innovations before the trunk's say
        past = _lag(cross_section(e))
        if self.direct_out is not None:
            features = self.trunk(torch.cat([past, e], 1), conditions.trunk)
            return conditions.mean + torch.exp(conditions.level) * self.direct_out(features)
        features = self.trunk(past, conditions.trunk)  # (B, C, T)
        shared = self.common_out(features)  # (B, 2, T): log-volatility, loadings
        local = self.to_sector(features)[:, None]  # (B, 1, c, T)
        local = leaky(conditions.sector.apply_to(local))  # (B, S, c, T)
        weight, bias = self.sector_out.weight, self.sector_out.bias
        local = weight @ local + bias[:, None]  # (B, S, 3, T)
        deviation = self.bank(e, inputs.bank) + shared[:, :1] + local[:, :, 0]
        slow = inputs.slow
        log_volatility = (
            conditions.level
            + MAX_LOG_DEVIATION * torch.tanh(deviation / MAX_LOG_DEVIATION)
            + (slow[:, :1] + slow[:, 1:-2])
        )
        volatility = torch.exp(log_volatility)
        tilt = torch.exp(slow[:, -2:-1] + shared[:, 1:] + local[:, :, 1])
        communality = (conditions.loadings**2).sum(2)
        scale = torch.rsqrt(1 + communality * (tilt**2 - 1))  # keeps the variance at one
        shock = volatility * scale * (tilt * common + own)
        drift = conditions.mean + MAX_DRIFT * volatility * torch.tanh(local[:, :, 2])
        phi = self.autocorrelation + slow[:, -1:]
        once = _lag(shock)
        return drift + shock + phi * (once + _lag(phi) * _lag(once))

    def _parts(self, conditions: Conditions, inputs: PathInputs) -> tuple[Tensor, Tensor]:
        """Innovations' common and idiosyncratic parts, each (B, S, T)."""
        news = inputs.own * torch.exp(0.5 * self.own_tail * inputs.own**2) * (1 - 2 * self.own_tail) ** 0.75
        own = inputs.mixing * conditions.idiosyncratic * news
        common = torch.zeros_like(own)
        for r in range(self.rank):
            common = common + conditions.loadings[:, :, r] * inputs.factors[:, r : r + 1]
        return inputs.mixing * common, own


def cross_section(e: Tensor) -> Tensor:
    """What the trunk sees of a day's innovations (B, S, T): mean, its size, mean size, dispersion, (B, 4, T).

    Symmetric in the sectors: twenty years hold too few stories to learn one a sector; a sector's own past acts through
    the bank.
    """
    clipped = e.clamp(-CLIP, CLIP)
    mean = clipped.mean(1, keepdim=True)
    size = clipped.abs().mean(1, keepdim=True)
    spread = torch.sqrt((clipped - mean).square().mean(1, keepdim=True) + 1e-6)
    return torch.cat([mean, mean.abs() - 0.5, size - MEAN_ABS, spread - 0.7], 1)


def _lag(x: Tensor) -> Tensor:
    """The day before; zero before day 0."""
    return torch.nn.functional.pad(x[..., :-1], (1, 0))


def _drop_days(prepared: Any, n_days: int) -> Any:
    """Remove the first days from every tensor of a nested structure whose last axis is time."""
    if n_days == 0:
        return prepared
    if isinstance(prepared, Tensor):
        return prepared[..., n_days:] if prepared.shape[-1] > 1 else prepared
    if isinstance(prepared, Modulation):
        return Modulation(*(_drop_days(p, n_days) for p in prepared))
    if isinstance(prepared, list | tuple):
        return [_drop_days(p, n_days) for p in prepared]
    return prepared


def table(x: Any) -> Tensor:
    """A table of statistics as the network keeps it, in memory of its own."""
    return torch.tensor(np.asarray(x), dtype=torch.float32)


def log_volatility(start: StartStatistics) -> Tensor:
    """Log-volatility by regime and sector that the level begins with, (K, S)."""
    return torch.log(table(start.moments.volatility)) + table(start.bank.intercept)


def repeat(conditions: Conditions, times: int) -> Conditions:
    """The same maps ``times`` over, for several paths of each in one pass."""

    def again(x: Any) -> Any:
        if isinstance(x, Tensor):
            return x.repeat(times, *[1] * (x.dim() - 1))
        if isinstance(x, Modulation):
            return Modulation(*(again(p) for p in x))
        if isinstance(x, list | tuple):
            return [again(p) for p in x]
        return x

    c = conditions
    return Conditions(*(again(x) for x in (c.trunk, c.sector, c.mean, c.level, c.loadings, c.idiosyncratic)))


def join_days(blocks: list[Conditions]) -> Conditions:
    """Conditions of consecutive stretches of days as one."""

    def joined(parts: list[Any]) -> Any:
        first = parts[0]
        if isinstance(first, Tensor):
            return torch.cat(parts, dim=-1) if first.shape[-1] > 1 or len(parts) == 1 else first
        if isinstance(first, Modulation):
            return Modulation(*(joined(list(p)) for p in zip(*parts, strict=True)))
        if isinstance(first, list | tuple):
            return [joined(list(p)) for p in zip(*parts, strict=True)]
        return first

    if len(blocks) == 1:
        return blocks[0]
    fields = [(b.trunk, b.sector, b.mean, b.level, b.loadings, b.idiosyncratic) for b in blocks]
    return Conditions(*(joined(list(field)) for field in zip(*fields, strict=True)))
