# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from spade_image.scenes import write_scenes


@pytest.fixture(scope="session")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small folder of drawn pairs with instance maps, not to be changed."""
    return write_scenes(tmp_path_factory.mktemp("scenes") / "data", n_train=16, n_val=4, instances=True)


def save(path: Path, pixels: np.ndarray) -> Path:
    """Write an array as a picture, making its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


def pair(folder: Path, name: str, ids: np.ndarray, split: str = "train") -> None:
    """Write a grey photo and its label under the usual layout."""
    photo = np.full((*ids.shape[:2], 3), 120, dtype=np.uint8)
    save(folder / f"{split}_img" / f"{name}.png", photo)
    save(folder / f"{split}_label" / f"{name}.png", ids)
