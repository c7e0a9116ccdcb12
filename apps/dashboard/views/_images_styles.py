# SPDX-License-Identifier: Apache-2.0
"""Styles: those the model has names for, draws of chance, the way between two, and that of a photo."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import streamlit as st

from ..choices import SEED
from ..engine import Bounded, gate
from ..kinds import Choice, number, one_of, text, whole
from ..map_painter.codes import Ids
from ..state import bind, get, put
from ._images_maps import MAX_IMAGE_BYTES, read_photo_file

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from spade_image import ImageModel

__all__ = ["Look", "Styles", "pictures", "style_controls"]

MODES = {"named": "Light", "draws": "By chance", "between": "Between", "photo": "Photo"}
MODE = one_of("style", "named", tuple(MODES))
SAMPLES = whole("samples", 4, 1, 8)
FROM: Choice[str] = text("style_from", "", most=60)
TO: Choice[str] = text("style_to", "", most=60)
WAY = number("way", 0.5, 0.0, 1.0)
STEPS = 5
CACHE_BYTES = 64 * 2**20


class Look(NamedTuple):
    """One style: what a reader calls it, and its vector ``(z_dim,)``, None for a model that has no styles."""

    name: str
    z: Tensor | None


class Styles(NamedTuple):
    """What the controls say.

    Attributes
    ----------
    looks : list of Look
        In the order of the page.
    what : str
        What they are, in words.
    options : str
        The same for ``spade-image generate``; empty where it has no such thing.
    first_apart : bool
        The first is a place of its own, and not one of the row.
    """

    looks: list[Look]
    what: str
    options: str
    first_apart: bool = False


def style_controls(model: ImageModel) -> Styles:
    """Draw the controls; returns the styles to draw."""
    if not model.options.use_vae:
        st.caption("This model draws one picture a map: it was trained without styles (`--use-vae`).")
        return Styles([Look("picture", None)], "The model's picture", " ")
    modes = [
        m
        for m in MODES
        if (m != "named" or model.named_styles) and (m != "photo" or model.encoder is not None)
    ]
    if get(MODE) not in modes:
        put(MODE, modes[0])
    st.segmented_control("Style", modes, format_func=MODES.__getitem__, required=True, **bind(MODE))
    return _CONTROLS[get(MODE)](model)


def _named(model: ImageModel) -> Styles:
    looks = [Look(name, z) for name, z in model.named_styles.items()]
    return Styles(
        looks, "Every light that the model has a name for", "".join(f" --style {x.name}" for x in looks)
    )


def _draws(model: ImageModel) -> Styles:
    left, right = st.columns([3, 2], vertical_alignment="bottom", gap="medium")
    left.slider(
        "Samples", 1, 8, help="Styles drawn by chance; the seed in the sidebar says which.", **bind(SAMPLES)
    )
    right.button("Others", icon=":material/casino:", on_click=_reseed, width="stretch", key="images:others")
    drawn = model.styles(get(SAMPLES), None, get(SEED))
    assert drawn is not None
    looks = [Look(f"draw {i + 1}", z) for i, z in enumerate(drawn)]
    return Styles(looks, f"Styles by chance, seed {get(SEED)}", f" --samples {len(looks)} --seed {get(SEED)}")


def _reseed() -> None:
    put(SEED, (get(SEED) + 1) % 2**31)


def _between(model: ImageModel) -> Styles:
    ends = _ends(model)
    for choice, usual in ((FROM, 0), (TO, 2)):
        if get(choice) not in ends:
            put(choice, list(ends)[min(usual, len(ends) - 1)])
    left, middle, right = st.columns([2, 3, 2], vertical_alignment="bottom", gap="small")
    left.selectbox("From", list(ends), **bind(FROM))
    middle.slider("On the way", 0.0, 1.0, step=0.05, **bind(WAY))
    right.selectbox("To", list(ends), **bind(TO))
    first, last = ends[get(FROM)], ends[get(TO)]
    ways = [get(WAY), *(k / (STEPS - 1) for k in range(STEPS))]
    looks = [Look(f"{100 * t:.0f} % of the way", first + t * (last - first)) for t in ways]
    return Styles(looks, f"From {get(FROM)} to {get(TO)} in even steps", "", first_apart=True)


def _ends(model: ImageModel) -> dict[str, Tensor]:
    drawn = model.styles(4, None, get(SEED))
    assert drawn is not None
    return {**model.named_styles, **{f"draw {i + 1}": z for i, z in enumerate(drawn)}}


def _photo(model: ImageModel) -> Styles:
    file = st.file_uploader(
        "A photo whose light to take", type=["png", "jpg", "jpeg", "webp"], key="images:photo",
        max_upload_size=MAX_IMAGE_BYTES // 2**20,
        help=f"Read by the model's encoder in this session only; at most {MAX_IMAGE_BYTES // 2**20} MB.",
    )  # fmt: skip
    if file is None:
        drawn = model.styles(4, None, get(SEED))
        assert drawn is not None
        looks = [Look(f"draw {i + 1}", z) for i, z in enumerate(drawn)]
        return Styles(
            looks, "No photo yet: until there is one, styles by chance", f" --samples 4 --seed {get(SEED)}"
        )
    photo = read_photo_file(file.name, file.getvalue())
    around = model.styles(3, photo, get(SEED))
    assert around is not None
    looks = [Look("its style", model.encode(photo)[0][0])]
    looks += [Look(f"near it, {i + 1}", z) for i, z in enumerate(around)]
    return Styles(looks, f"The style of {file.name}, and draws around it", " --style PHOTO")


_CONTROLS: dict[str, Callable[[ImageModel], Styles]] = {
    "named": _named, "draws": _draws, "between": _between, "photo": _photo,
}  # fmt: skip


# ---- pictures


@st.cache_resource(show_spinner=False)
def _cache() -> Bounded[NDArray[np.uint8]]:
    return Bounded(CACHE_BYTES, lambda images: int(images.nbytes))


def pictures(model: ImageModel, ids: Ids, looks: list[Look]) -> NDArray[np.uint8]:
    """The map in every style, ``(N, H, W, 3)``; kept for all sessions by map and style, not to be written into."""
    import torch

    from spade_image.preprocess import to_uint8

    vectors = [look.z for look in looks if look.z is not None]
    z = torch.stack(vectors) if vectors else None
    told = hashlib.sha256(ids.tobytes())
    if z is not None:
        told.update(z.numpy().tobytes())
    key = (model.content_hash, ids.shape, told.hexdigest())

    def draw() -> NDArray[np.uint8]:
        with gate():
            drawn = model.generate(torch.from_numpy(ids.astype(np.int64))[None], z=z)[0]
        return np.ascontiguousarray(to_uint8(drawn).permute(0, 2, 3, 1).numpy())

    return _cache().get(key, draw)
