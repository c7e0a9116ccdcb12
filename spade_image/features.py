# SPDX-License-Identifier: Apache-2.0
"""What FID and KID look at: Inception's features where its weights are at hand, else the segmenter's.

Inception comes in two sets of weights. ``pt_inception-2015-12-05-6726825d.pth`` (1008 outputs) is the network of the
literature's FID, ported from TensorFlow, with its three departures from torchvision's (pooling that leaves the padding
out, and one maximum instead of a mean); ``inception_v3_google-0cc3c7bd.pth`` is torchvision's ImageNet network. The
report says which it was: their numbers differ.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from spade_image.exceptions import InputError, ModelError
from spade_image.metrics import FeatureExtractor
from spade_image.segmenter import Segmenter

__all__ = ["InceptionFeatures", "SegmenterFeatures", "find_inception"]

CACHED = (
    "pt_inception-2015-12-05-6726825d.pth",
    "weights-inception-2015-12-05-6726825d.pth",
    "inception_v3_google-0cc3c7bd.pth",
)
_FID_OUTPUTS = 1008
_SIDE = 299


class SegmenterFeatures(FeatureExtractor):
    """Features of a segmenter: distances measure what it sees, and are comparable within one table only."""

    def __init__(self, segmenter: Segmenter) -> None:
        super().__init__()
        self.segmenter = segmenter
        self.num_features = segmenter.n_features
        self.name = (
            f"{segmenter.n_features} features of the {segmenter.name}; comparable within this table only"
        )

    def forward(self, pictures: Tensor) -> Tensor:
        """Turn 8-bit ``(B, 3, H, W)`` into ``(B, num_features)``."""
        return self.segmenter.features(pictures.float() / 127.5 - 1)


class InceptionFeatures(FeatureExtractor):
    """The 2048 pooled features of Inception v3.

    Parameters
    ----------
    state : mapping of Tensor
        Either of the two state dicts named above; its number of outputs says which.
    source : str
        For the name.

    Raises
    ------
    ModelError
        Other weights.
    """

    num_features = 2048

    def __init__(self, state: Mapping[str, Tensor], source: str) -> None:
        super().__init__()
        from torchvision.models import Inception3

        weights = {k: v for k, v in state.items() if not k.startswith("AuxLogits.")}
        outputs = weights["fc.weight"].shape[0] if "fc.weight" in weights else 0
        if outputs not in (_FID_OUTPUTS, 1000):
            raise ModelError(
                f"{source} holds no Inception v3 (1008 or 1000 outputs): give {CACHED[0]} or {CACHED[2]}"
            )
        self.literature = outputs == _FID_OUTPUTS
        net = Inception3(num_classes=outputs, aux_logits=False, transform_input=False, init_weights=False)
        try:
            found = net.load_state_dict(weights, strict=False)
        except RuntimeError as error:
            raise ModelError(
                f"{source} holds no Inception v3: {str(error).splitlines()[-1].strip()}"
            ) from error
        missing = [k for k in found.missing_keys if not k.endswith("num_batches_tracked")]
        if missing or found.unexpected_keys:
            wrong = (missing or found.unexpected_keys)[0]
            raise ModelError(f"{source} holds no Inception v3 ({wrong!r} is missing or of another network)")
        if self.literature:
            _as_in_the_literature(net)
        net.fc = nn.Identity()
        self.net = net.eval().requires_grad_(False)
        kind = (
            "FID's own weights" if self.literature else "torchvision's ImageNet weights, not the literature's"
        )
        self.name = f"Inception v3, 2048 features ({kind}; {source})"

    def forward(self, pictures: Tensor) -> Tensor:
        """Turn 8-bit ``(B, 3, H, W)`` into ``(B, 2048)``; pictures are resized to 299 x 299 (bilinear)."""
        x = F.interpolate(pictures.float() / 255, size=(_SIDE, _SIDE), mode="bilinear", align_corners=False)
        if self.literature:
            return self.net(x * 2 - 1)
        mean, std = x.new_tensor([0.485, 0.456, 0.406]), x.new_tensor([0.229, 0.224, 0.225])
        return self.net((x - mean[:, None, None]) / std[:, None, None])


def _as_in_the_literature(net: Any) -> None:
    """Pool as the TensorFlow network does: without the padding; by the maximum in the last block."""

    def mean(x: Tensor) -> Tensor:
        return F.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)

    def maximum(x: Tensor) -> Tensor:
        return F.max_pool2d(x, 3, stride=1, padding=1)

    for name, block in net.named_children():
        if not name.startswith("Mixed_") or not hasattr(block, "branch_pool"):
            continue
        pool = maximum if name == "Mixed_7c" else mean
        # torchvision's blocks call F.avg_pool2d themselves; what enters branch_pool is replaced instead
        block._forward = _with_pool(block, pool)


def _with_pool(block: Any, pool: Any) -> Any:
    own = type(block)._forward

    def forward(x: Tensor) -> list[Tensor]:
        outputs: list[Tensor] = own(block, x)
        return [*outputs[:-1], block.branch_pool(pool(x))]  # the pooled branch is the last in every block

    return forward


def find_inception(file: str | Path | None = None) -> InceptionFeatures | None:
    """Load Inception from a file, or from torch's cache; None where it is in neither.

    Parameters
    ----------
    file : path, optional
        A state dict, .pth or .safetensors.

    Raises
    ------
    InputError
        The file is missing or damaged.
    ModelError
        The file is of another network.
    """
    if file is None:
        folder = Path(torch.hub.get_dir()) / "checkpoints"
        there = [folder / name for name in CACHED if (folder / name).is_file()]
        if not there:
            return None
        file = there[0]
    path = Path(file)
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            state = load_file(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise InputError(f"--inception {path} does not exist: give {CACHED[0]} or leave it out") from None
    except Exception as error:  # torch and safetensors raise half a dozen kinds for a damaged file
        raise InputError(
            f"--inception {path} is no readable weight file ({type(error).__name__}): copy it again, or leave it out"
        ) from error
    if not isinstance(state, dict):
        raise InputError(f"--inception {path} holds no state dict: give {CACHED[0]}, or leave it out")
    return InceptionFeatures(state, path.name)
