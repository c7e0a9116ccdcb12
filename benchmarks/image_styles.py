# SPDX-License-Identifier: Apache-2.0
"""What several styles under one map save by sharing the map's modulation.

*alone*: one picture a call, the map's work done for each; *together*: all styles in one call, the map's work done once.
Both with folded weights; *convolved* computes the modulation by convolution, *lookup* once for each distinct
neighbourhood of the map. Best of the repeats, seconds a picture.

    python benchmarks/image_styles.py --ngf 32 --size 256 --styles 1 4 16
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import torch
from image_speed import street

from spade_image import Options, build_image_generator
from spade_image.inference import FastGenerator
from spade_image.preprocess import preprocess


def best(work: Callable[[], Any], repeats: int) -> float:
    seconds = []
    for _ in range(repeats):
        began = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - began)
    return min(seconds)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--ngf", type=int, default=32)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--styles", type=int, nargs="+", default=[1, 4, 16])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    ids = torch.from_numpy(street(args.size, args.size))[None]
    options = Options(
        ngf=args.ngf, label_nc=int(ids.max()) + 1, no_instance=True, crop_size=args.size, use_vae=True
    )
    net = build_image_generator("spade", options).eval()
    segmap = preprocess(ids, flags=options)
    print(f"ngf {args.ngf}, {args.size}x{args.size}, {args.threads} thread(s), seconds a picture")
    print(f"{'modulation':11s} {'styles':>6s} {'alone':>8s} {'together':>9s} {'faster':>8s}")
    for name, lookup in (("convolved", False), ("lookup", True)):
        fast = FastGenerator(net, lookup=lookup)
        for n in args.styles:
            z = torch.randn(n, options.z_dim)
            alone = best(lambda z=z, fast=fast: [fast(segmap, one) for one in z.split(1)], args.repeats) / n
            together = best(lambda z=z, fast=fast: fast(segmap, z), args.repeats) / n
            print(f"{name:11s} {n:6d} {alone:8.3f} {together:9.3f} x{alone / together:7.2f}", flush=True)


if __name__ == "__main__":
    main()
