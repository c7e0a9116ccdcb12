// SPDX-License-Identifier: Apache-2.0
// A timeline as rows of segments, and what a brush does to it. Pure functions; nothing here knows the page.

const MARKET = "market";

const total = (row) => row.reduce((days, piece) => days + piece.days, 0);

const alike = (a, b) =>
  (a.kind === "hold" || a.kind === "with") && a.kind === b.kind && a.regime === b.regime && a.severity === b.severity;

// Equal neighbours become one, so that a repainted day leaves no seam.
function joined(row) {
  const out = [];
  for (const piece of row) {
    if (piece.days < 1) continue;
    const last = out[out.length - 1];
    if (last && alike(last, piece)) last.days += piece.days;
    else out.push({ ...piece });
  }
  return out;
}

// The pieces of days from..to-1, cut at both ends. What is left of a blend blends over the days it has left.
function cut(row, from, to) {
  const out = [];
  let day = 0;
  for (const piece of row) {
    const start = Math.max(from, day);
    const stop = Math.min(to, day + piece.days);
    if (stop > start) out.push({ ...piece, days: stop - start });
    day += piece.days;
  }
  return out;
}

const painted = (row, from, to, pieces) => joined([...cut(row, 0, from), ...pieces, ...cut(row, to, total(row))]);

// The piece that holds on a day, with where it starts and its place in the row.
function at(row, day) {
  let start = 0;
  for (let i = 0; i < row.length; i++) {
    if (day < start + row[i].days) return { piece: row[i], start, index: i };
    start += row[i].days;
  }
  return null;
}

// All rows at a new length: the last piece of the market grows, sectors follow the market; or the end is cut off.
function resized(rows, days) {
  const out = {};
  for (const [name, row] of Object.entries(rows)) {
    const now = total(row);
    if (days <= now) out[name] = joined(cut(row, 0, days));
    else if (name === MARKET) {
      const last = row[row.length - 1];
      const more = last.kind === "blend"
        ? { kind: "hold", regime: last.to, severity: last.to_severity, days: days - now }
        : { ...last, kind: last.kind === "now" ? "markov" : last.kind, days: days - now };
      out[name] = last.kind === "markov" || last.kind === "now"
        ? [...row.slice(0, -1), { ...last, days: last.days + days - now }]
        : joined([...row, more]);
    } else out[name] = joined([...row, { kind: "with", days: days - now }]);
  }
  return out;
}

// What a brush paints on days from..to-1 of a row.
function stroke(row, name, from, to, brush) {
  const days = to - from;
  if (brush.kind === "with") return name === MARKET ? null : [{ kind: "with", days }];
  if (brush.kind === "chance") return name === MARKET ? [{ kind: "markov", days }] : null;
  if (!brush.blend) return [{ kind: "hold", regime: brush.regime, severity: brush.severity, days }];
  const end = (found, last) => {
    const piece = found && found.piece;
    if (!piece || (piece.kind !== "hold" && piece.kind !== "blend")) return null;
    return last && piece.kind === "blend"
      ? { regime: piece.to, severity: piece.to_severity }
      : { regime: piece.regime, severity: piece.severity };
  };
  const before = (from > 0 && end(at(row, from - 1), true)) || end(at(row, from), false);
  const after = to < total(row) ? end(at(row, to), false) : null;
  const own = { regime: brush.regime, severity: brush.severity };
  let first = before || own;
  let second = own;
  if (first.regime === second.regime && after) second = after;
  if (first.regime === second.regime && first.severity === second.severity)
    return [{ kind: "hold", ...own, days }];
  return [
    {
      kind: "blend", days, regime: first.regime, severity: first.severity, to: second.regime,
      to_severity: second.severity,
    },
  ];
}

function words(piece, name) {
  const level = (s) => (Math.abs((s ?? 1) - 1) < 1e-9 ? "" : ` × ${Number(s).toFixed(2)}`);
  if (piece.kind === "with") return "with the market";
  if (piece.kind === "now") return "drawn for each path, from today";
  if (piece.kind === "markov") return "drawn for each path" + (piece.regime ? `, from ${piece.regime}` : "");
  if (piece.kind === "blend")
    return `${piece.regime}${level(piece.severity)} blending into ${piece.to}${level(piece.to_severity)}`;
  return piece.regime + level(piece.severity);
}
