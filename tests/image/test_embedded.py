# SPDX-License-Identifier: Apache-2.0
"""The model that travels with the package: found, small, stored without loss, and good enough to show."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from PIL import Image

from spade_image import ImageModel, ModelError, embedded, load_tiny
from spade_image.cli import main
from spade_image.landscape_light import CLASSES, MOODS
from spade_image.landscapes import draw_landscape
from spade_image.task import colour_error
from tests.image.conftest import save


@pytest.fixture(scope="module")
def tiny() -> ImageModel:
    return load_tiny()


def test_it_is_small_complete_and_says_what_it_is(tiny: ImageModel) -> None:
    folder = embedded.tiny_folder()
    assert {f.name for f in folder.iterdir()} == {"model.safetensors", "config.json", "card.md"}
    assert sum(f.stat().st_size for f in folder.iterdir()) <= 3_000_000
    assert tuple(tiny.label_names) == tuple(name for name, _ in CLASSES)
    assert tiny.palette == [list(colour) for _, colour in CLASSES]
    assert tiny.options.output_size == (128, 128)
    assert list(tiny.networks()) == ["G", "E"]
    card = (folder / "card.md").read_text()
    assert "make_tiny_image_model.py" in card
    assert "Limits" in card


def test_half_precision_is_read_without_loss(tiny: ImageModel, tmp_path: Path) -> None:
    stored = safetensors.torch.load_file(embedded.tiny_folder() / "model.safetensors")
    state = {f"{k}.{n}": v for k, net in tiny.networks().items() for n, v in net.state_dict().items()}
    assert stored.keys() == state.keys()
    halves = [name for name, value in stored.items() if value.dtype == torch.float16]
    assert sum(stored[n].numel() for n in halves) > 0.9 * sum(v.numel() for v in stored.values())
    for name, value in stored.items():
        assert torch.equal(value.to(state[name].dtype), state[name]), name
        assert state[name].dtype in (torch.float32, torch.int64)
    # numbers that half precision does not hold stay as they are
    model = ImageModel.build({"ngf": 1, "nhidden": 2, "label_nc": 3, "crop_size": 64}, discriminator=False)
    before = {k: v.clone() for k, v in model.generator.state_dict().items()}
    model.save(tmp_path / "m", half=True)
    again = ImageModel.load(tmp_path / "m").generator.state_dict()
    assert all(torch.equal(again[k], v) for k, v in before.items())


def landscapes(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    scenes = [draw_landscape(99, k) for k in range(count)]  # of another seed than the training's
    ids = torch.from_numpy(np.stack([s.ids for s in scenes]).astype(np.int64))
    photos = torch.from_numpy(np.stack([s.photo for s in scenes])).permute(0, 3, 1, 2).float() / 127.5 - 1
    return ids, photos


def test_it_draws_what_the_map_says_in_the_style_that_is_asked_for(tiny: ImageModel) -> None:
    ids, photos = landscapes(8)
    styles = tiny.encode(photos)[0]
    drawn = torch.cat([tiny.generate(i[None], z=z[None])[:, 0] for i, z in zip(ids, styles, strict=True)])
    grey = torch.full_like(photos, float(photos.mean()))
    assert colour_error(ids, photos, drawn) < 0.5 * colour_error(ids, photos, grey)
    named = tiny.named_styles
    assert list(named) == list(MOODS)
    light = tiny.generate(ids[:4], z=torch.stack(list(named.values()))).mean((0, 2, 3, 4))  # a number a mood
    assert float(light[list(named).index("night")]) == float(light.min())
    assert float(light.max() - light.min()) > 0.3


def test_it_is_well_conditioned_and_draws_other_sizes(tiny: ImageModel) -> None:
    segmap = tiny.segmap(torch.randint(0, 9, (1, 64, 192), generator=torch.Generator().manual_seed(0)))
    z = torch.zeros(1, tiny.options.z_dim)
    with torch.no_grad():
        one = tiny.generator(segmap, z)
        import copy

        two = copy.deepcopy(tiny.generator).double()(segmap.double(), z.double())
    assert one.shape == (1, 3, 64, 192)
    assert float((one - two).abs().max()) < 1e-3


def test_the_command_line_knows_it_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    save(tmp_path / "map.png", draw_landscape(1, 1).ids)
    arguments = ["generate", "--model", "tiny", "--labels", "map.png", "--out", "out"]
    assert main([*arguments, "--style", "night", "--style", "day"]) == 0
    night, day = (np.asarray(Image.open(tmp_path / "out" / f"map_{n}.png")).mean() for n in ("night", "day"))
    assert night < day
    assert (
        json.loads((tmp_path / "out" / "report.json").read_text())["provenance"]["model"]
        == load_tiny().content_hash
    )
    # a folder of the user's own comes first
    ImageModel.build({"ngf": 1, "nhidden": 2, "label_nc": 9, "no_instance": True, "crop_size": 64}).save(
        tmp_path / "tiny"
    )
    assert embedded.load_model("tiny").options.ngf == 1
    capsys.readouterr()


def test_where_it_is_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = embedded.tiny_folder()
    for place in ("spade_finance/_data", "data"):  # a wheel, a checkout
        root = tmp_path / place.replace("/", "_")
        folder = root / place / "tiny_image_model"
        folder.mkdir(parents=True)
        for file in source.iterdir():
            (folder / file.name).write_bytes(file.read_bytes())
        monkeypatch.setattr(embedded, "__file__", str(root / "spade_image" / "embedded.py"))
        assert embedded.tiny_folder() == folder
    monkeypatch.setattr(embedded, "__file__", str(tmp_path / "spade_image" / "embedded.py"))
    with pytest.raises(ModelError, match="run data/make_tiny_image_model"):
        load_tiny()
