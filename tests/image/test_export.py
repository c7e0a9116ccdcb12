# SPDX-License-Identifier: Apache-2.0
"""Exported generators give the network's own output in another runtime, for any batch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from spade_core.spectral import warm_up_spectral
from spade_image import ImageModel, InputError, export_model

SMALL = {"ngf": 2, "label_nc": 5, "crop_size": 64, "init_variance": 1.0, "z_dim": 6}


def model_of(**flags: object) -> ImageModel:
    torch.manual_seed(0)
    model = ImageModel.build({**SMALL, **flags}, discriminator=False)
    warm_up_spectral(model.generator)
    model.generator.eval()
    return model


def ids(batch: int) -> torch.Tensor:
    return torch.randint(0, 5, (batch, 64, 96), generator=torch.Generator().manual_seed(batch))


def run_onnx(path: Path, model: ImageModel, label: torch.Tensor, z: torch.Tensor | None) -> torch.Tensor:
    onnxruntime = pytest.importorskip("onnxruntime")
    session = onnxruntime.InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"])
    feed = {"segmap": model.segmap(label).numpy()} | ({} if z is None else {"z": z.numpy()})
    assert [i.name for i in session.get_inputs()] == list(feed)
    assert [o.name for o in session.get_outputs()] == ["image"]
    return torch.from_numpy(np.asarray(session.run(None, feed)[0]))


def test_torch_export(tmp_path: Path) -> None:
    model = model_of(generator="unet")
    path = tmp_path / "m.pt2"
    report = export_model(model, path, "torch", size=(64, 96))
    assert report.inputs == {"segmap": ["batch", 6, 64, 96]}
    assert report.max_difference < 1e-5
    loaded = torch.export.load(path).module()
    for batch in (1, 4):
        with torch.no_grad():
            expected = model.generator(model.segmap(ids(batch)))
            torch.testing.assert_close(loaded(model.segmap(ids(batch))), expected, atol=1e-5, rtol=0)


@pytest.mark.slow
@pytest.mark.parametrize("vae", [False, True])
@pytest.mark.parametrize(
    ("kind", "norm"),
    [("spade", "spectralspadesyncbatch3x3"), ("spade", "spadeinstance3x3"), ("concat", "batch")],
)
def test_onnx(tmp_path: Path, kind: str, norm: str, vae: bool) -> None:
    for package in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(package)
    model = model_of(generator=kind, norm_G=norm, use_vae=vae)
    path = tmp_path / "m.onnx"
    report = export_model(model, path, "onnx", size=(64, 96))
    assert report.max_difference < 1e-4
    assert report.checked_with.startswith("onnxruntime")
    for batch in (1, 3):
        z = torch.randn(batch, 6) if vae else None
        with torch.no_grad():
            expected = model.generator(model.segmap(ids(batch)), z)
        torch.testing.assert_close(run_onnx(path, model, ids(batch), z), expected, atol=1e-4, rtol=0)


@pytest.mark.slow
@pytest.mark.parametrize("vae", [False, True])
def test_torch_export_of_spade(tmp_path: Path, vae: bool) -> None:
    model = model_of(use_vae=vae)
    path = tmp_path / "m.pt2"
    export_model(model, path, "torch", size=(64, 96))
    loaded = torch.export.load(path).module()
    inputs = (model.segmap(ids(3)), *([torch.randn(3, 6)] if vae else []))
    with torch.no_grad():
        torch.testing.assert_close(loaded(*inputs), model.generator(*inputs), atol=1e-5, rtol=0)


def test_a_wrong_file_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from spade_image import export

    monkeypatch.setattr(export, "_torch_bytes", lambda program: b"")
    monkeypatch.setattr(export, "_runner", lambda *a: (lambda inputs: torch.zeros(1), "a broken runtime"))
    with pytest.raises(RuntimeError, match="not kept"):
        export_model(model_of(generator="unet"), tmp_path / "m.pt2", "torch")
    assert not list(tmp_path.iterdir())


def ill_conditioned() -> ImageModel:
    """A model with a last layer so steep that rounding before it decides the sign of some pixels."""
    model = model_of(crop_size=32, generator="unet")
    with torch.no_grad():
        model.generator.up[-1].weight.mul_(1e4)  # type: ignore[union-attr, index]
    return model


def test_the_tolerance_follows_the_networks_own_rounding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from spade_image import export

    model = ill_conditioned()
    entry = export._Entry(export.folded_copy(model.generator), False).eval()
    off = 0.0

    def runner(*a: object) -> tuple[object, str]:
        return lambda inputs: entry(inputs[0]).detach() + off, "another runtime"

    monkeypatch.setattr(export, "_torch_bytes", lambda program: b"x")
    monkeypatch.setattr(export, "_runner", runner)
    report = export_model(model, tmp_path / "m.pt2", "torch")
    inputs = [export._example(model, (32, 32), n)[0] for n in (1, 2, 3)]
    with torch.no_grad():
        twin = export.folded_copy(model.generator).double()
        rounding = max(float((entry(x).double() - twin(x.double())).abs().max()) for x in inputs)
    assert rounding > 1e-5
    assert report.float32_error == pytest.approx(rounding, rel=1e-3)
    assert report.tolerance == pytest.approx(max(1e-4, 10 * rounding), rel=1e-3)
    off = 0.7 * report.tolerance
    assert export_model(model, tmp_path / "m.pt2", "torch").max_difference == pytest.approx(off, rel=0.01)
    (tmp_path / "m.pt2").unlink()
    for wrong in (1.3 * report.tolerance, float("nan")):
        off = wrong
        with pytest.raises(RuntimeError, match=r"10 times the network's own rounding error of .*not kept"):
            export_model(model, tmp_path / "m.pt2", "torch")
        assert not list(tmp_path.iterdir())


def test_poor_conditioning_is_said() -> None:
    from spade_image.export import ExportReport

    fine = ExportReport("m", "torch", {}, 0.0, 1e-3, 1e-2, 1.0, "x")
    assert fine.remark == ""
    assert "float32" in ExportReport("m", "torch", {}, 0.0, 0.04, 0.4, 1.0, "x").remark


def test_wrong_requests(tmp_path: Path) -> None:
    model = model_of(generator="unet")
    with pytest.raises(InputError, match="onnx, torch"):
        export_model(model, tmp_path / "m", "tflite")  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"\(64, 100\).*multiple of 32"):
        export_model(model, tmp_path / "m", "onnx", size=(64, 100))
