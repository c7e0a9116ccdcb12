# SPDX-License-Identifier: Apache-2.0
"""The benchmark of realism: see :mod:`benchmarks.realism.__main__`."""
