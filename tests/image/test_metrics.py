# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm
from sklearn.metrics import accuracy_score, jaccard_score
from torch import Tensor

from spade_image.exceptions import InputError, ModelError
from spade_image.features import InceptionFeatures, find_inception
from spade_image.metrics import Agreement, Distances, FeatureExtractor


def maps(seed: int, n: int = 6, classes: int = 4) -> Tensor:
    return torch.randint(0, classes, (n, 8, 9), generator=torch.Generator().manual_seed(seed))


def test_agreement_is_scikit_learns_without_dontcare() -> None:
    true, predicted = maps(0), maps(1, classes=5)
    predicted[:, :4] = true[:, :4]
    true[:, 0] = 255
    counts = Agreement(5)
    counts.update(predicted[:2], true[:2])
    counts.update(predicted[2:], true[2:])
    known = (true != 255).flatten().numpy()
    t, p = true.flatten().numpy()[known], predicted.flatten().numpy()[known]
    np.testing.assert_allclose(counts.iou[:4], jaccard_score(t, p, labels=range(4), average=None))
    assert np.isnan(counts.iou[4])  # the true maps do not hold class 4
    assert counts.miou == pytest.approx(jaccard_score(t, p, labels=range(4), average="macro"))
    assert counts.accuracy == pytest.approx(accuracy_score(t, p))


def test_standard_errors_are_those_of_a_mean_over_pictures() -> None:
    true = torch.zeros(400, 4, 4, dtype=torch.long)
    hit = torch.rand(400, generator=torch.Generator().manual_seed(0))
    predicted = (
        torch.rand(400, 4, 4, generator=torch.Generator().manual_seed(1)) > hit[:, None, None]
    ).long()
    counts = Agreement(2)
    counts.update(predicted, true)
    by_picture = (predicted == 0).double().mean((1, 2))
    _, error = counts.std_errors(n_resamples=2000)
    assert error == pytest.approx(float(by_picture.std()) / 20, rel=0.06)


def test_agreement_of_nothing_is_refused() -> None:
    with pytest.raises(InputError, match="no pictures were counted"):
        _ = Agreement(3).miou


class Numbers(FeatureExtractor):
    """The first pixels of a picture are its features."""

    num_features = 3
    name = "pixels"

    def forward(self, pictures: Tensor) -> Tensor:
        return pictures[:, 0, 0, :3].float() / 100


def pictures(seed: int, n: int = 40, shift: int = 0) -> Tensor:
    rng = torch.Generator().manual_seed(seed)
    return (torch.randint(0, 200, (n, 3, 4, 4), generator=rng) + shift).to(torch.uint8)


def fid_of(a: Tensor, b: Tensor) -> float:
    x, y = (Numbers()(p).double().numpy() for p in (a, b))
    cx, cy = np.cov(x.T), np.cov(y.T)
    return float(((x.mean(0) - y.mean(0)) ** 2).sum() + np.trace(cx + cy - 2 * sqrtm(cx @ cy).real))


def kid_of(a: Tensor, b: Tensor) -> float:
    """The unbiased estimate, written out."""
    x, y = (Numbers()(p).double().numpy() for p in (a, b))

    def kernel(u: np.ndarray, v: np.ndarray) -> float:
        return float((u @ v / 3 + 1) ** 3)

    n = len(x)
    same = sum(kernel(s[i], s[j]) for s in (x, y) for i in range(n) for j in range(n) if i != j)
    cross = sum(kernel(u, v) for u in x for v in y)
    return same / (n * (n - 1)) - 2 * cross / n**2


def test_fid_and_kid_of_one_set_after_another() -> None:
    real, first, second = pictures(0), pictures(1), pictures(2, shift=50)
    distances = Distances(Numbers(), 40, subset_size=40, subsets=2)
    distances.real(real)
    for fake in (first, second):
        distances.add(fake[:15])
        distances.add(fake[15:])
        found = distances.result()
        assert found.fid == pytest.approx(fid_of(real, fake), rel=1e-4)
        assert found.kid == pytest.approx(kid_of(real, fake), rel=1e-3, abs=1e-6)
        assert found.kid_std == pytest.approx(0.0, abs=1e-5)  # subsets as large as the sets are the sets


def test_subsets_follow_from_the_seed_and_leave_the_global_one_alone() -> None:
    values = []
    for seed in (0, 0, 1):
        distances = Distances(Numbers(), 40, subset_size=10, subsets=5, seed=seed)
        distances.real(pictures(0))
        distances.add(pictures(1, shift=20))
        before = torch.random.get_rng_state()
        values.append(distances.result().kid)
        assert torch.equal(before, torch.random.get_rng_state())
    assert values[0] == values[1] != values[2]


def test_too_few_pictures_and_wrong_ones_are_refused() -> None:
    with pytest.raises(InputError, match="at least 2 real pictures"):
        Distances(Numbers(), 1)
    distances = Distances(Numbers(), 40)
    distances.real(pictures(0))
    distances.add(pictures(1, n=5))
    with pytest.raises(InputError, match="5 pictures are too few"):
        distances.result()
    with pytest.raises(InputError, match="8-bit"):
        distances.add(torch.rand(2, 3, 4, 4))


def test_inception_is_told_by_its_outputs(tmp_path: object) -> None:
    with pytest.raises(ModelError, match="holds no Inception v3"):
        InceptionFeatures({"fc.weight": torch.zeros(10, 2048)}, "other.pth")
    with pytest.raises(InputError, match="does not exist"):
        find_inception("nowhere.pth")


@pytest.mark.slow
def test_fids_inception_pools_without_the_padding() -> None:
    from torchvision.models import Inception3

    torch.manual_seed(0)
    net = Inception3(num_classes=1008, aux_logits=False, transform_input=False, init_weights=False).eval()
    extractor = InceptionFeatures(net.state_dict(), "random")
    assert extractor.literature
    assert "own weights" in extractor.name
    flat = torch.full((1, 3, 299, 299), 255, dtype=torch.uint8)
    features = extractor(flat)
    assert features.shape == (1, 2048)
    # by hand: the pooled branch of the first mixed block on constant features keeps them at the border
    block = extractor.net.Mixed_5b
    x = torch.ones(1, 192, 5, 5)
    pooled = block._forward(x)[-1]
    torch.testing.assert_close(pooled, block.branch_pool(x))
    torchvision = InceptionFeatures(
        {**net.state_dict(), "fc.weight": torch.zeros(1000, 2048), "fc.bias": torch.zeros(1000)}, "random"
    )
    assert not torchvision.literature
    assert "not the literature's" in torchvision.name
