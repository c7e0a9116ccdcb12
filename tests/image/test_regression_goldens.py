# SPDX-License-Identifier: Apache-2.0
"""Our own small goldens: numbers stay what they were, also where the official goldens are not at hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.image.make_goldens import FOLDER, cases

# float32 convolutions in another order (threads, processor) move outputs in [-1, 1] by a few 1e-6
ATOL, RTOL = 1e-4, 1e-3


def test_every_golden_has_its_case_and_is_small() -> None:
    files = {path.stem: path.stat().st_size for path in FOLDER.glob("*.npz")}
    assert files.keys() == cases().keys()
    assert sum(files.values()) < 300_000


@pytest.mark.parametrize("name", sorted(cases()))
def test_golden(name: str) -> None:
    with np.load(FOLDER / f"{name}.npz", allow_pickle=False) as file:
        expected = {key: torch.from_numpy(file[key]) for key in file.files}
    got = {key: torch.from_numpy(value) for key, value in cases()[name]().items()}
    assert got.keys() == expected.keys()
    for key, value in expected.items():
        assert float(value.std()) > 0.05, "a constant golden proves nothing"
        torch.testing.assert_close(
            got[key], value, atol=ATOL, rtol=RTOL, msg=lambda text, k=key: f"{k}: {text}"
        )
