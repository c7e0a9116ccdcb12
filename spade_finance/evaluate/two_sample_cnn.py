# SPDX-License-Identifier: Apache-2.0
"""A small convolutional network that tells generated from real windows: the test without hand-made features."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

CHANNELS = 16
STEPS = 60
BATCH = 64
LEARNING_RATE = 3e-3
WEIGHT_DECAY = 1e-2


def convolutional(train: Array, is_real: NDArray[np.intp], test: Array, seed: int) -> Array:
    """Probabilities (n_test,) that windows are real, by a 1-D CNN trained on the spot.

    Two dilated convolutions, mean and maximum over time, one linear layer: under two thousand weights, for a
    few hundred real windows bear no more. Every batch is half real, half generated.

    Parameters
    ----------
    train, test : (n, window, assets)
        Returns in units of about one standard deviation; large ones are damped inside.
    is_real : (n_train,) of 0 and 1
    seed : int
        Of weights and batches; the same seed gives the same scores. The global generator is left as it was.
    """
    import torch
    from torch import nn

    def channels_first(x: Array) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(np.arcsinh(x).transpose(0, 2, 1), dtype=np.float32))

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        body = nn.Sequential(
            nn.Conv1d(train.shape[2], CHANNELS, 5),
            nn.ReLU(),
            nn.Conv1d(CHANNELS, CHANNELS, 5, dilation=2),
            nn.ReLU(),
        )
        head = nn.Linear(2 * CHANNELS, 1)
        optimiser = torch.optim.AdamW(
            [*body.parameters(), *head.parameters()], lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY
        )

        def logits(x: torch.Tensor) -> torch.Tensor:
            seen = body(x)
            pooled: torch.Tensor = head(torch.cat([seen.mean(-1), seen.amax(-1)], dim=1))
            return pooled.squeeze(1)

        rng = np.random.default_rng(seed)
        real, made = np.flatnonzero(is_real == 1), np.flatnonzero(is_real == 0)
        target = torch.cat([torch.ones(BATCH // 2), torch.zeros(BATCH // 2)])
        loss = nn.BCEWithLogitsLoss()
        windows = channels_first(train)
        for _ in range(STEPS):
            rows = np.concatenate([rng.choice(real, BATCH // 2), rng.choice(made, BATCH // 2)])
            optimiser.zero_grad()
            loss(logits(windows[torch.from_numpy(rows)]), target).backward()
            optimiser.step()
        with torch.no_grad():
            scores = torch.sigmoid(logits(channels_first(test)))
    return np.asarray(scores.double().numpy())
