# SPDX-License-Identifier: Apache-2.0
"""Files on disk: atomic writing, and scenario files in every format of the interface."""
