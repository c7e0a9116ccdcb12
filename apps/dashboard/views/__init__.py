# SPDX-License-Identifier: Apache-2.0
"""One module a page, each with a function ``page()``; :mod:`..shell` lists them."""
