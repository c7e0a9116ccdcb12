# SPDX-License-Identifier: Apache-2.0
"""Nested state (dictionaries, lists, tuples, numbers, tensors) to JSON plus a table of tensors, and back.

Nothing is pickled: what comes back is made of these types alone.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

__all__ = ["pack", "unpack"]

_PLAIN = (str, int, float, bool, type(None))


def pack(tree: Any) -> tuple[Any, dict[str, Tensor]]:
    """Split a tree in a JSON-able skeleton and its tensors (copies, on the CPU).

    Raises
    ------
    TypeError
        Something that is none of dict, list, tuple, str, int, float, bool, None, Tensor; the message says
        where.
    """
    tensors: dict[str, Tensor] = {}

    def walk(node: Any, path: str) -> Any:
        if isinstance(node, Tensor):
            key = path or "tensor"
            tensors[key] = node.detach().to("cpu", copy=True).contiguous()
            return {"tensor": key}
        if isinstance(node, dict):
            # pairs, since JSON would turn the integer keys of optimisers into text
            return {
                "dict": [[walk(k, path), walk(v, f"{path}/{k}" if path else str(k))] for k, v in node.items()]
            }
        if isinstance(node, list | tuple):
            kind = "list" if isinstance(node, list) else "tuple"
            return {kind: [walk(v, f"{path}/{i}" if path else str(i)) for i, v in enumerate(node)]}
        if isinstance(node, _PLAIN):
            return node
        raise TypeError(
            f"cannot save {type(node).__name__} at {path or 'the root'}: use plain numbers, text or tensors"
        )

    return walk(tree, ""), tensors


def unpack(skeleton: Any, tensors: dict[str, Tensor]) -> Any:
    """Rebuild what :func:`pack` split."""
    if not isinstance(skeleton, dict):
        return skeleton
    ((kind, body),) = skeleton.items()
    if kind == "tensor":
        return tensors[body]
    if kind == "dict":
        return {unpack(k, tensors): unpack(v, tensors) for k, v in body}
    items = [unpack(v, tensors) for v in body]
    return tuple(items) if kind == "tuple" else items


def all_finite(tree: Any) -> bool:
    """Say whether every floating-point tensor in the tree is finite."""
    if isinstance(tree, Tensor):
        return not tree.is_floating_point() or bool(torch.isfinite(tree).all())
    if isinstance(tree, dict):
        return all(all_finite(v) for v in tree.values())
    if isinstance(tree, list | tuple):
        return all(all_finite(v) for v in tree)
    return True
