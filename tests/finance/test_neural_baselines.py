# SPDX-License-Identifier: Apache-2.0
"""The neural opponents: interface, seeds, cache, interruption, and that a short training learns what it must."""

from __future__ import annotations

import itertools
import signal
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats
from sklearn.base import clone

from spade_core.trainer import Trainer
from spade_finance.baselines.neural import NEURAL, OPPONENTS
from spade_finance.baselines.neural.base import NeuralBaseline, TrainingWindows, one_hot
from spade_finance.baselines.neural.cache import CacheWarning, Entry, code_version
from spade_finance.baselines.neural.diffusion import solve
from spade_finance.baselines.neural.tails import HeavyTails
from spade_finance.baselines.neural.tcn_gan import Generator
from spade_finance.baselines.neural.timevae import Vae
from spade_finance.baselines.slow_scale import slow_scale
from spade_finance.exceptions import InputError
from spade_finance.regimes.labels import RegimeLabels

REGIMES = ("bull", "crisis")
FACTOR = 4.0
LONG = np.repeat([0, 1, 0, 1], 60)
"""Far longer than the training windows."""

TINY: dict[str, dict[str, Any]] = {
    "timevae": {"window_days": 32, "latent": 4, "channels": 8, "batch_windows": 24, "max_steps": 150, "lr": 8e-3},
    "tcn_gan": {"window_days": 24, "channels": 12, "dilations": (1, 2), "batch_windows": 16, "max_steps": 150,
                "lr_generator": 3e-3, "lr_discriminator": 3e-3},
    "diffusion": {"window_days": 32, "channels": 16, "dilations": (1, 2), "batch_windows": 24, "max_steps": 120,
                  "lr": 5e-3, "sampling_steps": 10},
}  # fmt: skip
"""Seconds of training."""


def two_regimes(n_days: int = 1200, seed: int = 0) -> tuple[pd.DataFrame, RegimeLabels]:
    """Two correlated sectors whose volatility is four times as large in every second spell."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(20, 60, n_days // 20)
    codes = np.repeat(np.arange(len(lengths)) % 2, lengths)[:n_days]
    shock = rng.standard_normal((n_days, 1)) * 0.8**0.5 + rng.standard_normal((n_days, 2)) * 0.2**0.5
    log_returns = 0.005 * np.where(codes, FACTOR, 1.0)[:, None] * shock
    dates = pd.bdate_range("2000-01-03", periods=n_days, name="date")
    returns = pd.DataFrame(np.expm1(log_returns), index=dates, columns=["Energy", "Tech"])
    return returns, RegimeLabels.from_codes(codes, REGIMES, dates)


RETURNS, LABELS = two_regimes()


def tiny(name: str, folder: Path, **changes: Any) -> NeuralBaseline:
    return NEURAL[name](**{**TINY[name], "cache_dir": folder, **changes})  # type: ignore[return-value]


@pytest.fixture(scope="module", autouse=True)
def short_levelling() -> Iterator[None]:
    """Regimes levelled on a tenth of the simulated days."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("spade_finance.baselines.neural.base.LEVEL_DAYS", 12_000)
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def fitted(folder: Path) -> dict[str, NeuralBaseline]:
    """Networks that alone must carry the regimes' volatility: no statistics by regime, no levelling."""
    alone = {"standardise": "all", "levelled": False}
    return {name: tiny(name, folder, **alone).fit(RETURNS, LABELS) for name in OPPONENTS}


@pytest.fixture(params=sorted(OPPONENTS))
def baseline(request: pytest.FixtureRequest, fitted: dict[str, NeuralBaseline]) -> NeuralBaseline:
    return fitted[request.param]


def test_names_are_listed_without_importing_torch() -> None:
    code = (
        "import sys; from spade_finance.baselines.neural import NEURAL\n"
        "print('torch' in sys.modules, *NEURAL)"
    )
    said = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert said.stdout.split() == [
        "False", "timevae", "tcn_gan", "diffusion", "spade", "concat", "concat_layers", "film", "tables",
        "unconditional",
    ]  # fmt: skip
    for name in OPPONENTS:
        assert NEURAL[name]().name == name


def test_any_horizon_gives_finite_scenarios(baseline: NeuralBaseline) -> None:
    drawn = baseline.sample(LONG, 9, 0)
    assert drawn.log_array.shape == (9, 240, 2)
    assert drawn.log_array.dtype == np.float32
    assert np.isfinite(drawn.log_array).all()
    assert drawn.provenance["model"] == baseline.name
    assert "cache_dir" not in drawn.provenance["settings"]
    assert baseline.sample("crisis:1", 3, 0).log_array.shape == (3, 1, 2)


def test_same_seed_same_paths_another_seed_others(baseline: NeuralBaseline) -> None:
    first, again, other = (baseline.sample(LONG, 5, seed).log_array for seed in (7, 7, 8))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 1e-3


def test_the_network_alone_learns_that_a_regime_is_four_times_as_volatile(baseline: NeuralBaseline) -> None:
    drawn = baseline.sample(LONG, 120, 1).log_array
    inside = np.ones(60, dtype=bool)
    inside[:8] = inside[-8:] = False  # days near a switch may be in between
    inside = np.tile(inside, 4)
    calm, wild = (np.median(np.abs(drawn[:, (k == LONG) & inside])) for k in (0, 1))
    assert wild / calm > 2.2
    assert wild == pytest.approx(0.6745 * 0.02, rel=0.45)
    both = drawn[:, inside].reshape(-1, 2)
    assert 0.45 < np.corrcoef(both.T)[0, 1] < 0.95  # 0.8 in the data


def test_paths_with_timelines_of_their_own(baseline: NeuralBaseline) -> None:
    codes = np.stack([LONG, 1 - LONG] * 15)
    drawn = baseline.sample(codes, 30, 0)
    np.testing.assert_array_equal(drawn.codes, codes)
    size = np.abs(drawn.log_array).mean(2)
    assert size[codes == 1].mean() > 1.7 * size[codes == 0].mean()


def test_the_cache_gives_identical_paths_without_training(
    baseline: NeuralBaseline, monkeypatch: pytest.MonkeyPatch
) -> None:
    def untouched(*_: Any, **__: Any) -> None:
        raise AssertionError("trained again")

    monkeypatch.setattr(Trainer, "run", untouched)
    again = clone(baseline).fit(RETURNS, LABELS)
    assert again.training_["cached"]
    assert not baseline.training_["cached"]
    assert again.training_["steps"] == baseline.training_["steps"] == TINY[baseline.name]["max_steps"]
    np.testing.assert_array_equal(again.sample(LONG, 5, 3).log_array, baseline.sample(LONG, 5, 3).log_array)
    for changes in ({"random_state": 1}, {"max_steps": 9}, {"standardise": "regime"}):
        with pytest.raises(AssertionError, match="trained again"):
            clone(baseline).set_params(**changes).fit(RETURNS, LABELS)
    with pytest.raises(AssertionError, match="trained again"):
        clone(baseline).fit(RETURNS.iloc[1:], LABELS)
    other = RegimeLabels.from_codes(np.roll(LABELS.codes, 1), REGIMES, RETURNS.index)
    with pytest.raises(AssertionError, match="trained again"):
        clone(baseline).fit(RETURNS, other)


@pytest.mark.parametrize("harm", ["cut", "flipped", "foreign"])
def test_a_damaged_cache_is_trained_again_with_a_warning(tmp_path: Path, harm: str) -> None:
    short = {"max_steps": 4, "levelled": False}
    first = tiny("diffusion", tmp_path, **short).fit(RETURNS, LABELS)
    (entry,) = (tmp_path / "models").glob("diffusion-*")
    assert not list((tmp_path / "models").glob(".*")), "the unfinished state stays behind"
    weights, config = entry / "model.safetensors", entry / "config.json"
    if harm == "cut":
        weights.write_bytes(weights.read_bytes()[:-100])
    elif harm == "flipped":
        data = bytearray(weights.read_bytes())
        data[-50] ^= 1
        weights.write_bytes(data)
    else:
        config.write_text("{}", encoding="utf-8")
    with pytest.warns(CacheWarning, match="training again"):
        second = tiny("diffusion", tmp_path, **short).fit(RETURNS, LABELS)
    np.testing.assert_array_equal(first.sample(LONG, 3, 0).log_array, second.sample(LONG, 3, 0).log_array)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert tiny("diffusion", tmp_path, **short).fit(RETURNS, LABELS).training_["cached"]


def test_an_interrupted_training_goes_on_where_it_stopped(tmp_path: Path) -> None:
    seen: list[int] = []

    def interrupt(tick: Any) -> None:
        if tick.step == 6:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        tiny("tcn_gan", tmp_path, max_steps=10, levelled=False).fit(RETURNS, LABELS, progress=interrupt)
    goes_on = tiny("tcn_gan", tmp_path, max_steps=10, levelled=False)
    goes_on.fit(RETURNS, LABELS, progress=lambda tick: seen.append(tick.step))
    assert seen == [7, 8, 9, 10]
    whole = tiny("tcn_gan", tmp_path, max_steps=10, levelled=False, cache=False).fit(RETURNS, LABELS)
    np.testing.assert_array_equal(goes_on.sample(LONG, 3, 0).log_array, whole.sample(LONG, 3, 0).log_array)


def test_a_training_stopped_by_its_watcher_is_used_and_not_kept(tmp_path: Path) -> None:
    stopped = tiny("timevae", tmp_path, max_steps=50)
    stopped.fit(RETURNS, LABELS, progress=lambda tick: tick.step >= 2)
    assert stopped.training_["reason"] == "stopped"
    assert np.isfinite(stopped.sample(LONG, 2, 0).log_array).all()
    assert not list((tmp_path / "models").glob("timevae-*"))


def test_a_limit_on_time_ends_training_and_a_cache_that_cannot_be_written_only_warns(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("", encoding="utf-8")
    with pytest.warns(CacheWarning, match="could not be kept"):
        short = tiny("timevae", blocked, max_steps=10**6, max_minutes=1e-4).fit(RETURNS, LABELS)
    assert short.training_["reason"] == "time"
    assert 0 < short.training_["steps"] < 10**6


def test_levelled_regimes_have_the_volatility_and_mean_of_their_days(tmp_path: Path) -> None:
    short = tiny("timevae", tmp_path, max_steps=3).fit(RETURNS, LABELS)
    drawn = short.sample(LABELS.codes, 60, 5).log_array
    real = np.log1p(RETURNS.to_numpy())
    for k in (0, 1):
        mine = drawn[:, LABELS.codes == k].reshape(-1, 2)
        np.testing.assert_allclose(mine.std(0), real[LABELS.codes == k].std(0), rtol=0.08)
        np.testing.assert_allclose(mine.mean(0), real[LABELS.codes == k].mean(0), atol=0.04 * mine.std())


def test_the_start_scale_multiplies_volatility(baseline: NeuralBaseline) -> None:
    calm, double = (baseline.sample("bull:30", 40, 0, start_vol=s).log_array for s in (1.0, 2.0))
    mean = baseline.moments_.mean[0]
    np.testing.assert_allclose(double - mean, 2 * (calm - mean), rtol=1e-3, atol=1e-6)
    assert baseline.last_scale_.shape == (2,)


@pytest.mark.parametrize(
    ("name", "settings", "match"),
    [
        ("diffusion", {"max_steps": 0}, "max_steps=0"),
        ("diffusion", {"window_days": 1300}, "window_days=1300"),
        ("tcn_gan", {"standardise": "sector"}, "standardise='sector'"),
        ("tcn_gan", {"random_state": None}, "random_state=None"),
        ("tcn_gan", {"max_minutes": 0}, "max_minutes=0"),
        ("timevae", {"window_days": 30}, "multiple of 8"),
        ("timevae", {"observation": "gauss"}, "observation='gauss'"),
    ],
)
def test_impossible_settings_are_named(
    tmp_path: Path, name: str, settings: dict[str, Any], match: str
) -> None:
    with pytest.raises(InputError, match=match):
        tiny(name, tmp_path, **settings).fit(RETURNS, LABELS)


# --- parts against independent sources ---


def test_the_published_timevae_draws_decoder_means_only(tmp_path: Path) -> None:
    mean = tiny("timevae", tmp_path, max_steps=8, observation="mean", levelled=False).fit(RETURNS, LABELS)
    noisy = tiny("timevae", tmp_path, max_steps=8, levelled=False).fit(RETURNS, LABELS)
    assert mean.sample(LONG, 20, 0).log_array.std() < 0.5 * noisy.sample(LONG, 20, 0).log_array.std()


def test_tails_come_out_and_go_back_in() -> None:
    rng = np.random.default_rng(0)
    u = rng.standard_normal(20_000)
    x = np.column_stack([u * np.exp(0.1 * u**2), u, stats.t(5).rvs(20_000, random_state=1)])
    tails = HeavyTails.fit(x)
    assert tails.delta[0] == pytest.approx(0.2, abs=0.02)
    assert tails.delta[1] < 0.02
    gaussian = tails.remove(x)
    np.testing.assert_allclose(stats.kurtosis(gaussian[:, [0, 2]]), 0.0, atol=0.01)
    np.testing.assert_allclose(gaussian.std(0), 1.0, atol=1e-9)
    np.testing.assert_allclose(tails.restore(gaussian), x, rtol=1e-8, atol=1e-10)


def test_observation_density_is_the_multivariate_t_of_scipy() -> None:
    torch.manual_seed(0)
    vae = Vae(3, 2, 16, 4, 8)
    torch.nn.init.normal_(vae.precision, std=0.5)
    x, mean, level = torch.randn(1, 3, 16), torch.randn(1, 3, 16), 0.3 * torch.randn(1, 3, 16)
    codes = np.arange(16)[None] % 2
    mine = vae.log_likelihood(x, mean, level, one_hot(codes, 2))[0].detach() - 1.5 * np.log(np.pi)
    precision = vae._precision().detach().numpy()
    nu = vae._freedom().detach().numpy()
    for t in range(16):
        k, h = codes[0, t], np.exp(level[0, :, t].numpy())
        half = np.diag(h) @ np.linalg.inv(precision[k])
        want = stats.multivariate_t(mean[0, :, t].numpy(), half @ half.T, df=nu[k]).logpdf(x[0, :, t].numpy())
        assert float(mine[t]) == pytest.approx(want, abs=2e-4)


def test_observation_noise_has_the_covariance_of_that_density() -> None:
    torch.manual_seed(0)
    vae = Vae(2, 1, 8, 4, 8)
    torch.nn.init.normal_(vae.precision, std=0.5)
    with torch.no_grad():
        vae.freedom.fill_(9.0)
        drawn = vae.noise(torch.ones(20_000, 1, 8), np.random.default_rng(0)).transpose(1, 2).reshape(-1, 2)
        p, nu = vae._precision()[0], vae._freedom()[0]
        want = torch.linalg.inv(p.T @ p) * nu / (nu - 2)
    np.testing.assert_allclose(np.cov(drawn.numpy().T), want.numpy(), rtol=0.05, atol=0.03)


def test_the_solver_follows_the_flow_of_gaussian_data() -> None:
    """For N(0, 1) data the best denoiser is x / (1 + sigma^2) and the flow ends at x_T / sqrt(1 + sigma_T^2)."""
    noise = torch.randn(4, 2, 50, generator=torch.Generator().manual_seed(0))

    def best(x: torch.Tensor, sigma: torch.Tensor, _: torch.Tensor) -> torch.Tensor:
        return x / (1 + sigma[:, None, None] ** 2)

    exact = 20.0 * noise / (1 + 20.0**2) ** 0.5
    errors = [float((solve(best, noise, noise, n) / exact - 1).abs().max()) for n in (16, 64)]  # type: ignore[arg-type]
    assert errors[0] < 0.03
    assert errors[1] < 0.003


def test_the_tcn_generator_is_causal_and_sees_exactly_its_receptive_field() -> None:
    torch.manual_seed(0)
    generator = Generator(2, 2, 3, 8, (1, 2, 4))
    assert generator.reach == 14
    noise, regimes = torch.randn(1, 3, 64), one_hot(np.zeros((1, 64), dtype=int), 2)
    moved = noise.clone()
    moved[..., 30] += 1.0
    with torch.no_grad():
        change = (generator(noise, regimes) - generator(moved, regimes)).abs().sum(1)[0]
    assert change.shape == (50,)
    touched = np.flatnonzero(change.numpy() > 1e-9)
    assert touched.min() == 30 - 14  # the output's day t stands at input day t + reach
    assert touched.max() == 30


def test_every_day_of_a_constant_regime_has_the_same_law(fitted: dict[str, NeuralBaseline]) -> None:
    """No start-up, no joints: mean |r| by position within its sampling error."""
    for name in ("tcn_gan", "timevae"):
        drawn = fitted[name].sample("crisis:100", 1500, 0).log_array
        size = np.abs(drawn).mean(2)  # a path's days count once: sectors are correlated
        by_day, error = size.mean(0), size.std() / 1500**0.5
        assert np.abs(by_day - by_day.mean()).max() < 4.5 * error, name


def test_the_best_weights_on_held_back_days_are_kept_not_the_last(tmp_path: Path) -> None:
    """A rate at which training runs wild: the last weights are worse than some before, and are not the ones used."""
    wild = tiny("diffusion", tmp_path, max_steps=60, lr=0.05, levelled=False).fit(RETURNS, LABELS)
    seen = [row["validation"] for row in wild.training_["curve"]]
    assert len(seen) == 60
    assert seen[-1] > min(seen)
    windows = TrainingWindows.make(wild.tails_.remove(standardised(wild)), wild.codes_, 2, 32)
    held = np.concatenate([np.arange(day, day + 32) for day in windows.held])
    used = windows.sampler.first_days
    assert np.abs(used[:, None] + np.arange(0, 32, 8) - np.median(held)).min() > 60  # the embargo
    task = wild._task(wild.network_, windows)
    with torch.no_grad():
        loss = task.held_loss(*windows.cut(windows.held), np.random.default_rng(77))
    assert float(loss) == pytest.approx(min(seen), rel=1e-5)


def standardised(baseline: NeuralBaseline) -> np.ndarray:
    """Training returns as the network sees them: less the mean, over deviation and slow scale."""
    z = baseline.moments_.standardise(baseline.log_returns_, baseline.codes_)
    return z / slow_scale(z)[:-1]


def test_code_version_is_of_what_code_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    texts = [
        'def f():\n    """Say."""\n    return 1\n',
        "# why\ndef f():\n\n    return 1\n",
        "def f():\n    return 2\n",
    ]
    found = []
    for i, text in enumerate(texts):
        (tmp_path / f"some_code_{i}.py").write_text(text, encoding="utf-8")
        monkeypatch.setattr("spade_finance.baselines.neural.cache._files", lambda _: [tmp_path / "code.py"])
        (tmp_path / "code.py").write_text(text, encoding="utf-8")
        code_version.cache_clear()
        found.append(code_version(("some_code",)))
    code_version.cache_clear()
    assert found[0] == found[1] != found[2]


def test_entries_of_different_identities_do_not_meet(tmp_path: Path) -> None:
    keys = {
        Entry("x", {"seed": seed, "rate": rate}, tmp_path).key
        for seed, rate in itertools.product((0, 1), (1, 2))
    }
    assert len(keys) == 4
    assert Entry("x", {"a": 1, "b": 2}, tmp_path).path == Entry("x", {"b": 2, "a": 1}, tmp_path).path


def test_what_was_learnt_is_measured_in_the_right_units(fitted: dict[str, NeuralBaseline]) -> None:
    from spade_finance.baselines.neural.learned import learned, statistics

    table = learned(fitted["tcn_gan"], n_paths=3)
    assert list(table.columns) == ["real", "drawn", "se"]
    assert np.isfinite(table.to_numpy()).all()
    # 0.5 % a day, four times that in a crisis; the market's variance is .8 + .2 / 2; slow scale about one
    assert table.loc["volatility bull", "real"] == pytest.approx(50 * (252 * 0.9) ** 0.5 / 100, rel=0.06)
    assert table.loc["volatility crisis", "real"] == pytest.approx(200 * (252 * 0.9) ** 0.5 / 100, rel=0.06)
    assert table.loc["correlation crisis", "real"] == pytest.approx(0.8, abs=0.05)
    rng = np.random.default_rng(0)
    garch, h = np.empty(40_000), 1.0
    for t in range(
        len(garch)
    ):  # GARCH(1, 1) with normal shocks: kurtosis 3 (1 - (a+b)^2) / (1 - (a+b)^2 - 2 a^2)
        garch[t] = h**0.5 * rng.standard_normal()
        h = 0.05 + 0.1 * garch[t] ** 2 + 0.85 * h
    found = statistics(0.01 * garch[:, None], np.zeros(len(garch), dtype=int), ("all",))
    assert found["kurtosis, market"] == pytest.approx(3 * (1 - 0.95**2) / (1 - 0.95**2 - 0.02) - 3, abs=0.35)
    assert found["acf r 1"] == pytest.approx(0.0, abs=0.02)
    assert found["acf |r| 1"] > found["acf |r| 20"] > 0.03


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(OPPONENTS))
def test_a_longer_training_on_the_embedded_data_learns_what_days_look_like(name: str, tmp_path: Path) -> None:
    import spade_finance as sf

    returns = sf.load_sectors().loc[:"2012-12-31"]
    labels = sf.JumpRegimes(random_state=0).fit(returns).smooth(returns)
    steps = {"timevae": 1200, "tcn_gan": 800, "diffusion": 250}[name]
    trained = NEURAL[name](max_steps=steps, cache_dir=tmp_path).fit(returns, labels)
    drawn = trained.sample(labels.codes, 8, 0).log_array
    real = np.log1p(returns.to_numpy())
    for k in range(4):
        days = labels.codes == k
        mine = drawn[:, days].reshape(-1, real.shape[1])
        np.testing.assert_allclose(mine.std(0), real[days].std(0), rtol=0.2)
        above = np.triu_indices(real.shape[1], 1)
        gap = np.corrcoef(mine.T)[above].mean() - np.corrcoef(real[days].T)[above].mean()
        assert abs(gap) < 0.15
    assert np.isfinite(drawn).all()
