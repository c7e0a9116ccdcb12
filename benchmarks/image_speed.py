# SPDX-License-Identifier: Apache-2.0
"""Speed and memory of image generation, as ratios to the straightforward path of the same network in the same run.

- *plain*: the network in evaluation mode as it was trained: spectral norm at every call, every map's modulation
  computed for every image (N styles are N copies of the map), no gradients;
- *folded*: weights folded, modulation by convolution, one map for all styles;
- *lookup*: the same, each distinct neighbourhood of the map computed once;
- *prepared*: the map's work already done, as when another style is drawn under the same map.

Maps are drawn here (road, buildings, trees, some cars: flat regions with ragged borders); with ``--map`` a label PNG
is read instead. Each row runs in a process of its own, so that its peak memory is its own. Time is the median of the
repeats.

    python benchmarks/image_speed.py --ngf 64 --styles 1 4
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from typing import Any

SIZES = ((256, 256), (256, 512), (512, 512))
PATHS = ("plain", "folded", "lookup", "prepared")


def street(height: int, width: int, seed: int = 0) -> Any:
    """Draw a map of 11 classes: ragged horizon and kerb, buildings, trees, poles, cars."""
    import numpy as np

    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width] / max(height, width) * 256

    def ragged(level: float, rough: float) -> Any:
        walk = np.cumsum(rng.normal(0, rough, width))
        return level * height / max(height, width) + walk - walk.mean()

    label = np.full((height, width), 0)
    label[y > ragged(95, 0.5)] = 1  # buildings under the sky
    for _ in range(6):
        cx, cy, r = rng.uniform(0, 256), rng.uniform(90, 150), rng.uniform(8, 30)
        wobble = 1 + 0.25 * np.sin(9 * np.arctan2(y - cy, x - cx) + rng.uniform(0, 6))
        label[np.hypot(x - cx, y - cy) < r * wobble] = 2  # trees
    label[y > ragged(165, 0.3)] = 3  # pavement
    label[y > ragged(180, 0.2)] = 4  # road
    for _ in range(8):
        cx, cy, w = rng.uniform(0, 256), rng.uniform(150, 220), rng.uniform(8, 26)
        label[(abs(x - cx) < w) & (abs(y - cy) < w / 2)] = 5 + int(rng.integers(6))
        label[(abs(x - cx - w) < 1) & (y > 60) & (y < cy)] = 7  # poles
    return label


def one(args: argparse.Namespace) -> None:
    """Measure one row and print it as JSON."""
    import torch

    from spade_image.generators import build_image_generator
    from spade_image.inference import FastGenerator
    from spade_image.options import Options
    from spade_image.preprocess import preprocess

    if args.threads:
        torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    height, width, styles = args.height, args.width, args.styles[0]
    if args.map:
        from PIL import Image

        from spade_image.preprocess import label_ids

        ids = label_ids(Image.open(args.map).resize((width, height), Image.Resampling.NEAREST))
    else:
        ids = torch.from_numpy(street(height, width))[None]
    options = Options(
        ngf=args.ngf, label_nc=int(ids.max()) + 1, no_instance=True, crop_size=256, use_vae=styles > 1,
        num_upsampling_layers=args.layers, init_variance=1.0,
    )  # fmt: skip
    net = build_image_generator("spade", options).eval()
    segmap = preprocess(ids, flags=options)
    z = torch.randn(styles, options.z_dim) if styles > 1 else None

    baseline = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    if args.path == "plain":
        many = segmap.expand(styles, -1, -1, -1).contiguous()

        def job() -> Any:
            with torch.no_grad():
                return net(many, z)
    else:
        fast = FastGenerator(net, lookup=args.path != "folded")
        given = fast.prepare(segmap) if args.path == "prepared" else segmap

        def job() -> Any:
            return fast(given, z)

    if not args.no_warm_up:
        job()
    clock = time.process_time if args.cpu_time else time.perf_counter
    seconds = []
    for _ in range(args.repeats):
        began = clock()
        job()
        seconds.append(clock() - began)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps({"seconds": statistics.median(seconds), "peak_mib": (peak - baseline) / 1024}))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--ngf", type=int, default=64)
    parser.add_argument("--sizes", nargs="+", default=[f"{w}x{h}" for h, w in SIZES], metavar="WxH")
    parser.add_argument("--styles", type=int, nargs="+", default=[1, 4])
    parser.add_argument("--layers", default="normal", choices=["normal", "more", "most"])
    parser.add_argument("--map", help="a label PNG instead of the drawn map")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=0, help="0: torch's own choice")
    parser.add_argument("--no-warm-up", action="store_true")
    parser.add_argument(
        "--cpu-time", action="store_true", help="seconds of all threads: fair on a busy machine"
    )
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--path", choices=PATHS, help=argparse.SUPPRESS)
    parser.add_argument("--height", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--width", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.path:
        one(args)
        return

    rows = []
    for size in args.sizes:
        width, height = map(int, size.split("x"))
        for styles in args.styles:
            plain: dict[str, float] = {}
            for path in PATHS:
                command = [sys.executable, __file__, "--path", path, "--height", str(height), "--width", str(width),
                           "--styles", str(styles), "--ngf", str(args.ngf), "--layers", args.layers,
                           "--repeats", str(args.repeats), "--threads", str(args.threads)]  # fmt: skip
                command += ["--map", args.map] if args.map else []
                command += ["--no-warm-up"] if args.no_warm_up else []
                command += ["--cpu-time"] if args.cpu_time else []
                done = subprocess.run(command, capture_output=True, text=True, check=True)
                row = json.loads(done.stdout.strip().splitlines()[-1])
                plain = plain or row
                row |= {
                    "size": size, "styles": styles, "path": path,
                    "times_faster": plain["seconds"] / row["seconds"],
                    "memory_ratio": row["peak_mib"] / max(plain["peak_mib"], 1e-9),
                }  # fmt: skip
                rows.append(row)
                if not args.json:
                    if len(rows) == 1:
                        print(
                            f"ngf {args.ngf}, {args.layers}, median of {args.repeats}; peak is above the network"
                        )
                        print("     size styles path       seconds  faster  peak MiB  memory")
                    print(
                        f"{size:>9s} {styles:6d} {path:9s} {row['seconds']:8.2f} x{row['times_faster']:6.1f} "
                        f"{row['peak_mib']:9.0f} x{row['memory_ratio']:6.2f}",
                        flush=True,
                    )
    if args.json:
        print(json.dumps({"ngf": args.ngf, "layers": args.layers, "rows": rows}))


if __name__ == "__main__":
    main()
