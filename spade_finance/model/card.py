# SPDX-License-Identifier: Apache-2.0
"""The model's card and facts: what it was trained on, what came out, what it cannot do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spade_finance.model.estimator import ScenarioGenerator

LIMITS = (
    "Regimes are labels given in hindsight: scenarios answer *if this timeline, then what*, not *what will happen*.",
    "Severities beyond the trained range are extrapolation and refused unless asked for.",
    "Crises are few: statistics of the worst regime rest on a handful of episodes.",
    "Daily closes only: nothing intraday, no liquidity, no trading halts.",
    "A sector's own regime under another market regime is learned from history's cases, pooled over sectors.",
)


def facts(model: ScenarioGenerator) -> dict[str, Any]:
    """JSON-able facts, as ``spade-finance info`` prints them."""
    first, last = model.training_window_
    config = model.config_
    last_row = model.curve_[-1] if model.curve_ else {}
    return {
        "model_hash": model.hash_,
        "preset": model.preset,
        "seed": model.random_state if isinstance(model.random_state, int) else None,
        "regimes": list(model.regimes_),
        "sectors": list(model.sectors_),
        "training_window": [f"{first:%Y-%m-%d}", f"{last:%Y-%m-%d}"],
        "training_days": model.n_training_days_,
        "data_hash": model.data_hash_,
        "severity_range": list(model.severity_range_),
        "severity_by_regime": {
            str(k): {c: None if v != v else float(v) for c, v in row.items()}
            for k, row in model.severity_table_.to_dict(orient="index").items()
        },
        "labeller": None if model.labeller_ is None else repr(model.labeller_),
        "parameters": sum(p.numel() for p in model.network_.parameters()),
        "architecture": config.to_dict(),
        "steps": model.training_result_["steps"],
        "stopped": model.training_result_["message"],
        "metrics": {k: v for k, v in last_row.items() if k != "step"}
        | {k: v for k, v in model.training_result_.items() if k.startswith("validation_of")},
        "regime_summary": model.regime_summary_,
        "history": "the embedded data" if model.embedded_history_ else "the training data",
        "limits": list(LIMITS),
    }


def card(model: ScenarioGenerator) -> str:
    """Markdown for ``card.md``."""
    f = facts(model)
    config = model.config_
    best, begun = (model.training_result_[f"validation_of_{k}"] for k in ("model", "start"))
    rows = "\n".join(
        f"| {r['regime']} | {r['days']} | {r['spells']} | {_percent(r['annual_log_return'])} | "
        f"{_percent(r['annual_volatility'])} |"
        for r in f["regime_summary"]
    )
    severity = "\n".join(
        f"| {k} | {int(v['episodes'] or 0)} | {_number(v['min'])} | {_number(v['median'])} | {_number(v['max'])} |"
        for k, v in f["severity_by_regime"].items()
    )
    limits = "\n".join(f"- {line}" for line in LIMITS)
    return f"""# Scenario model `{f["model_hash"][:12]}`

Regime-conditioned generator of daily returns of {len(model.sectors_)} sectors ({", ".join(model.sectors_)}).
Not investment advice.

- **Trained on** {f["training_window"][0]} to {f["training_window"][1]} ({f["training_days"]} days); everything fitted
  (labeller, statistics, network) saw these days only. Data hash `{f["data_hash"][:16]}`.
- **Made by** preset `{model.preset}`, seed {f["seed"]}, {f["steps"]} steps ({f["stopped"]}); trunk `{config.trunk}`,
  conditioning `{config.conditioning}`, head `{config.head}`, {f["parameters"]:,} parameters.
- **Objective** energy score x {config.energy_weight:g} + stylised facts x {config.facts_weight:g} + adversarial x
  {config.adversarial_weight:g}; on the held-back block the statistics it starts from score {_number(begun)}, the model
  {_number(best)} (lower is better).
- **Labeller** `{f["labeller"]}`.
- **Model hash** `{f["model_hash"]}`.

## Regimes in training

| regime | days | spells | annual log return | annual volatility (market) |
|---|---|---|---|---|
{rows}

## Severities in training (1 is the regime's typical episode)

| regime | episodes | least | median | most |
|---|---|---|---|---|
{severity}

Trained range {_number(f["severity_range"][0])} to {_number(f["severity_range"][1])}.

## Limits

{limits}
"""


def _percent(x: float | None) -> str:
    return "-" if x is None else f"{100 * x:.1f} %"


def _number(x: float | None) -> str:
    return "-" if x is None else f"{x:.4g}"
