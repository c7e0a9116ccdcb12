# SPDX-License-Identifier: Apache-2.0
"""Programs on top of the libraries: the dashboard."""
