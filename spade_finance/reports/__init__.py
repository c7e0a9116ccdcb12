# SPDX-License-Identifier: Apache-2.0
"""What all reports share: the page around them and the block that says what made them."""
