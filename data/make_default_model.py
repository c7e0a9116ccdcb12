# SPDX-License-Identifier: Apache-2.0
"""Remake the shipped model ``data/default_model``.

Trained on the embedded returns up to 2012-12-31 and on nothing else: labeller, statistics, network and the choice of
the best weights. What lies after is held out for every number that the package prints. The folder's ``config.json``
holds the data hash, the seed and the training curve; ``card.md`` says the rest.

    python data/make_default_model.py            # about ten minutes on two cores
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

import spade_finance as sf

UNTIL = "2012-12-31"
FOLDER = Path(__file__).parent / "default_model"


def main() -> None:
    """Train and write the folder."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--preset", default="default")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=FOLDER)
    args = parser.parse_args()
    returns = sf.load_sectors().loc[:UNTIL]
    model = sf.ScenarioGenerator(args.preset, args.seed)
    model.fit(returns, sf.JumpRegimes(random_state=args.seed, per_sector=True), progress=True)
    model.embedded_history_ = (
        True  # replays and `now` look back on all embedded data, not on the training window
    )
    model.hash_ = ""
    from spade_finance.model.storage import model_hash

    model.hash_ = model_hash(model)
    shutil.rmtree(args.out, ignore_errors=True)
    model.save(args.out)
    print((args.out / "card.md").read_text())


if __name__ == "__main__":
    main()
