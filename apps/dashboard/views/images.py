# SPDX-License-Identifier: Apache-2.0
"""Images: paint a map of classes, choose a style, see the picture; the idea where it came from."""

from __future__ import annotations

import io
import random
import re
import zipfile
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from ..boundary import boundary
from ..choices import SEED
from ..files import download
from ..formats import count
from ..headings import heading
from ..kinds import Choice, text
from ..map_painter import surface
from ..state import bind, get, put
from ._images_maps import MAP, MAX_IMAGE_BYTES, chosen_map, keep_map, map_png, read_label_map, sides_of
from ._images_models import (
    IMAGE_MODEL,
    classes_of,
    image_model_names,
    image_model_picker,
    open_image_model,
)
from ._images_starts import start_names
from ._images_styles import Styles, pictures, style_controls

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from spade_image import ImageModel

    from ..map_painter.codes import Ids

SIDE: Choice[str] = text("side", "128", most=5)
PICKED: Choice[str] = text("pick", "", most=60)
WIDE = 152
"""Pixels of a sample in the row."""


def page() -> None:
    """Draw the page."""
    with st.sidebar:
        image_model_picker()
    if not image_model_names():
        _no_model()
        return
    model = open_image_model()
    with st.sidebar:
        _sizes(model)
        st.number_input(
            "Seed", 0, 2**31 - 1, step=1, help="The same seed draws the same styles.", **bind(SEED)
        )
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.markdown("**Pick a class and paint.** The picture follows every stroke.")
        with st.container(width=190):
            _start_from(model)
    ids = chosen_map(model, int(get(SIDE)))
    left, right = st.columns(2, gap="medium")
    with left:
        surface(ids, classes_of(model), keep_map, key="map")
    below = st.container()
    with right, boundary():
        styles = style_controls(model)
        images, shown = _picture(model, ids, styles)
        with below:
            _row(images, styles, shown)
            _take_along(model, ids, images, styles, shown)


def _no_model() -> None:
    st.info(
        "This installation has no image model: the one that ships is missing, and the models' folder holds none. Train "
        "one in about a minute, then start the dashboard with its folder:",
        icon=":material/image_not_supported:",
    )
    st.code(
        "spade-image shapes scenes\nspade-image train --data scenes --preset tiny --out models/shapes\n"
        "spade-finance dashboard --models models",
        language="bash",
    )


def _sizes(model: ImageModel) -> None:
    sides = [str(side) for side in sides_of(model)]
    if get(SIDE) not in sides:
        own = max(model.options.output_size)
        put(SIDE, str(own) if str(own) in sides else min(sides, key=lambda s: abs(int(s) - min(own, 256))))
    st.select_slider(
        "Longest side, pixels", sides, **bind(SIDE),
        help=f"The model was trained at {max(model.options.output_size)}; far from that, textures have another scale.",
    )  # fmt: skip


# ---- where to start


def _start_from(model: ImageModel) -> None:
    with st.popover("Start from…", icon=":material/landscape:", width="stretch"):
        names = start_names(tuple(model.label_names))
        st.caption("What is painted now stays in Undo.")
        for name in names:
            st.button(
                name.capitalize(), key=f"images:start:{name}", on_click=put, args=(MAP, name), width="stretch"
            )
        if names[0] == "valley":
            st.button(
                "Another by chance", icon=":material/casino:", key="images:start:chance", on_click=_by_chance,
                width="stretch",
            )  # fmt: skip
        st.file_uploader(
            "Your own label map", type=["png"], key="images:label", on_change=_uploaded, args=(model,),
            max_upload_size=MAX_IMAGE_BYTES // 2**20,
            help="A PNG of class ids, or of the classes' colours; at most "
            f"{MAX_IMAGE_BYTES // 2**20} MB. It is brought to the size in the sidebar, each pixel the nearest one's.",
        )  # fmt: skip
    if (fault := st.session_state.pop("images:fault", None)) is not None:
        with boundary():
            raise fault


def _by_chance() -> None:
    put(MAP, f"seed:{random.randrange(10**6)}")


def _uploaded(model: ImageModel) -> None:
    """Callback of the upload: the map becomes the painted one, or its fault is said in the next run."""
    from spade_image.exceptions import InputError

    file = st.session_state.get("images:label")
    if file is None:
        return
    try:
        keep_map(read_label_map(model, file.name, file.getvalue()))
    except InputError as error:
        st.session_state["images:fault"] = error


# ---- the pictures


def _picture(model: ImageModel, ids: Ids, styles: Styles) -> tuple[NDArray[np.uint8], int]:
    """Draw the large picture; returns all of them, and which it is."""
    with st.spinner("Drawing…"):
        images = pictures(model, ids, styles.looks)
    names = [look.name for look in styles.looks]
    shown = names.index(get(PICKED)) if get(PICKED) in names and not styles.first_apart else 0
    st.image(_large(images[shown]), width="stretch", alt=f"The map drawn by the model: {names[shown]}.")
    height, width = ids.shape
    st.caption(
        f"**{names[shown].capitalize()}** · {count(len(images), 'picture')} of {width} × {height} pixels"
    )
    return images, shown


def _row(images: NDArray[np.uint8], styles: Styles, shown: int) -> None:
    """The samples side by side, each with a button that makes it the large one."""
    if len(images) < 2:
        return
    heading(styles.what)
    with st.container(horizontal=True, gap="small", key="images-row"):
        for i, look in enumerate(styles.looks):
            if i == 0 and styles.first_apart:
                continue
            with st.container(width=WIDE):
                st.image(images[i], width="stretch", alt=f"The same map: {look.name}.")
                if styles.first_apart:
                    st.caption(look.name)
                else:
                    st.button(
                        look.name, key=f"images:pick:{i}", on_click=put, args=(PICKED, look.name), width="stretch",
                        type="primary" if i == shown else "secondary",
                    )  # fmt: skip


def _large(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Small pictures enlarged smoothly, so that they fill their place without blocks."""
    from PIL import Image

    times = max(1, round(640 / max(pixels.shape[:2])))
    size = (times * pixels.shape[1], times * pixels.shape[0])
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC))


def _take_along(model: ImageModel, ids: Ids, images: NDArray[np.uint8], styles: Styles, shown: int) -> None:
    looks = styles.looks

    def png(i: int) -> bytes:
        from spade_image.synthesis import png_with_text

        about = {
            "Software": "spade-image", "model": model.content_hash, "style": looks[i].name, "seed": get(SEED),
            "map": f"{ids.shape[1]}x{ids.shape[0]}, painted",
        }  # fmt: skip
        return png_with_text(images[i], about)

    def own_map() -> bytes:
        return map_png(model, ids, [c.color for c in classes_of(model)])

    def everything() -> bytes:
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as out:
            out.writestr("map.png", own_map())
            for i, look in enumerate(looks):
                out.writestr(f"{i:02d}_{re.sub(r'[^A-Za-z0-9]+', '_', look.name)}.png", png(i))
        return buffer.getvalue()

    st.space("small")
    left, right = st.columns(2, gap="medium")
    with left, st.container(border=True):
        st.markdown("**Take them along**")
        with st.container(horizontal=True):
            download("Picture", "picture.png", lambda: png(shown), key="images:png", width="stretch")
            download("Map", "map.png", own_map, key="images:map", width="stretch")
            if len(images) > 1:
                download("All", "pictures.zip", everything, key="images:zip", width="stretch")
        st.caption(
            "The map is a PNG of class ids: it can be uploaded here, or given to `spade-image generate`."
        )
    with right, st.expander("How was this made?"):
        _made(model, styles)


def _made(model: ImageModel, styles: Styles) -> None:
    st.markdown("The address of this page is the whole recipe, uploaded photos and very rich maps aside.")
    if styles.options:
        name = get(IMAGE_MODEL) or "tiny"
        st.markdown("Or, with the map downloaded:")
        st.code(
            f"spade-image generate --model {name} --labels map.png{styles.options.rstrip()} --out pictures",
            language="bash", wrap_lines=True,
        )  # fmt: skip
    o = model.options
    st.caption(
        f"Model {model.content_hash[:16]}: {o.label_nc} classes, generator {o.generator}, made for "
        f"{o.output_size[1]} × {o.output_size[0]} pixels. Drawn by a network: nothing in it is a photo."
    )
