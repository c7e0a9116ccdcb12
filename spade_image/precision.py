# SPDX-License-Identifier: Apache-2.0
"""Mixed precision where the hardware has it: bfloat16 inside the networks, float32 in weights and losses.

bfloat16 has float32's range, so there is no loss scaling to keep or to resume.
"""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor, nn

from spade_image.exceptions import InputError

__all__ = ["Amp", "InPrecision", "has_bf16", "resolve_amp", "resolve_device"]

Amp = Literal["auto", "off", "bf16"]


def resolve_device(name: str) -> torch.device:
    """Return the device of a name; "auto" is the first GPU where there is one, else the CPU.

    Raises
    ------
    InputError
        An unknown name, or a device that this machine or this torch does not have.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    kind, _, number = name.partition(":")
    if kind not in ("cpu", "cuda", "mps") or (number and not number.isdigit()):
        raise InputError(f"--device {name} is unknown: choose auto, cpu, cuda, cuda:N or mps")
    if kind == "cuda" and int(number or 0) >= torch.cuda.device_count():
        count = torch.cuda.device_count()
        found = f"this machine has {count} GPU(s) that torch can use" if count else "torch finds no GPU here"
        raise InputError(f"--device {name}: {found}; choose {'cuda:0 or ' if count else ''}cpu")
    if kind == "mps" and not torch.backends.mps.is_available():
        raise InputError("--device mps: torch finds no such device here; choose cpu")
    return torch.device(name)


def has_bf16(device: torch.device) -> bool:
    """Say whether the device multiplies bfloat16 natively."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type == "cpu":
        # the public torch.cpu.get_capabilities is younger than the torch that we support
        asked = [getattr(torch.cpu, f"_is_{name}_supported", None) for name in ("avx512_bf16", "amx_tile")]
        return any(bool(ask()) for ask in asked if ask is not None)
    return False


def resolve_amp(amp: Amp, device: torch.device) -> bool:
    """Say whether to train in bfloat16.

    Raises
    ------
    InputError
        An unknown choice.
    """
    if amp not in ("auto", "off", "bf16"):
        raise InputError(f"--amp {amp!r} is unknown: choose auto, off or bf16")
    return amp == "bf16" or (amp == "auto" and has_bf16(device))


class InPrecision(nn.Module):
    """A network under autocast, its floating-point outputs back in float32."""

    def __init__(self, net: nn.Module, device_type: str, enabled: bool) -> None:
        super().__init__()
        self.net, self.device_type, self.enabled = net, device_type, enabled

    def forward(self, *inputs: Any, **options: Any) -> Any:
        """Run the network."""
        if not self.enabled:
            return self.net(*inputs, **options)
        with torch.autocast(self.device_type, torch.bfloat16):
            out = self.net(*inputs, **options)
        return _to_float(out)


def _to_float(node: Any) -> Any:
    if isinstance(node, Tensor):
        return node.float() if node.is_floating_point() else node
    if isinstance(node, list | tuple):
        return type(node)(_to_float(v) for v in node)
    return node
