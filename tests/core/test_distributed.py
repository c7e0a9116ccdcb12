# SPDX-License-Identifier: Apache-2.0
"""Two processes on the CPU (gloo). Run as a script this file is one of them."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from spade_core import SPADE, Task, Trainer, distributed
from spade_core.checkpoint import load_state
from spade_core.seeding import torch_generator


def batch() -> tuple[torch.Tensor, torch.Tensor]:
    g = torch_generator(0)
    return torch.randn(6, 3, 10, generator=g), torch.rand(6, 2, 10, generator=g)


def layer() -> SPADE:
    torch.manual_seed(0)
    return SPADE(3, 2, nhidden=4, ndim=1, norm="sync_batch")


def outputs(net: SPADE, x: torch.Tensor, m: torch.Tensor) -> torch.Tensor:
    return net(x, m).pow(3).sum()


def worker(out: Path) -> None:
    with distributed.process_group("gloo") as ranks:
        x, m = batch()
        cut = slice(0, 2) if ranks.rank == 0 else slice(2, 6)  # unequal shares
        net, mine = layer(), x[cut].clone().requires_grad_()
        loss = outputs(net, mine, m[cut])
        loss.backward()

        class Count(Task):
            def __init__(self) -> None:
                self.modules = {"net": net}
                self.generators = {"rng": torch_generator(1, ranks.rank)}

            def step(self, step: int) -> dict[str, float]:
                return {"rank": float(ranks.rank), "x": 1.0}

        trainer = Trainer(
            Count(),
            max_steps=50,
            tick_steps=10,
            state_path=out / "s.safetensors",
            on_tick=lambda tick: tick.step == 20,
        )
        result = trainer.run()
        assert (result.reason, result.step) == ("stopped", 20)  # rank 1 stops with rank 0's callback
        assert result.ticks[0].metrics == {"rank": 0.5, "x": 1.0}
        assert distributed.is_main() == (ranks.rank == 0)
        assert distributed.any_rank(ranks.rank == 1)
        state = {"grad": mine.grad, "loss": loss.detach(), **net.state_dict()}
        torch.save(state, out / f"{ranks.rank}.pt")
        distributed.barrier()


@pytest.mark.slow
def test_two_processes_see_the_whole_batch(tmp_path: Path) -> None:
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
            subprocess.Popen(
                [sys.executable, __file__, str(tmp_path)], env=env, stderr=subprocess.PIPE, text=True
            )
        )
    for process in processes:
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors

    x, m = batch()
    x.requires_grad_()
    net = layer()
    loss = outputs(net, x, m)
    loss.backward()
    shares: list[dict[str, Any]] = [
        torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(2)
    ]
    torch.testing.assert_close(shares[0]["loss"] + shares[1]["loss"], loss.detach())
    torch.testing.assert_close(torch.cat([s["grad"] for s in shares]), x.grad, atol=1e-5, rtol=1e-4)
    for share in shares:
        for key, value in net.state_dict().items():
            torch.testing.assert_close(share[key], value, atol=1e-6, rtol=1e-5)
    states = [load_state(tmp_path / name) for name in ("s.safetensors", "s.rank1.safetensors")]
    assert [s["step"] for s in states] == [20, 20]
    assert not torch.equal(*(s["task"]["generators"]["rng"] for s in states))


def test_one_process_needs_no_group(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with distributed.process_group() as ranks:
        assert (ranks.rank, ranks.world_size) == (0, 1)
    assert distributed.world_size() == 1
    assert distributed.is_main()
    assert distributed.any_rank(True)
    assert not distributed.any_rank(False)
    assert distributed.mean_over_ranks({"a": 2.0}) == {"a": 2.0}
    x = torch.ones(2)
    assert distributed.all_reduce_sum(x) is x
    distributed.barrier()


if __name__ == "__main__":
    worker(Path(sys.argv[1]))
