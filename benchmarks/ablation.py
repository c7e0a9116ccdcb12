# SPDX-License-Identifier: Apache-2.0
"""Which generator is best? Blocked validation folds inside the training span, proper scores, baselines beside.

Each fold holds out one contiguous block (with a crisis in it), trains every arm on the rest (with an embargo) and
scores 256-day windows of the block given their regime labels: all arms and baselines get the same labels and no
severities. Scores are proper, lower is better, averaged over windows, and printed as ratios to the regime-matched
block bootstrap:

- ``path``    energy score over the multi-scale features of the training objective (its family is in the loss)
- ``crps``    CRPS of the equal-weight portfolio's 1, 5, 20 day returns and of its maximum drawdown
- ``vs``      variogram score (p = 1/2) between sectors and between days
- ``switch``  energy score of |r| of the ten days after a label change, all sectors
- ``facts``   distance of pooled stylised facts (in the loss)

The labeller is fitted on the whole training span, since labels are given to every column alike; statistics, slow
states and networks see the fold's training days only.

    python -m benchmarks.ablation --data embedded --arms spade,concat_input --folds 3 --steps 300 --out table.jsonl
"""

from __future__ import annotations

import argparse
import itertools
import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

import spade_finance as sf
from benchmarks.proper_scores import crps, drawdown, energy, variogram
from spade_core.trainer import Trainer
from spade_finance.baselines import make_baseline
from spade_finance.model.batches import WindowData, path_inputs
from spade_finance.model.calibrate import level_regimes
from spade_finance.model.config import GeneratorConfig, preset
from spade_finance.model.labelled import TypicalVolatility, labelled_arrays, with_own_labels
from spade_finance.model.network import ScenarioNetwork
from spade_finance.model.noise import heavy_tail, split, width
from spade_finance.model.objectives import energy_features, facts_loss, random_portfolios
from spade_finance.model.sampling import Sampler
from spade_finance.model.slow import n_shocks, simulate_slow
from spade_finance.model.start import StartStatistics, fit_start, history_states
from spade_finance.model.training import GeneratorTask
from spade_finance.regimes.timeline import RegimeTimeline
from spade_finance.windows import with_embargo

WINDOW, STRIDE, PATHS = 256, 64, 64
METRICS = ("path", "crps", "vs", "switch", "facts")

ARMS: dict[str, dict[str, Any]] = {
    "start": {"steps": 0},
    "spade": {},
    "spade_linear": {"map_hidden": None},
    "concat_input": {"conditioning": "concat_input"},
    "concat_layers": {"conditioning": "concat_layers"},
    "film": {"conditioning": "film"},
    "tables": {"conditioning": "tables"},
    "none": {"conditioning": "none"},
    "unet": {"trunk": "unet", "conditioning": "concat_input"},
    "upsampling": {"trunk": "upsampling"},
    "no_tables": {"head_tables": False},
    "no_tables_concat": {"head_tables": False, "conditioning": "concat_input"},
    "no_slow": {"slow_states": False},
    "narrow": {"channels": 8},
    "wide": {"channels": 32, "dilations": (1, 4, 16)},
    "lr3": {"lr": 3e-4},
    "direct_gan": {"head": "direct", "energy_weight": 0.0, "facts_weight": 0.0, "adversarial_weight": 1.0},
    "direct_energy": {"head": "direct"},
    "energy_only": {"facts_weight": 0.0},
    "facts_heavy": {"facts_weight": 2.0},
    "gan_small": {"adversarial_weight": 0.02},
    "gan_only": {"energy_weight": 0.0, "facts_weight": 0.0, "adversarial_weight": 1.0},
    "lr2": {"lr": 2e-4},
    "clustering_trained": {"train_clustering": True},
    "mostly_hidden": {"severity_dropout": 0.8},
    "all_hidden": {"severity_dropout": 1.0},
    "half_lr": {"lr": 5e-4},
    "no_decay": {"weight_decay": 0.0},
}


class Fold:
    """One held-out block: its windows, and what every column is scored on."""

    def __init__(self, returns: Any, labels: Any, data: Any, first: int, last: int) -> None:
        self.data, self.held = data, np.zeros(len(data), dtype=bool)
        self.held[first:last] = True
        self.train = with_embargo(self.held)
        self.returns, self.labels = returns, labels
        self.windows = np.arange(first, last - WINDOW + 1, STRIDE)
        n_regimes = len(labels.regimes)
        self.start = fit_start(data.rows(self.train), n_regimes, 3)
        self.states = history_states(data, self.start)

    def score(self, sample: Any) -> dict[str, float]:
        """``sample(first_day, codes) -> (paths, T, S)`` log returns; mean scores over windows."""
        rows = [
            self._score_window(day, sample(day, self.data.codes[day : day + WINDOW])) for day in self.windows
        ]
        scores = {m: float(np.nanmean([r[m] for r in rows])) for m in METRICS if m != "facts"}
        fake = torch.cat([r["fake"] for r in rows])
        real = torch.stack([r["real"] for r in rows]).repeat_interleave(8, 0)
        regimes = torch.stack([r["regimes"] for r in rows]).repeat_interleave(8, 0)
        scores["facts"] = float(facts_loss(fake, real, regimes))
        return scores

    def _score_window(self, day: int, y: np.ndarray) -> dict[str, Any]:
        codes = self.data.codes[day : day + WINDOW]
        real = self.data.log_returns[day : day + WINDOW]
        scale = self.start.moments.volatility[codes]
        fake_s, real_s = y / scale, real / scale
        fake_t = torch.tensor(fake_s.transpose(0, 2, 1), dtype=torch.float32)
        real_t = torch.tensor(real_s.T[None], dtype=torch.float32)
        ports = random_portfolios(real.shape[1])
        path = np.mean(
            [
                energy(f, r)
                for f, r in zip(energy_features(fake_t, ports), energy_features(real_t, ports), strict=True)
            ]
        )
        market, market_real = np.log(np.exp(y).mean(2)), np.log(np.exp(real).mean(1))
        marks = []
        for h in (1, 5, 20):
            a = np.add.reduceat(market, np.arange(0, WINDOW - h + 1, h), axis=1)[:, : WINDOW // h]
            b = np.add.reduceat(market_real, np.arange(0, WINDOW - h + 1, h))[: WINDOW // h]
            level = scale.mean() * h**0.5
            marks.append(np.mean(crps(a, b)) / level)
        marks.append(
            float(crps(drawdown(market)[:, None], drawdown(market_real[None]))[0]) / (scale.mean() * 16)
        )
        switches = np.flatnonzero(np.diff(codes)) + 1
        after = [np.abs(fake_s[:, s : s + 10]).reshape(len(y), -1) for s in switches if s + 10 <= WINDOW]
        after_real = [np.abs(real_s[s : s + 10]).reshape(-1) for s in switches if s + 10 <= WINDOW]
        switch = [
            float(energy(torch.tensor(a)[:, None], torch.tensor(b)[None, None]))
            for a, b in zip(after, after_real, strict=True)
        ]
        onehot = torch.tensor(np.eye(len(self.labels.regimes))[codes].T, dtype=torch.float32)
        return {
            "path": float(path), "crps": float(np.mean(marks)), "vs": variogram(fake_s, real_s),
            "switch": float(np.mean(switch)) if switch else float("nan"),
            "fake": fake_t[:8], "real": real_t[0], "regimes": onehot,
        }  # fmt: skip


def train_arm(fold: Fold, config: GeneratorConfig, seed: int) -> tuple[ScenarioNetwork, StartStatistics]:
    """Train on the fold's training days; the averaged last weights are used, so the held block chooses nothing."""
    torch.manual_seed(seed)
    windows = WindowData(fold.data, fold.start, fold.states, config.slow_states)
    network = ScenarioNetwork(config, fold.start)
    if config.steps > 1:
        task = GeneratorTask(network, windows, fold.held, seed)
        task.validation, task.best = [], None
        Trainer(task, max_steps=config.steps, tick_steps=max(config.steps // 2, 1)).run()
        task.finish()
    return network.eval(), level_regimes(network, fold.start, fold.data.rows(fold.train))


def model_sampler(fold: Fold, network: ScenarioNetwork, start: StartStatistics) -> Any:
    """Paths under a window's labels, started from the slow states in front of the window."""
    sampler = Sampler(network, start)
    n_regimes, n_sectors, rank = network.n_regimes, network.n_sectors, network.rank

    def sample(day: int, codes: np.ndarray) -> np.ndarray:
        weights = np.eye(n_regimes)[codes][None]
        t = len(codes)
        conditions = sampler.condition(
            weights, np.ones((1, t)), np.zeros((1, n_sectors, t, n_regimes)), np.ones((1, n_sectors, t))
        )
        rng = np.random.default_rng([day, 5])
        z = split(rng.standard_normal((PATHS, t, width(n_sectors, rank)), dtype=np.float32), rank)
        shocks = rng.standard_normal((PATHS, n_shocks(t), n_sectors + 3), dtype=np.float32)
        first = np.repeat(fold.states.slow_free[day][None], PATHS, 0)
        slow = simulate_slow(shocks, first, fold.start.slow, t)
        if not network.config.slow_states:
            slow = np.zeros_like(slow)
        bank = np.repeat(fold.states.filtered.states[day][None], PATHS, 0)
        inputs = path_inputs(
            z.factors, z.own, heavy_tail(z.mixing, weights, start.innovations.nu), slow, bank
        )
        with torch.inference_mode():
            return network(conditions, inputs).numpy().transpose(0, 2, 1).astype(np.float64)

    return sample


def baseline_sampler(fold: Fold, name: str) -> Any:
    """A baseline fitted on the fold's training days."""
    baseline = make_baseline(name).fit(fold.returns[fold.train], fold.labels)

    def sample(day: int, codes: np.ndarray) -> np.ndarray:
        timeline = RegimeTimeline.from_codes(codes, fold.labels.regimes)
        return baseline.sample(timeline, PATHS, random_state=day).log_array.astype(np.float64)

    return sample


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", default="embedded", help="'embedded' or a returns file")
    parser.add_argument("--until", default="2012-12-31")
    parser.add_argument("--arms", default="start,spade,concat_input,concat_layers,tables,none")
    parser.add_argument("--baselines", default="block_bootstrap,block_bootstrap_scaled,regime_t,fhs")
    parser.add_argument("--folds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--batch", type=int, default=12)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--out", type=Path, default=None, help="JSON lines, appended")
    args = parser.parse_args()

    returns = (sf.load_sectors() if args.data == "embedded" else sf.read_returns(args.data)).loc[: args.until]
    labeller = sf.JumpRegimes(random_state=0).fit(returns)
    labels = with_own_labels(labeller.smooth(returns), returns, labeller)
    data = labelled_arrays(labels, returns, TypicalVolatility.fit(labels, returns))
    edges = np.linspace(0, len(data), args.folds + 1).astype(int)
    folds = [Fold(returns, labels, data, a, b) for a, b in itertools.pairwise(edges)]
    for fold in folds:
        mix = np.bincount(data.codes[fold.held], minlength=len(labels.regimes)) / fold.held.sum()
        print(
            f"fold {returns.index[fold.held][0]:%Y-%m-%d}..{returns.index[fold.held][-1]:%Y-%m-%d}",
            dict(zip(labels.regimes, mix.round(2), strict=True)),
            flush=True,
        )
    reference: list[dict[str, float]] = []
    for name in args.baselines.split(","):
        scores = [fold.score(baseline_sampler(fold, name)) for fold in folds]
        reference = reference or scores
        report(name, 0, scores, reference, args.out, 0.0)
    for name in args.arms.split(","):
        for seed in range(args.seeds):
            changes = {"steps": args.steps, "batch_windows": args.batch, "validate_every": 0} | ARMS[name]
            config = preset("default") if changes["steps"] else preset("default", steps=1)
            config = replace(config, **{k: v for k, v in changes.items() if not (k == "steps" and v == 0)})
            began = time.process_time()
            scores = [fold.score(model_sampler(fold, *train_arm(fold, config, seed))) for fold in folds]
            report(name, seed, scores, reference, args.out, time.process_time() - began)


def report(
    name: str,
    seed: int,
    scores: list[dict[str, float]],
    reference: list[dict[str, float]],
    out: Path | None,
    seconds: float,
) -> None:
    """Print ratios to the reference: geometric mean over folds, and each fold's geometric mean over metrics."""
    ratio = {
        m: float(np.exp(np.mean([np.log(s[m] / r[m]) for s, r in zip(scores, reference, strict=True)])))
        for m in METRICS
    }
    proper = ("path", "crps", "vs", "switch")
    total = float(np.exp(np.mean([np.log(ratio[m]) for m in proper])))
    by_fold = [
        float(np.exp(np.mean([np.log(s[m] / r[m]) for m in proper])))
        for s, r in zip(scores, reference, strict=True)
    ]
    print(f"{name:24s} seed {seed}  " + "  ".join(f"{m} {ratio[m]:.3f}" for m in METRICS)
          + f"  | score {total:.4f}  folds {np.round(by_fold, 3)}  {seconds:.0f} cpu s", flush=True)  # fmt: skip
    if out is not None:
        with out.open("a") as file:
            file.write(
                json.dumps(
                    {
                        "name": name,
                        "seed": seed,
                        "score": total,
                        "ratio": ratio,
                        "folds": by_fold,
                        "raw": scores,
                    }
                )
                + "\n"
            )


if __name__ == "__main__":
    main()
