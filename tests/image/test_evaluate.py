# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor

from spade_image.cli import main
from spade_image.cli.evaluate import shortened
from spade_image.evaluate import MEANS, REAL, UNTRAINED, EvaluationConfig, EvaluationResult, evaluate
from spade_image.exceptions import InputError
from spade_image.floors import ClassMeans, untrained
from spade_image.layouts import Folders
from spade_image.metrics import FeatureExtractor
from spade_image.model import ImageModel
from spade_image.scenes import CLASSES
from spade_image.segmenter import Segmenter, SegmenterConfig, train_segmenter
from tests.image.test_segmenter import OPTIONS, QUICK, pairs_of

FLAGS = {"ngf": 2, "nhidden": 4, "label_nc": 5, "no_instance": True, "crop_size": 32, "init_variance": 1.0}


def model_of(**changes: object) -> ImageModel:
    torch.manual_seed(0)
    model = ImageModel.build(FLAGS | changes, discriminator=False)
    model.label_names = tuple(name for name, _ in CLASSES)
    for net in model.networks().values():
        net.eval()
    return model


class MeanColour(FeatureExtractor):
    num_features = 3
    name = "mean colours"

    def forward(self, pictures: Tensor) -> Tensor:
        return pictures.float().mean((2, 3)) / 255


@pytest.fixture(scope="module")
def judge(scenes: Path) -> Segmenter:
    return train_segmenter(pairs_of(scenes, "train"), QUICK)


@pytest.fixture(scope="module")
def config(scenes: Path, judge: Segmenter) -> EvaluationConfig:
    return EvaluationConfig(Folders(scenes), segmenter=judge, extractor=MeanColour(), edits=4, batch_size=3)


@pytest.fixture(scope="module")
def result(config: EvaluationConfig) -> EvaluationResult:
    return evaluate({"spade": model_of(), "vae": model_of(use_vae=True, z_dim=4)}, config)


def test_columns_stand_between_ceiling_and_floor(result: EvaluationResult) -> None:
    assert list(result.table.columns) == [REAL, "spade", "vae", MEANS, UNTRAINED]
    assert result[REAL].miou > 0.5
    assert result[MEANS].miou > result[UNTRAINED].miou + 0.2
    assert result[MEANS].fid < result[UNTRAINED].fid
    table = result.table
    assert table.loc["mIoU, % of real", REAL] == pytest.approx(100)
    assert table.loc["mIoU, % of real", MEANS] == pytest.approx(100 * result[MEANS].miou / result[REAL].miou)
    assert np.isnan(table.loc["change inside", REAL])
    assert table.loc["change inside", "spade"] > 0


def test_the_report_says_who_made_which_number(result: EvaluationResult) -> None:
    assert "mean colours" in result.evaluators["FID, KID"]
    assert "segmenter" in result.evaluators["mIoU, pixel accuracy"]
    for text in (str(result), result.to_markdown()):
        assert all(who in text for who in result.evaluators.values())


def test_json_is_strict_and_complete(result: EvaluationResult, tmp_path: Path) -> None:
    file = tmp_path / "new" / "scores.json"
    text = result.to_json(file)
    assert file.read_text() == text
    body = json.loads(text, parse_constant=lambda name: pytest.fail(name))
    assert body["schema"] == 1
    assert body["columns"][REAL]["spatial_control"] is None
    assert body["columns"]["spade"]["iou"].keys() == {name for name, _ in CLASSES}
    assert body["columns"]["spade"]["model"]["generator"] == "spade"
    assert body["provenance"]["pairs"] == 4


def test_the_same_seed_gives_the_same_numbers(config: EvaluationConfig, result: EvaluationResult) -> None:
    again = evaluate({"vae": model_of(use_vae=True, z_dim=4)}, config)
    assert again["vae"].miou == result["vae"].miou
    assert again["vae"].fid == result["vae"].fid
    assert again["vae"].spatial.inside == result["vae"].spatial.inside  # type: ignore[union-attr]


def test_without_inception_the_segmenters_features_are_named(scenes: Path, judge: Segmenter) -> None:
    found = evaluate(
        model_of(),
        EvaluationConfig(Folders(scenes), segmenter=judge, extractor="segmenter", edits=0, limit=3),
    )
    assert "64 features of the small U-Net segmenter" in found.evaluators["FID, KID"]
    assert "within this table only" in found.evaluators["FID, KID"]
    assert found["model"].spatial is None
    assert found.provenance["pairs"] == 3


def test_class_means_are_the_means(scenes: Path) -> None:
    pairs = pairs_of(scenes, "train")
    means = ClassMeans(pairs)
    samples = [pairs.get(i) for i in range(len(pairs))]
    for c in range(5):
        pixels = np.concatenate([s.photo[s.ids == c] for s in samples])
        np.testing.assert_array_equal(means.colours[c], np.round(pixels.mean(0)))
    ids = torch.tensor([[[0, 4, 255]]])
    assert means.draw(ids)[0, :, 0, 1].tolist() == means.colours[4].tolist()
    assert means.draw(ids)[0, :, 0, 2].tolist() == means.colours[5].tolist()


def test_the_untrained_generator_has_statistics_of_real_maps(scenes: Path) -> None:
    pairs = pairs_of(scenes, "train")
    state = torch.random.get_rng_state()
    a, b = (untrained(OPTIONS.replace(ngf=2, nhidden=4), pairs, seed=s) for s in (0, 0))
    assert torch.equal(state, torch.random.get_rng_state())
    names = [k for k in a.generator.state_dict() if k.endswith("running_var")]
    assert any(not torch.allclose(a.generator.state_dict()[k], torch.tensor(1.0)) for k in names)
    for key, value in a.generator.state_dict().items():
        assert torch.equal(value, b.generator.state_dict()[key]), key


def test_what_does_not_fit_is_refused(config: EvaluationConfig, scenes: Path) -> None:
    with pytest.raises(InputError, match="label_nc of 'b' is 6"):
        evaluate({"a": model_of(), "b": model_of(label_nc=6)}, config)
    with pytest.raises(InputError, match="column of its own"):
        evaluate({REAL: model_of()}, config)
    with pytest.raises(InputError, match="segmenter knows 3 classes, the model 5"):
        evaluate(model_of(), EvaluationConfig(Folders(scenes), segmenter=Segmenter(3)))
    with pytest.raises(InputError, match="to score"):
        evaluate(model_of(), EvaluationConfig(Folders(scenes), limit=1))


def test_the_command(
    scenes: Path, tmp_path: Path, judge: Segmenter, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, file = tmp_path / "model", tmp_path / "judge.safetensors"
    model_of().save(folder)
    judge.save(file)
    args = ["evaluate", "--model", f"mine={folder}", "--data", str(scenes), "--segmenter", str(file), "--edits", "2",
            "--no-inception"]  # fmt: skip
    assert (
        main([*args, "--json", str(tmp_path / "scores.json"), "--markdown", str(tmp_path / "scores.md")]) == 0
    )
    shown = capsys.readouterr().out
    assert "mIoU, % of real" in shown
    assert "mine" in shown
    assert set(json.loads((tmp_path / "scores.json").read_text())["columns"]) == {
        REAL,
        "mine",
        MEANS,
        UNTRAINED,
    }
    assert "| FID |" in (tmp_path / "scores.md").read_text()
    assert main([*args, "--model", f"mine={folder}"]) == 2
    assert "a name of its own" in capsys.readouterr().err
    assert (
        main(["evaluate", "--model", str(folder), "--data", str(scenes), "--segmenter", str(folder / "none")])
        == 2
    )
    assert "does not exist" in capsys.readouterr().err


def test_the_default_judge_is_small_enough() -> None:
    """What a single core trains in minutes at 128 x 96."""
    config = SegmenterConfig()
    assert config.samples <= 8000
    assert sum(p.numel() for p in Segmenter(11, config.widths).parameters()) < 500_000


def test_many_classes_are_printed_shortened() -> None:
    scores = [float(v) for v in np.random.default_rng(0).permutation(180)]
    table = pd.DataFrame({"real photos": 99.0, "mine": [*scores, float("nan"), float("nan")]})
    table.index = pd.Index([f"c{i}" for i in range(182)])
    short, caption = shortened(table, "mine")
    assert short["mine"].tolist() == [*range(179, 169, -1), *range(9, -1, -1)]
    assert caption.startswith("160 classes between them are left out; 2 classes are neither")
    assert "--all-classes" in caption
    whole, nothing = shortened(table.head(20), "mine")
    assert (len(whole), nothing) == (20, "")
    sparse, caption = shortened(table.iloc[[*range(15), *[180] * 10]], "mine")  # 25 rows, 15 of them measured
    assert sparse["mine"].tolist() == sorted(scores[:15], reverse=True)
    assert caption.startswith("10 classes are neither")
