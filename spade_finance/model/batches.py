# SPDX-License-Identifier: Apache-2.0
"""Training batches: real windows, their maps, and the states the model starts them from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from spade_finance.model.maps import encode
from spade_finance.model.network import Conditions, PathInputs, ScenarioNetwork
from spade_finance.model.noise import heavy_tail, split, width
from spade_finance.model.slow import n_shocks, simulate_slow
from spade_finance.model.start import HistoryStates, LabelledReturns, StartStatistics
from spade_finance.windows import MAP_CONTEXT_DAYS


@dataclass(frozen=True)
class Batch:
    """B windows of T days: ``real`` (B, S, T) log returns, ``reference`` (B, S, T) volatilities of the days'
    regimes, ``regimes`` (B, K, T) one-hot; the maps and ``weights`` with their context in front; ``first_days`` (B,);
    ``told`` (B,): whether the maps show the episodes' severities."""

    real: Tensor
    reference: Tensor
    regimes: Tensor
    market_map: Tensor
    sector_map: Tensor
    weights: Tensor
    first_days: NDArray[np.int_]
    told: NDArray[np.bool_]


class WindowData:
    """A labelled history ready to be cut into batches."""

    def __init__(
        self, data: LabelledReturns, start: StartStatistics, states: HistoryStates, slow_states: bool = True
    ) -> None:
        self.data, self.start, self.states, self.slow_states = data, start, states, slow_states
        n_regimes = len(start.moments.mean)
        self.weights = np.eye(n_regimes)[data.codes]  # (T, K)
        self.own_weights = np.eye(n_regimes)[data.own_codes]  # (T, S, K)
        self.log_levels = np.log(start.market_volatility)

    def batch(
        self,
        first_days: NDArray[np.int_],
        window_days: int,
        own_visible: NDArray[np.bool_],
        severity_visible: NDArray[np.bool_],
        intensity: NDArray[np.float64] | None = None,
    ) -> Batch:
        """Cut windows; ``own_visible`` (B, S) says which sectors show their own label, ``severity_visible`` (B,) which
        windows show severities. ``intensity`` (B,) shows a window as an episode that many times as intense: returns,
        reference and severities are multiplied by it."""
        scale = np.ones(len(first_days)) if intensity is None else np.where(severity_visible, intensity, 1.0)
        days = first_days[:, None] + np.arange(-MAP_CONTEXT_DAYS, window_days)  # (B, c + T)
        weights = self.weights[days]
        visible = own_visible[:, :, None]
        own_weights = self.own_weights[days].transpose(0, 2, 1, 3) * visible[..., None]  # (B, S, c + T, K)
        told = severity_visible[:, None]
        severity = np.where(told, self.data.severity[days], 1.0) * scale[:, None]
        own_severity = np.where(
            visible & told[..., None], self.data.own_severity[days].transpose(0, 2, 1), 1.0
        )
        own_severity = np.where(visible, own_severity * scale[:, None, None], 1.0)
        maps = encode(weights, severity, own_weights, own_severity, self.log_levels)
        inside = days[:, MAP_CONTEXT_DAYS:]
        codes = self.data.codes[inside]
        each = scale[:, None, None]
        return Batch(
            real=_tensor(each * self.data.log_returns[inside].transpose(0, 2, 1)),
            reference=_tensor(each * self.start.moments.volatility[codes].transpose(0, 2, 1)),
            regimes=_tensor(self.weights[inside].transpose(0, 2, 1)),
            market_map=_tensor(maps.market),
            sector_map=_tensor(maps.sector),
            weights=_tensor(weights),
            first_days=first_days,
            told=severity_visible,
        )

    def conditions(self, network: ScenarioNetwork, batch: Batch) -> Conditions:
        """The map's work for a batch."""
        if network.config.trunk == "causal":
            return network.condition(batch.market_map, batch.sector_map, batch.weights, MAP_CONTEXT_DAYS)
        c = MAP_CONTEXT_DAYS
        return network.condition(batch.market_map[..., c:], batch.sector_map[..., c:], batch.weights[:, c:])

    def inputs(self, batch: Batch, rank: int, rng: np.random.Generator, repeats: int = 1) -> PathInputs:
        """Fresh noise for ``repeats`` paths of every window, started from the history's states on its first day."""
        n_days, n_sectors = batch.real.shape[-1], batch.real.shape[1]
        first = np.tile(batch.first_days, repeats)
        normals = rng.standard_normal((len(first), n_days, width(n_sectors, rank)), dtype=np.float32)
        noise = split(normals, rank)
        slow = np.zeros((len(first), n_days, n_sectors + 3), dtype=np.float32)
        shocks = rng.standard_normal((len(first), n_shocks(n_days), n_sectors + 3), dtype=np.float32)
        if self.slow_states:  # an episode of unknown severity varies more
            told = np.tile(batch.told, repeats)
            for rows, law, states in (
                (told, self.start.slow_given_severity, self.states.slow),
                (~told, self.start.slow, self.states.slow_free),
            ):
                slow[rows] = simulate_slow(shocks[rows], states[first[rows]], law, n_days)
        weights = np.tile(batch.weights[:, -n_days:].numpy(), (repeats, 1, 1))
        return path_inputs(
            noise.factors, noise.own, heavy_tail(noise.mixing, weights, self.start.innovations.nu), slow,
            self.states.filtered.states[first],
        )  # fmt: skip


def path_inputs(
    factors: NDArray[np.float32],
    own: NDArray[np.float32],
    mixing: NDArray[np.float32],
    slow: NDArray[np.float32],
    bank: NDArray[np.float32],
) -> PathInputs:
    """Arrays with time in the middle -> tensors with time last."""
    return PathInputs(
        _tensor(factors.transpose(0, 2, 1)),
        _tensor(own.transpose(0, 2, 1)),
        _tensor(mixing[:, None]),
        _tensor(slow.transpose(0, 2, 1)),
        _tensor(bank),
    )


def _tensor(x: NDArray[np.floating]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(x, dtype=np.float32))
