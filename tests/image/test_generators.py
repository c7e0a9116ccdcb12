# SPDX-License-Identifier: Apache-2.0
"""One contract for every generator that stands under the trainer, and what tells them apart."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from spade_core.blocks import leaky
from spade_core.spectral import warm_up_spectral
from spade_image import InputError, build_image_generator, official
from spade_image.options import GENERATORS

SMALL = {"ngf": 2, "label_nc": 5, "crop_size": 64, "z_dim": 6, "init_variance": 1.0}


def segmap_of(height: int = 64, width: int = 96, batch: int = 2) -> Tensor:
    label = (torch.arange(height)[:, None] // 9 + torch.arange(width) // 7) % 5
    label = label[None].repeat(batch, 1, 1)
    return official.preprocess(label, label, flags=SMALL)


@pytest.mark.parametrize("vae", [False, True])
@pytest.mark.parametrize("kind", GENERATORS)
def test_contract(kind: str, vae: bool) -> None:
    """Shape, range, every parameter learns, determinism in evaluation, batch independence, save and load."""
    options = {**SMALL, "use_vae": vae}
    torch.manual_seed(0)
    net = build_image_generator(kind, options)
    segmap = segmap_of()
    z = torch.randn(2, 6) if vae else None
    out = net(segmap, z)
    assert out.shape == (2, 3, 64, 96)
    assert float(out.detach().abs().max()) <= 1
    out.square().mean().backward()
    without = [n for n, p in net.named_parameters() if p.grad is None or not torch.isfinite(p.grad).all()]
    assert not without
    warm_up_spectral(net)
    with torch.no_grad():
        a = net.eval()(segmap, z)
        assert torch.equal(a, net(segmap, z))
        torch.testing.assert_close(
            net(segmap[1:], None if z is None else z[1:])[0], a[1], atol=1e-5, rtol=1e-5
        )
        other = build_image_generator(kind, options)
        other.load_state_dict(net.state_dict(), strict=True)
        assert torch.equal(other.eval()(segmap, z), a)
        if vae:
            assert not torch.allclose(net(segmap, torch.randn(2, 6)), a, atol=1e-3)
            assert net(segmap[:1], torch.randn(3, 6)).shape == (3, 3, 64, 96)  # one map, three styles
            assert net.sample_noise(4, segmap).shape == (4, 6)
        else:
            with pytest.raises(ValueError, match="z was given"):
                net(segmap, torch.randn(2, 6))


@pytest.mark.parametrize("kind", GENERATORS)
def test_sizes(kind: str) -> None:
    net = build_image_generator(kind, SMALL).eval()
    with torch.no_grad():
        for size in ((32, 64), (160, 32), (32, 32)):
            assert net(segmap_of(*size, batch=1)).shape == (1, 3, *size)
    with pytest.raises(ValueError, match=r"\(64, 100\).*multiple of 32"):
        net(segmap_of(64, 100))


def test_one_coarse_position() -> None:
    concat = build_image_generator("concat", {**SMALL, "norm_G": "spectralspadebatch3x3"})
    with pytest.raises(InputError, match="batch of 1"):
        concat(segmap_of(32, 32, batch=1))
    assert torch.isfinite(concat(segmap_of(32, 32))).all()
    instance = build_image_generator("concat", {**SMALL, "norm_G": "spadeinstance3x3"})
    with pytest.raises(InputError, match="instance norm"):
        instance(segmap_of(32, 32))


def test_unknown_kind_and_fixed_size() -> None:
    with pytest.raises(InputError, match="spade, concat, unet"):
        build_image_generator("pix2pixhd", SMALL)
    with pytest.raises(InputError, match="'unet'"):
        build_image_generator("unet", SMALL, follow_map=False)


@pytest.mark.parametrize("layers", ["normal", "more", "most"])
def test_concat_has_the_trunk_of_spade(layers: str) -> None:
    """Same blocks and feature widths; each convolution only gains the map's channels."""
    options = {**SMALL, "crop_size": 128, "num_upsampling_layers": layers}
    spade, concat = (dict(build_image_generator(k, options).named_parameters()) for k in ("spade", "concat"))
    convolutions = [k for k in spade if ".conv_" in k and k.endswith("weight_orig")]
    assert convolutions
    for key in convolutions:
        a, b = spade[key].shape, concat[key].shape
        assert (b[0], b[1], *b[2:]) == (a[0], a[1] + 6, *a[2:])


def test_a_norm_washes_a_flat_map_out_of_the_unet_but_not_out_of_spade() -> None:
    """Two flat maps of different classes: an instance norm makes their features equal, a modulation does not."""
    options = {**SMALL, "norm_G": "spectralspadeinstance3x3", "no_instance": True}
    flat = [official.preprocess(torch.full((1, 128, 128), c), flags=options) for c in (1, 3)]
    inner = (..., slice(2, -2), slice(2, -2))  # away from the border, which padding marks
    torch.manual_seed(0)
    unet = build_image_generator("unet", options).eval()
    with torch.no_grad():
        before = [unet.down[1](leaky(unet.down[0](m))) for m in flat]
        after = [unet.down_norms[1](h) for h in before]
    assert float((before[0] - before[1])[inner].abs().mean()) > 0.05
    assert max(float(h[inner].var((2, 3)).mean()) for h in after) < 0.1  # the class itself is gone

    spade = build_image_generator("spade", options).eval()
    warm_up_spectral(spade)
    with torch.no_grad():
        a, b = (spade(m) for m in flat)
    assert float((a - b).abs().mean() / torch.cat([a, b]).std()) > 0.5
