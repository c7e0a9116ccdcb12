# SPDX-License-Identifier: Apache-2.0
"""What a generator is made of and how it is trained: one frozen record, three presets."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, get_args, get_type_hints

from spade_finance.exceptions import InputError

Conditioning = Literal["spade", "concat_input", "concat_layers", "film", "tables", "none"]
Trunk = Literal["causal", "upsampling", "unet"]
Head = Literal["structured", "direct"]


@dataclass(frozen=True)
class GeneratorConfig:
    """Architecture, objective and training of one generator.

    Sizes are channels, lengths are trading days, rates are per optimiser step.
    """

    # -- architecture
    trunk: Trunk = "causal"
    """``causal``: full resolution, any horizon. ``upsampling``: coarse to fine. ``unet``: Pix2Pix in 1-D."""
    conditioning: Conditioning = "spade"
    """How the map reaches the trunk; everything but ``spade`` is an ablation."""
    head: Head = "structured"
    """``structured``: drift, log-volatility and loadings times heavy-tailed innovations. ``direct``: returns."""
    head_tables: bool = True
    """Per-regime statistics in the head; without them the trunk alone must carry the map."""
    norm: str = "rms"
    """Parameter-free norm of the trunk; one that pools over time would break causality."""
    channels: int = 16
    dilations: tuple[int, ...] = (1, 8)
    """One residual block each (days)."""
    map_hidden: int | None = 64
    """Width of the map's shared convolution; ``None`` makes gamma and beta linear in the map."""
    map_kernel: int = 3
    rank: int = 3
    """Common factors in the innovations."""
    train_clustering: bool = False
    """Train the clustering bank too; otherwise it stays the projection of the GJR filters."""
    slow_states: bool = True
    """Slowly varying volatility, correlation and autocorrelation."""

    # -- objective
    energy_weight: float = 1.0
    facts_weight: float = 0.5
    adversarial_weight: float = 0.0
    feature_matching_weight: float = 10.0
    """Relative to the adversarial term, as in the paper."""

    # -- training
    window_days: int = 256
    batch_windows: int = 16
    steps: int = 1200
    lr: float = 1e-3
    weight_decay: float = 1e-4
    ema_halflife_steps: float = 50.0
    own_label_dropout: float = 0.5
    """Share of (window, sector) pairs trained without their own label, so that "with the market" has a meaning."""
    severity_dropout: float = 0.0
    """Share of windows trained as the typical episode, their intensity left to the slow states. Then "typical" also
    means "not said", and the trunk learns that long crises, of which history has one, are violent ones."""
    severity_jitter: float = 0.3
    """Windows are shown at other intensities too: returns and severities times ``exp(jitter * normal)``. A few dozen
    episodes do not tell what intensity does to drift; that it scales a whole episode is the only lesson left."""
    validate_every: int = 100
    """Steps between validation measurements (0: never)."""
    validation_share: float = 0.1
    """Share of the training span held back, in blocks, to choose the best weights."""

    # -- sampling
    chunk_paths: int = 64
    """Paths computed together; part of the model, since floating point depends on the batch's shape."""

    def __post_init__(self) -> None:
        """Refuse what cannot work, naming the field and both numbers."""
        hints = get_type_hints(type(self))
        for name in ("trunk", "conditioning", "head"):
            value, known = getattr(self, name), get_args(hints[name])
            if value not in known:
                raise InputError(f"{name}={value!r} is unknown; choose one of {', '.join(known)}.")
        for name in (
            "channels",
            "rank",
            "window_days",
            "batch_windows",
            "steps",
            "chunk_paths",
            "map_kernel",
        ):
            if getattr(self, name) < 1:
                raise InputError(f"{name}={getattr(self, name)} must be at least 1.")
        for name in ("energy_weight", "facts_weight", "adversarial_weight", "feature_matching_weight"):
            if not getattr(self, name) >= 0:
                raise InputError(f"{name}={getattr(self, name)} must not be negative.")
        for name in ("own_label_dropout", "severity_dropout", "severity_jitter"):
            if not 0 <= getattr(self, name) <= 1:
                raise InputError(f"{name}={getattr(self, name)} must lie between 0 and 1.")
        if self.energy_weight + self.facts_weight + self.adversarial_weight == 0:
            raise InputError(
                "energy_weight, facts_weight and adversarial_weight are all 0: nothing to train on."
            )
        if self.map_hidden is not None and self.map_hidden < 8:
            raise InputError(
                f"map_hidden={self.map_hidden} is narrower than the map it must carry; use None (linear) or >= 8."
            )

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> GeneratorConfig:
        """Inverse of :meth:`to_dict`; unknown fields are refused."""
        unknown = set(values) - set(get_type_hints(cls))
        if unknown:
            raise InputError(
                f"config has unknown fields {sorted(unknown)}; was it written by a newer version?"
            )
        fields: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
        return cls(**fields)


_BASE = GeneratorConfig()
PRESETS: dict[str, GeneratorConfig] = {
    "quick": replace(_BASE, steps=250, batch_windows=12, ema_halflife_steps=20.0, validate_every=50),
    "default": _BASE,
    "large": replace(
        _BASE, channels=48, dilations=(1, 2, 4, 8, 16, 32), steps=4000, ema_halflife_steps=200.0
    ),
}
"""``quick`` trains in under 3 minutes on 2 cores, ``default`` in under 30, ``large`` in hours."""


def preset(name: str, **changes: Any) -> GeneratorConfig:
    """Look a preset up and change some of its fields."""
    if name not in PRESETS:
        raise InputError(f"preset={name!r} is unknown; choose one of {', '.join(PRESETS)}.")
    return replace(PRESETS[name], **changes)
