# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from spade_image import perceptual
from spade_image.exceptions import InputError
from spade_image.losses import vgg_loss
from spade_image.perceptual import cached_file, find_vgg


def slim_vgg() -> dict[str, torch.Tensor]:
    """torchvision's VGG19 names with a tenth of its width."""
    g = torch.Generator().manual_seed(0)
    state, before, index = {}, 3, 0
    for width, convolutions in ((6, 2), (12, 2), (25, 4), (51, 4), (51, 4)):
        for _ in range(convolutions):
            state[f"features.{index}.weight"] = (
                torch.randn(width, before, 3, 3, generator=g) * (2 / (9 * before)) ** 0.5
            )
            state[f"features.{index}.bias"] = torch.zeros(width)
            before, index = width, index + 2
        index += 1
    return state | {"classifier.0.weight": torch.zeros(2, 2)}


def test_a_local_file_serves_in_both_formats(tmp_path: Path) -> None:
    torch.save(slim_vgg(), tmp_path / "vgg.pth")
    save_file(slim_vgg(), tmp_path / "vgg.safetensors")
    fake, real = torch.rand(2, 2, 3, 32, 32, generator=torch.Generator().manual_seed(1)) * 2 - 1
    losses = [
        vgg_loss(find_vgg(tmp_path / name).features, fake, real) for name in ("vgg.pth", "vgg.safetensors")
    ]
    assert losses[0] == losses[1] > 0
    assert vgg_loss(find_vgg(tmp_path / "vgg.pth").features, real, real) == 0
    assert "vgg.pth" in find_vgg(tmp_path / "vgg.pth").source
    assert not any(p.requires_grad for p in find_vgg(tmp_path / "vgg.pth").features.parameters())


def test_the_cache_is_used_and_without_it_the_error_names_the_three_choices(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path / "hub"), raising=False)
    assert cached_file() == tmp_path / "hub" / "checkpoints" / "vgg19-dcbb9e9d.pth"

    def unreachable(url: str, target: str, **more: object) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr(torch.hub, "download_url_to_file", unreachable)
    with pytest.raises(
        InputError, match=r"could not be fetched \(no route to host\).*network.*--vgg-weights FILE.*--no-vgg"
    ):
        find_vgg()
    with pytest.raises(InputError, match=r"not in the cache.*--no-vgg"):
        find_vgg(download=False)
    assert not cached_file().exists()
    cached_file().parent.mkdir(parents=True, exist_ok=True)
    torch.save(slim_vgg(), cached_file())
    monkeypatch.setattr(perceptual, "_download", lambda path: pytest.fail("fetched although it is there"))
    assert "torchvision's VGG19" in find_vgg().source


def test_other_files_are_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "junk.pth").write_bytes(b"junk")
    with pytest.raises(InputError, match=r"junk.pth is no readable weight file"):
        find_vgg(tmp_path / "junk.pth")
    with pytest.raises(InputError, match="does not exist"):
        find_vgg(tmp_path / "none.pth")
    torch.save({"a.weight": torch.zeros(1)}, tmp_path / "other.pth")
    with pytest.raises(InputError, match=r"other.pth: the VGG weights lack '0.weight'"):
        find_vgg(tmp_path / "other.pth")
    torch.save({"a": [1]}, tmp_path / "list.pth")
    with pytest.raises(InputError, match="holds no state dict"):
        find_vgg(tmp_path / "list.pth")
