# SPDX-License-Identifier: Apache-2.0
"""The other end of :mod:`.processes`: what a process of ours is given, and how it says how far it is.

Nothing here, nor in a module that is run this way, imports Streamlit.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

__all__ = ["REFUSED", "REFUSED_CODE", "SAID", "serve"]

SAID, REFUSED = "said.jsonl", "refused.txt"
"""Files of the folder: a line for everything that is said, and the words of an input that was refused."""
REFUSED_CODE = 2

Tell = Callable[..., None]
"""``tell(done, total, text, **more)``: how far the work is, and what else the other side should know."""


def serve(work: Callable[[Path, Tell], None]) -> None:
    """Do the work in the folder that the command line names; ends the process."""
    from spade_finance.exceptions import InputError

    folder, parent = Path(sys.argv[1]), os.getppid()
    with (folder / SAID).open("a", encoding="utf-8") as said:

        def tell(done: float, total: float, text: str = "", **more: Any) -> None:
            if os.getppid() != parent:  # the server has ended
                raise SystemExit(1)
            said.write(json.dumps({"done": done, "total": total, "text": text} | more) + "\n")
            said.flush()

        try:
            work(folder, tell)
        except InputError as error:
            (folder / REFUSED).write_text(str(error), encoding="utf-8")
            raise SystemExit(REFUSED_CODE) from None
