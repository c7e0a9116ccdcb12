# SPDX-License-Identifier: Apache-2.0
"""Two gloo processes on the CPU train as one on the joint batch. Run as a script this file is one of them."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from spade_core import distributed
from spade_image.data import PairSet, find_pairs
from spade_image.layouts import Folders
from spade_image.loader import Loader
from spade_image.options import Options
from spade_image.preprocess import Geometry
from spade_image.task import ImageTask, TaskSettings

# A rate that leaves the weights in place, so that both turns' gradients are of the same networks.
OPTIONS = Options(
    label_nc=5, crop_size=64, no_instance=True, ngf=2, ndf=2, nhidden=4, use_vae=True, z_dim=8, lambda_kld=1.0,
    init_variance=1.0, lr=1e-12, no_vgg_loss=True,
)  # fmt: skip


def step(data: Path, batch_size: int, rank: int = 0, world_size: int = 1) -> dict[str, Any]:
    """Train one step and return losses, gradients and buffers."""
    torch.set_num_threads(1)
    pairs = PairSet(find_pairs(Folders(data), "train").pairs, OPTIONS, Geometry("fixed", 64, 64))
    loader = Loader(pairs, batch_size, seed=1, rank=rank, world_size=world_size)
    task = ImageTask(OPTIONS, loader, pairs, TaskSettings(seed=2))
    losses = {k: float(v) for k, v in task.step(0).items()}
    loader.close()
    grads = {f"{k}.{n}": p.grad for k, net in task.modules.items() for n, p in net.named_parameters()}
    buffers = {f"{k}.{n}": b for k, net in task.modules.items() for n, b in net.named_buffers()}
    return {"losses": losses, "grads": grads, "buffers": buffers}


def worker(data: Path, out: Path) -> None:
    with distributed.process_group("gloo") as ranks:
        torch.save(step(data, 2, ranks.rank, ranks.world_size), out / f"{ranks.rank}.pt")
        distributed.barrier()


def launch(*arguments: str) -> None:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    processes = []
    for rank in range(2):
        env = os.environ | {
            "RANK": str(rank), "WORLD_SIZE": "2", "LOCAL_RANK": str(rank), "OMP_NUM_THREADS": "1",
            "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "CUDA_VISIBLE_DEVICES": "",
        }  # fmt: skip
        processes.append(
            subprocess.Popen([sys.executable, *arguments], env=env, stderr=subprocess.PIPE, text=True)
        )
    for process in processes:
        _, errors = process.communicate(timeout=240)
        assert process.returncode == 0, errors


@pytest.mark.slow
def test_gradients_of_two_processes_are_those_of_the_joint_batch(tmp_path: Path, scenes: Path) -> None:
    launch(__file__, str(scenes), str(tmp_path))
    joint = step(scenes, 4)
    shares = [torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(2)]
    for name, value in joint["losses"].items():
        assert sum(s["losses"][name] for s in shares) / 2 == (pytest.approx(value, rel=1e-3, abs=1e-4)), name
    assert any(g.abs().max() > 1e-3 for g in joint["grads"].values())
    for share in shares:
        for kind in ("grads", "buffers"):
            assert share[kind].keys() == joint[kind].keys()
            for name, value in joint[kind].items():
                torch.testing.assert_close(
                    share[kind][name], value, rtol=2e-3, atol=2e-4, msg=lambda m, n=name: f"{n}: {m}"
                )


@pytest.mark.slow
def test_the_command_trains_on_two_processes_and_resumes(tmp_path: Path, scenes: Path) -> None:
    command = [
        "-m", "spade_image.cli", "train", "--data", str(scenes), "--out", str(tmp_path / "m"),
        "--preset", "tiny", "--no-vgg", "--ngf", "1", "--ndf", "2", "--batch-size", "2",
        "--device", "cpu", "--amp", "off", "--no-tensorboard",
    ]  # fmt: skip
    launch(*command, "--steps", "3", "--max-minutes", "0.0001")
    assert (tmp_path / "m" / "state" / "state.rank1.safetensors").is_file()
    launch(*command, "--steps", "3", "--resume")
    from spade_image.model import ImageModel

    assert ImageModel.load(tmp_path / "m").provenance["steps"] == 3


if __name__ == "__main__":
    worker(Path(sys.argv[1]), Path(sys.argv[2]))
