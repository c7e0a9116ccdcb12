# SPDX-License-Identifier: Apache-2.0
"""The dashboard: paint a market's future and see what it does.

Rooms, from the ground up: :mod:`.formats` and :mod:`.state` (choices and the address), :mod:`.boundary` (errors in
words), :mod:`.engine` (models and samples), :mod:`.work` (long work), :mod:`.files` (up- and downloads),
:mod:`.figures`, :mod:`.scripts` and :mod:`.painter` (the timeline), :mod:`.views`, and :mod:`.shell`, which puts them
together. All imports inside the package are relative: it is ``apps.dashboard`` in a checkout and
``spade_finance._apps.dashboard`` in a wheel.
"""
