# SPDX-License-Identifier: Apache-2.0
"""Where a map looks the same, SPADE's scale and shift are the same: compute each distinct neighbourhood once.

Gamma and beta at a pixel depend on the map within ``2 (k // 2)`` pixels of it (two convolutions of kernel k): 5 x 5 for
the usual 3 x 3. A map of classes is flat almost everywhere, so a picture of 262,144 pixels has a few thousand different
neighbourhoods. :class:`Patterns` numbers them; the layers then work on the list instead of the picture. This is exact,
not an approximation: equality of every position with its representative is checked.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from spade_core.nd import resize_nearest

__all__ = ["MapCodes", "Patterns"]

_MULTIPLIER = 6364136223846793005  # odd, of full period modulo 2^64
_MOST_VECTORS = 4096


class MapCodes:
    """A map ``(B, S, H, W)`` as numbers of its distinct pixels.

    Attributes
    ----------
    codes : Tensor (B, H, W), int64
    vectors : Tensor (Q, S)
        The pixel that each code means.
    """

    def __init__(self, codes: Tensor, vectors: Tensor) -> None:
        self.codes, self.vectors = codes, vectors

    @classmethod
    def of(cls, segmap: Tensor) -> MapCodes | None:
        """Number a map's pixels; None where there are too many different ones (a soft map)."""
        weights = torch.arange(1, segmap.shape[1] + 1, device=segmap.device, dtype=torch.float64).sqrt()
        # 64-bit sums of incommensurable weights separate all but contrived pixels; the check below is exact
        sums = torch.einsum("bshw,s->bhw", segmap.double(), weights)
        values, codes = torch.unique(sums, return_inverse=True)
        if len(values) > _MOST_VECTORS:
            return None
        flat = codes.flatten()
        first = torch.empty(len(values), dtype=torch.int64, device=flat.device)
        first[flat] = torch.arange(len(flat), device=flat.device)
        pixels = segmap.movedim(1, -1).reshape(-1, segmap.shape[1])
        vectors = pixels[first]
        for begin in range(0, len(flat), 1 << 16):
            part = slice(begin, begin + (1 << 16))
            if not torch.equal(vectors[flat[part]], pixels[part]):
                return None
        return cls(codes, vectors)

    def resized(self, size: Sequence[int]) -> MapCodes:
        """Resize (nearest) as the layers do."""
        if tuple(size) == tuple(self.codes.shape[1:]):
            return self
        # exact: codes are far below 2^24, the integers that float32 holds
        small = resize_nearest(self.codes[:, None].float(), size)[:, 0].long()
        return MapCodes(small, self.vectors)

    def patterns(self, reach: int) -> Patterns | None:
        """Number the ``(2 reach + 1)^2`` neighbourhoods; None if two different ones cannot be told apart."""
        outside = len(self.vectors)
        padded = F.pad(self.codes, (reach,) * 4, value=outside)
        batch, height, width = self.codes.shape
        side = 2 * reach + 1
        shifts = [
            padded[:, dy : dy + height, dx : dx + width].flatten() for dy in range(side) for dx in range(side)
        ]
        hashed = torch.zeros_like(shifts[0])
        for shift in shifts:
            hashed = hashed * _MULTIPLIER + shift  # modulo 2^64
        values, index = torch.unique(hashed, return_inverse=True)
        first = torch.empty(len(values), dtype=torch.int64, device=index.device)
        first[index] = torch.arange(len(index), device=index.device)
        patches = torch.stack([shift[first] for shift in shifts], 1)  # (U, side^2)
        for i, shift in enumerate(shifts):
            if not torch.equal(patches[:, i][index], shift):
                return None
        return Patterns(patches.view(-1, side, side), index.view(batch, height * width), self.vectors)


class Patterns:
    """Distinct neighbourhoods of a map and which position has which.

    Attributes
    ----------
    patches : Tensor (U, side, side), int64
        Codes; ``len(vectors)`` stands for "outside the picture".
    index : Tensor (B, H * W), int64
        0..U - 1.
    vectors : Tensor (Q, S)
    """

    def __init__(self, patches: Tensor, index: Tensor, vectors: Tensor) -> None:
        self.patches, self.index, self.vectors = patches, index, vectors

    @property
    def share(self) -> float:
        """Distinct neighbourhoods per position: what the work shrinks to."""
        return len(self.patches) / self.index.numel()

    def table(self, hidden: tuple[Tensor, Tensor], head: tuple[Tensor, Tensor]) -> Tensor:
        """Run ``head(relu(hidden(map)))`` on every neighbourhood.

        Parameters
        ----------
        hidden : (weight (N, S, k, k), bias (N))
            The convolution on the map, zero-padded.
        head : (weight (C, N, k, k), bias (C))
            The convolution on its result, zero-padded.

        Returns
        -------
        Tensor (U, C)
        """
        weight, bias = hidden
        width, _, k, _ = weight.shape
        # one row a (tap, code): what the tap adds to the hidden layer; outside adds nothing
        per_code = torch.einsum("qs,nst->tqn", self.vectors.to(weight.dtype), weight.flatten(2))
        rows = torch.cat([per_code, per_code.new_zeros(k * k, 1, width)], 1).flatten(0, 1)  # (k^2 (Q + 1), N)
        stride = len(self.vectors) + 1
        taps = torch.arange(k * k, device=rows.device) * stride
        centre = k // 2
        out = []
        chunk = max(1, (1 << 24) // (k * k * width))
        matrix = head[0].permute(2, 3, 1, 0).reshape(-1, head[0].shape[0])  # (k^2 N, C)
        for patches in torch.split(self.patches, chunk):
            windows = patches.unfold(1, k, 1).unfold(2, k, 1)  # (u, k, k, k, k): place, then tap
            places = windows.reshape(-1, k * k) + taps
            h = F.embedding_bag(places, rows, mode="sum")  # (u k^2, N)
            h = torch.relu_(h.add_(bias))
            middle = windows[..., centre, centre].reshape(-1)
            h[middle == stride - 1] = 0.0  # zero padding between the convolutions
            out.append(torch.addmm(head[1], h.view(len(patches), -1), matrix))
        return torch.cat(out)
