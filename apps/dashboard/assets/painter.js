// SPDX-License-Identifier: Apache-2.0
// The painter's hands: brushes, pointer and keys on one drawing. timeline.js stands before it in the same module.

const NS = "http://www.w3.org/2000/svg";
const living = new WeakMap();

function el(name, attributes = {}, parent = null, content = null) {
  const node = document.createElementNS(NS, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  if (content !== null) node.textContent = content;
  if (parent) parent.appendChild(node);
  return node;
}

class Painter {
  constructor(root, id) {
    this.root = root;
    this.id = id;
    this.find = (name) => root.querySelector(name);
    this.canvas = this.find(".canvas");
    this.rows = null;
    this.brush = { kind: "hold", regime: null, severity: 1, blend: false };
    this.cursor = { row: MARKET, day: 0, anchor: 0 };
    this.view = null; // [first, last) day shown; null is all
    this.past = [];
    this.future = [];
    this.drag = null;
    this.sent = 0;
    this.waiting = false;
    this.open = null;
    this.listen();
    new ResizeObserver(() => this.rows && this.draw()).observe(this.canvas);
  }

  // ---- from and to the server

  update(data, send) {
    this.send = send;
    const first = this.rows === null;
    this.data = data;
    this.canvas.setAttribute("aria-label", `${data.label}. Arrow keys move, Shift and arrows select days, number keys paint.`);
    if (this.brush.regime === null || !data.regimes.includes(this.brush.regime)) {
      this.brush.regime = data.regimes[data.regimes.length - 1];
      this.brush.kind = "hold";
    }
    if (this.open === null) this.open = data.sectors.some((s) => data.rows[s].some((p) => p.kind !== "with"));
    const said = JSON.stringify(data.rows);
    const answer = this.waiting && data.echo >= this.sent; // our own stroke, as the server writes it
    if (answer) this.waiting = false;
    if (data.echo >= this.sent && !this.drag && said !== JSON.stringify(this.rows)) {
      const foreign = !first && !answer && said !== this.confirmed;
      if (foreign) this.past.push(this.rows), (this.future = []);
      this.rows = JSON.parse(said);
      if (data.sectors.some((s) => this.rows[s].some((p) => p.kind !== "with"))) this.open = true;
      if (foreign) this.view = null, this.say("");
    }
    this.buttons();
    this.draw();
  }

  commit(rows, say) {
    if (!rows || JSON.stringify(rows) === JSON.stringify(this.rows)) return this.draw();
    this.past.push(this.rows);
    if (this.past.length > 200) this.past.shift();
    this.future = [];
    this.set(rows, say);
  }

  set(rows, say) {
    this.rows = rows;
    this.cursor.day = Math.min(this.cursor.day, this.days - 1);
    this.cursor.anchor = Math.min(this.cursor.anchor, this.days - 1);
    this.draw();
    this.say(typeof say === "function" ? say() : (say ?? ""));
    this.sent = Math.max(this.sent + 1, Date.now());
    this.confirmed = JSON.stringify(rows);
    this.waiting = true;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.send({ rows: this.rows, number: this.sent }), 160);
  }

  undo(from, to) {
    if (!from.length) return;
    to.push(this.rows);
    this.set(from.pop(), from === this.past ? "Undone." : "Done again.");
  }

  // ---- geometry

  get days() {
    return total(this.rows[MARKET]);
  }

  get shown() {
    const days = this.drag?.kind === "length" ? Math.max(this.drag.days, this.days) : this.days;
    const [a, b] = this.view ?? [0, days];
    return [Math.max(0, Math.min(a, days - 2)), Math.min(Math.max(b, a + 2), days)];
  }

  layout() {
    const width = Math.max(260, this.canvas.clientWidth);
    const narrow = width < 560;
    const left = narrow ? 70 : 98;
    const right = width - 14;
    const rows = [{ name: MARKET, y: 4, height: narrow ? 52 : 56 }];
    const lane = { y: rows[0].y + rows[0].height + 8, height: 44 };
    let y = lane.y + lane.height + 10;
    if (this.open)
      for (const sector of this.data.sectors) {
        rows.push({ name: sector, y, height: narrow ? 28 : 22 });
        y += (narrow ? 28 : 22) + 4;
      }
    const overview = this.view ? { y: y + 22, height: 12 } : null;
    return { width, narrow, left, right, rows, lane, axis: y, overview, height: y + (overview ? 40 : 22) };
  }

  x(day) {
    const [a, b] = this.shown;
    const { left, right } = this.box;
    return left + ((day - a) / (b - a)) * (right - left);
  }

  dayAt(x, edge = false) {
    const [a, b] = this.shown;
    const { left, right } = this.box;
    const day = a + ((x - left) / (right - left)) * (b - a);
    return edge ? Math.round(day) : Math.max(a, Math.min(b - 1, Math.floor(day)));
  }

  rowAt(y) {
    return this.box.rows.find((row) => y >= row.y - 2 && y < row.y + row.height + 2) ?? null;
  }

  // ---- drawing

  draw() {
    const box = (this.box = this.layout());
    const svg = el("svg", { viewBox: `0 0 ${box.width} ${box.height}`, height: box.height, "aria-hidden": "true" });
    this.defs(svg);
    const [a, b] = this.shown;
    const step = [1, 2, 5, 10, 20, 25, 50, 100, 125, 250, 500].find((s) => (b - a) / s <= (box.narrow ? 5 : 12)) ?? 500;
    for (let day = Math.ceil(a / step) * step; day <= b; day += step) {
      el("line", { class: "grid", x1: this.x(day), x2: this.x(day), y1: box.rows[0].y, y2: box.axis }, svg);
      el("text", { class: "tick", x: this.x(day), y: box.axis + 14, "text-anchor": "middle" }, svg, day === 0 ? "start" : day);
    }
    for (const row of box.rows) this.drawRow(svg, row);
    this.drawLane(svg);
    this.drawSelection(svg);
    if (box.overview) this.drawOverview(svg);
    const last = box.rows[0];
    if (b === this.days)
      el("rect", { class: "grip", x: this.x(this.days) + 3, y: last.y + last.height / 2 - 13, width: 5, height: 26, rx: 2.5 }, svg);
    this.canvas.replaceChildren(svg);
    this.svg = svg;
    this.find(".severity").textContent = this.brush.severity.toFixed(2);
    const days = this.find(".days");
    if (this.root.activeElement !== days && days.getRootNode().activeElement !== days) days.value = this.days;
    days.max = this.data.max_days;
    this.find(".undo").disabled = !this.past.length;
    this.find(".redo").disabled = !this.future.length;
    this.find(".fit").disabled = !this.view;
    const own = this.find(".own");
    own.hidden = !this.data.sectors.length;
    own.setAttribute("aria-expanded", String(this.open));
  }

  defs(svg) {
    const defs = el("defs", {}, svg);
    const { regimes, colors } = this.data;
    const hatch = el("pattern", { id: `${this.id}-chance`, width: 7 * regimes.length, height: 10, patternUnits: "userSpaceOnUse", patternTransform: "rotate(35)" }, defs);
    regimes.forEach((r, i) => el("rect", { x: 7 * i, width: 7, height: 10, fill: colors[r], opacity: 0.55 }, hatch));
    this.blends = 0;
    this.defsNode = defs;
  }

  fill(piece) {
    const { colors } = this.data;
    if (piece.kind === "markov" || piece.kind === "now") return `url(#${this.id}-chance)`;
    if (piece.kind === "with") return "none";
    if (piece.kind === "hold") return colors[piece.regime] ?? "#888";
    const id = `${this.id}-blend-${this.blends++}`;
    const gradient = el("linearGradient", { id }, this.defsNode);
    el("stop", { offset: "0", "stop-color": colors[piece.regime] }, gradient);
    el("stop", { offset: "1", "stop-color": colors[piece.to] }, gradient);
    return `url(#${id})`;
  }

  drawRow(svg, row) {
    const { left, right } = this.box;
    const market = row.name === MARKET;
    const active = this.cursor.row === row.name;
    const shown = market ? "Market" : this.short(row.name);
    const name = el("text", { class: active ? "name active" : "name", x: 0, y: row.y + row.height / 2 + 4 }, svg, shown);
    el("title", {}, name, market ? "Market" : row.name);
    el("rect", { class: "track", x: left, y: row.y, width: right - left, height: row.height, rx: 4 }, svg);
    let day = 0;
    const [a, b] = this.shown;
    for (const piece of this.drag?.rows?.[row.name] ?? this.rows[row.name]) {
      const from = Math.max(a, day);
      const to = Math.min(b, day + piece.days);
      day += piece.days;
      if (to <= from || piece.kind === "with") continue;
      const x = this.x(from);
      const width = this.x(to) - x;
      const chance = piece.kind === "markov" || piece.kind === "now";
      el("rect", { class: chance ? "seg chance" : "seg", x, y: row.y, width, height: row.height, rx: 3, fill: this.fill(piece) }, svg);
      this.label(svg, piece, x, width, row, market);
    }
  }

  label(svg, piece, x, width, row, market) {
    const level = piece.kind === "hold" && Math.abs(piece.severity - 1) > 0.004 ? ` ×${piece.severity.toFixed(2)}` : "";
    const full = { markov: piece.regime ? `by chance from ${piece.regime}` : "by chance", now: "by chance from today", blend: `${piece.regime} → ${piece.to}` }[piece.kind] ?? piece.regime + level;
    const letter = market ? 7.2 : 6;
    const text = [full, piece.kind === "hold" ? piece.regime : ""].find((t) => t && t.length * letter + 10 < width);
    if (!text) return;
    const middle = x + width / 2;
    const chance = piece.kind === "markov" || piece.kind === "now";
    if (chance) {
      el("rect", { x: middle - text.length * 3.6 - 6, y: row.y + row.height / 2 - 10, width: text.length * 7.2 + 12, height: 20, rx: 10, fill: "var(--st-background-color)", opacity: 0.88 }, svg);
      el("text", { class: "chance-label", x: middle, y: row.y + row.height / 2 + 4, "text-anchor": "middle" }, svg, text);
      return;
    }
    const two = market && piece.days > 1 && `${piece.days} days`.length * 6 + 8 < width;
    el("text", { class: market ? "on" : "on small", x: middle, y: row.y + row.height / 2 + (two ? -2 : 4), "text-anchor": "middle" }, svg, text);
    if (two) el("text", { class: "on small", x: middle, y: row.y + row.height / 2 + 13, "text-anchor": "middle" }, svg, `${piece.days} days`);
  }

  get range() {
    let [low, high] = this.data.severity_range;
    for (const row of Object.values(this.rows))
      for (const p of row)
        for (const s of [p.severity, p.to_severity]) if (s) (low = Math.min(low, s)), (high = Math.max(high, s));
    const room = 0.08 * (high - low);
    return [low - room, high + room];
  }

  laneY(severity) {
    const [low, high] = this.range;
    const { lane } = this.box;
    return lane.y + lane.height * (1 - (severity - low) / (high - low));
  }

  drawLane(svg) {
    const { left, right, lane } = this.box;
    const name = el("text", { class: "name", x: 0, y: lane.y + lane.height / 2 }, svg, "Severity");
    el("title", {}, name, "How intense an episode is: drag up or down; 1 is the regime's typical episode");
    const who = this.cursor.row === MARKET ? "market" : this.short(this.cursor.row);
    el("text", { class: "tick", x: 0, y: lane.y + lane.height / 2 + 14 }, svg, who);
    el("rect", { class: "track", x: left, y: lane.y, width: right - left, height: lane.height, rx: 4 }, svg);
    const [low, high] = this.range;
    if (low < 1 && high > 1) {
      el("line", { class: "one", x1: left, x2: right, y1: this.laneY(1), y2: this.laneY(1) }, svg);
      el("text", { class: "tick", x: left - 6, y: this.laneY(1) + 4, "text-anchor": "end" }, svg, "1");
    }
    const [a, b] = this.shown;
    let day = 0;
    for (const piece of this.drag?.rows?.[this.cursor.row] ?? this.rows[this.cursor.row]) {
      const from = day;
      const to = (day += piece.days);
      if (to <= a || from >= b || (piece.kind !== "hold" && piece.kind !== "blend")) continue;
      const end = piece.kind === "blend" ? piece.to_severity : piece.severity;
      const x1 = this.x(Math.max(a, from)) + 1;
      const x2 = this.x(Math.min(b, to)) - 1;
      const line = { class: "lane", x1, x2, y1: this.laneY(piece.severity), y2: this.laneY(end) };
      el("line", { ...line, style: `stroke:${this.data.colors[piece.regime]};stroke-width:3` }, svg);
      if (x2 - x1 > 14) el("circle", { class: "knob", cx: (x1 + x2) / 2, cy: (line.y1 + line.y2) / 2, r: 4.5, style: `stroke:${this.data.colors[piece.regime]}` }, svg);
    }
  }

  drawSelection(svg) {
    const row = this.box.rows.find((r) => r.name === this.cursor.row);
    if (!row) return;
    const [from, to] = this.drag?.kind === "paint" ? [this.drag.from, this.drag.to] : this.selection;
    const focused = this.canvas.matches(":focus") || this.drag;
    if (!focused) return;
    el("rect", { class: "select", x: this.x(from), y: row.y - 1, width: Math.max(2, this.x(to) - this.x(from)), height: row.height + 2 }, svg);
  }

  drawOverview(svg) {
    const { left, right, overview } = this.box;
    const group = el("g", { class: "overview" }, svg);
    const scale = (right - left) / this.days;
    let day = 0;
    for (const piece of this.rows[MARKET]) {
      el("rect", { x: left + day * scale, y: overview.y + 3, width: piece.days * scale, height: 6, fill: this.fill(piece) }, group);
      day += piece.days;
    }
    const [a, b] = this.shown;
    el("rect", { class: "window", x: left + a * scale, y: overview.y, width: (b - a) * scale, height: overview.height, rx: 4 }, group);
  }

  short(name) {
    const most = this.box.narrow ? 10 : 14;
    return name.length > most ? name.slice(0, most - 1) + "…" : name;
  }

  // ---- brushes

  buttons() {
    const bar = this.find(".brushes");
    const kinds = [
      ...this.data.regimes.map((regime, i) => ({ id: regime, text: regime, key: String(i + 1), color: this.data.colors[regime] })),
      { id: "blend", text: "blend", key: "B" },
      ...(this.data.chance ? [{ id: "chance", text: "by chance", key: "C" }] : []),
      ...(this.open ? [{ id: "with", text: "with market", key: "M" }] : []),
    ];
    const signature = JSON.stringify(kinds);
    if (this.signature !== signature) {
      this.signature = signature;
      bar.replaceChildren();
      for (const kind of kinds) {
        const button = document.createElement("button");
        button.type = "button";
        button.className = "brush";
        button.dataset.brush = kind.id;
        const swatch = document.createElement("i");
        const key = document.createElement("kbd");
        key.textContent = kind.key;
        button.append(swatch, document.createTextNode(kind.text), key);
        button.onclick = () => this.choose(kind.id);
        bar.append(button);
      }
    }
    for (const button of bar.children) {
      const id = button.dataset.brush;
      const color = this.data.colors[id] ?? "var(--st-text-color)";
      const mine = this.data.colors[this.brush.regime];
      const on = id === "blend" ? this.brush.blend : this.brush.kind === "hold" ? this.brush.regime === id : this.brush.kind === id;
      button.setAttribute("role", id === "blend" ? "switch" : "radio");
      button.setAttribute("aria-checked", String(Boolean(on)));
      button.style.setProperty("--brush", color);
      button.firstChild.style.background = id === "blend" ? `linear-gradient(90deg, ${this.data.colors[this.data.regimes[0]]}, ${mine})`
        : id === "chance" ? `linear-gradient(135deg, ${this.data.regimes.map((r) => this.data.colors[r]).join(",")})`
        : id === "with" ? "transparent" : color;
      if (id === "with") button.firstChild.style.border = "1.5px dashed var(--st-text-color)";
      button.title = { blend: "Days painted blend from what stands before them into the brush's regime", chance: "Days painted are drawn for each path from the fitted regime process", with: "Days painted follow the market again" }[id] ?? `Paint ${id} (key ${button.lastChild.textContent})`;
    }
  }

  choose(id) {
    if (id === "blend") {
      this.brush.blend = !this.brush.blend;
      if (this.brush.blend) this.brush.kind = "hold";
    } else if (id === "chance" || id === "with") Object.assign(this.brush, { kind: id, blend: false });
    else Object.assign(this.brush, { kind: "hold", regime: id });
    this.buttons();
  }

  get selection() {
    const { day, anchor } = this.cursor;
    return [Math.min(day, anchor), Math.max(day, anchor) + 1];
  }

  paintRange(from, to, brush = this.brush) {
    const name = this.cursor.row;
    const pieces = stroke(this.rows[name], name, from, to, brush);
    if (!pieces) {
      this.say(brush.kind === "with" ? "The market cannot follow itself: choose a sector's row." : "Only the market is drawn by chance: a sector takes fixed regimes.");
      return null;
    }
    return { ...this.rows, [name]: painted(this.rows[name], from, to, pieces) };
  }

  level(by) {
    const [low, high] = this.data.severity_range;
    const value = Math.round((this.brush.severity + by) * 20) / 20;
    this.brush.severity = Math.min(Math.floor(high * 100) / 100, Math.max(Math.ceil(low * 100) / 100, value));
    this.find(".severity").textContent = this.brush.severity.toFixed(2);
  }

  // ---- hands

  listen() {
    const on = (name, event, act) => this.find(name).addEventListener(event, act);
    on(".less", "click", (e) => (e.preventDefault(), this.level(-0.05)));
    on(".more", "click", (e) => (e.preventDefault(), this.level(0.05)));
    on(".undo", "click", () => this.undo(this.past, this.future));
    on(".redo", "click", () => this.undo(this.future, this.past));
    on(".in", "click", () => this.zoom(0.5));
    on(".out", "click", () => this.zoom(2));
    on(".fit", "click", () => ((this.view = null), this.draw()));
    on(".own", "click", () => ((this.open = !this.open), this.open || (this.cursor.row = MARKET), this.buttons(), this.draw()));
    on(".days", "change", (e) => {
      const days = Math.round(Number(e.target.value));
      if (days >= 2 && days <= this.data.max_days) this.commit(resized(this.rows, days), `${days} days.`);
      e.target.value = this.days;
    });
    on(".days", "keydown", (e) => e.stopPropagation());
    this.canvas.addEventListener("keydown", (e) => this.key(e));
    for (const event of ["focus", "blur"]) this.canvas.addEventListener(event, () => this.rows && this.draw());
    this.canvas.addEventListener("pointerdown", (e) => this.down(e));
    this.canvas.addEventListener("pointermove", (e) => this.move(e));
    this.canvas.addEventListener("pointerup", (e) => this.up(e));
    this.canvas.addEventListener("pointercancel", () => ((this.drag = null), this.draw()));
    this.canvas.addEventListener("pointerleave", () => (this.find(".tip").hidden = true));
    this.canvas.addEventListener("dblclick", (e) => this.double(e));
    this.canvas.addEventListener("wheel", (e) => this.wheel(e), { passive: false });
  }

  place(event) {
    const box = this.canvas.getBoundingClientRect();
    const scale = this.box.width / box.width;
    return { x: (event.clientX - box.left) * scale, y: (event.clientY - box.top) * scale };
  }

  border(x, row) {
    let day = 0;
    const pieces = this.rows[row.name];
    for (let i = 0; i < pieces.length - 1; i++) {
      day += pieces[i].days;
      if (Math.abs(this.x(day) - x) < 4) return { day, index: i };
    }
    return null;
  }

  down(event) {
    if (event.button || !this.rows) return;
    const { x, y } = this.place(event);
    const { lane, overview, rows, right } = this.box;
    const row = this.rowAt(y);
    this.canvas.setPointerCapture(event.pointerId);
    if (overview && y >= overview.y - 4) this.drag = { kind: "pan", x, view: this.shown };
    else if (y >= lane.y - 3 && y < lane.y + lane.height + 3) this.startSeverity(x, y);
    else if (row && row.name === MARKET && x > right && this.shown[1] === this.days)
      this.drag = { kind: "length", x, days: this.days, first: this.days, scale: (this.x(this.days) - this.x(this.shown[0])) / (this.shown[1] - this.shown[0]) };
    else if (row) {
      const edge = event.pointerType === "mouse" && this.border(x, row);
      const day = this.dayAt(x);
      this.cursor = { row: row.name, day, anchor: day };
      this.drag = edge ? { kind: "border", row: row.name, ...edge } : { kind: "paint", start: day, from: day, to: day + 1, moved: false, x, y };
    }
    if (this.drag) this.canvas.focus({ preventScroll: true });
    this.find(".tip").hidden = true;
    this.draw();
  }

  startSeverity(x, y) {
    const found = at(this.rows[this.cursor.row], this.dayAt(x));
    if (!found || (found.piece.kind !== "hold" && found.piece.kind !== "blend")) return;
    const second = found.piece.kind === "blend" && this.dayAt(x) >= found.start + found.piece.days / 2;
    this.drag = { kind: "severity", index: found.index, field: second ? "to_severity" : "severity" };
    this.dragSeverity(y);
  }

  dragSeverity(y) {
    const [low, high] = this.range;
    const [least, most] = this.data.severity_range;
    const { lane } = this.box;
    const said = low + (1 - (y - lane.y) / lane.height) * (high - low);
    const value = Math.min(Math.floor(most * 100) / 100, Math.max(Math.ceil(least * 100) / 100, Math.round(said * 50) / 50));
    const row = this.rows[this.cursor.row].map((p, i) => (i === this.drag.index ? { ...p, [this.drag.field]: value } : p));
    this.drag.rows = { ...this.rows, [this.cursor.row]: row };
    this.say(`Severity ${value.toFixed(2)}`);
  }

  move(event) {
    if (!this.rows) return;
    const { x, y } = this.place(event);
    const drag = this.drag;
    if (!drag) return this.hover(event, x, y);
    if (drag.kind === "paint") {
      const day = this.dayAt(x);
      drag.moved ||= Math.abs(x - drag.x) > 3;
      drag.from = Math.min(drag.start, day);
      drag.to = Math.max(drag.start, day) + 1;
      this.cursor.anchor = drag.start;
      this.cursor.day = day;
      drag.rows = drag.moved ? this.paintRange(drag.from, drag.to) : null;
      const days = drag.to - drag.from;
      if (drag.rows) this.say(`Day ${drag.from + 1} to ${drag.to}: ${days} day${days === 1 ? "" : "s"}`);
    } else if (drag.kind === "border") {
      const pieces = this.rows[drag.row];
      const start = at(pieces, drag.day - 1).start;
      const stop = drag.day + pieces[drag.index + 1].days;
      const to = Math.max(start + 1, Math.min(stop - 1, this.dayAt(x, true)));
      const moved = pieces.map((p, i) => (i === drag.index ? { ...p, days: to - start } : i === drag.index + 1 ? { ...p, days: stop - to } : p));
      drag.rows = { ...this.rows, [drag.row]: moved };
      this.say(`${words(moved[drag.index])}: ${to - start} days, then ${words(moved[drag.index + 1])}: ${stop - to}`);
    } else if (drag.kind === "severity") this.dragSeverity(y);
    else if (drag.kind === "length") {
      drag.days = Math.max(2, Math.min(this.data.max_days, drag.first + Math.round((x - drag.x) / drag.scale)));
      drag.rows = resized(this.rows, drag.days);
      this.say(`${drag.days} days`);
    } else if (drag.kind === "pan") {
      const shift = Math.round(((x - drag.x) / (this.box.right - this.box.left)) * this.days);
      this.look(drag.view[0] + shift, drag.view[1] + shift);
    }
    this.draw();
  }

  up(event) {
    const drag = this.drag;
    this.drag = null;
    if (!drag) return;
    if (drag.rows) this.commit(drag.rows, drag.kind === "paint" ? () => this.told() : null);
    else {
      this.draw();
      if (drag.kind === "paint") this.say(this.told());
    }
  }

  double(event) {
    const { x, y } = this.place(event);
    const row = this.rowAt(y);
    const found = row && at(this.rows[row.name], this.dayAt(x));
    if (found) this.commit(this.paintRange(found.start, found.start + found.piece.days), () => this.told());
  }

  hover(event, x, y) {
    const tip = this.find(".tip");
    const row = this.rowAt(y);
    const lane = y >= this.box.lane.y && y < this.box.lane.y + this.box.lane.height;
    if (x < this.box.left || x > this.box.right || (!row && !lane)) {
      tip.hidden = true;
      this.svg.style.cursor = row && row.name === MARKET && x > this.box.right ? "ew-resize" : "default";
      return;
    }
    this.svg.style.cursor = lane ? "ns-resize" : this.border(x, row) ? "col-resize" : "crosshair";
    const name = row ? row.name : this.cursor.row;
    const day = this.dayAt(x);
    const found = at(this.rows[name], day);
    if (!found) return;
    tip.textContent = `Day ${day + 1} · ${name === MARKET ? "Market" : name} · ${words(found.piece)} (${found.piece.days} day${found.piece.days === 1 ? "" : "s"})`;
    tip.hidden = event.pointerType === "touch";
    const frame = this.root.getBoundingClientRect();
    const width = tip.offsetWidth;
    tip.style.left = `${Math.max(0, Math.min(frame.width - width, event.clientX - frame.left - width / 2))}px`;
    tip.style.top = `${event.clientY - frame.top - 40}px`;
  }

  wheel(event) {
    if (event.ctrlKey) {
      event.preventDefault();
      this.zoom(event.deltaY > 0 ? 1.25 : 0.8, this.dayAt(this.place(event).x));
    } else if (this.view && (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY))) {
      event.preventDefault();
      const [a, b] = this.shown;
      const by = Math.sign(event.deltaX || event.deltaY) * Math.max(1, Math.round((b - a) / 20));
      this.look(a + by, b + by);
      this.draw();
    }
  }

  zoom(factor, around = null) {
    const [a, b] = this.shown;
    const middle = around ?? Math.max(a, Math.min(b, this.cursor.day));
    const length = Math.max(10, Math.round((b - a) * factor));
    if (length >= this.days) this.view = null;
    else this.look(Math.round(middle - ((middle - a) / (b - a)) * length), null, length);
    this.draw();
  }

  look(first, last, length = last - first) {
    const from = Math.max(0, Math.min(this.days - length, first));
    this.view = [from, from + length];
  }

  // ---- keys

  key(event) {
    const { key } = event;
    const control = event.ctrlKey || event.metaKey;
    const paint = (brush) => this.commit(this.paintRange(...this.selection, brush), () => this.told());
    if (control && key.toLowerCase() === "z") this.undo(...(event.shiftKey ? [this.future, this.past] : [this.past, this.future]));
    else if (control && key.toLowerCase() === "y") this.undo(this.future, this.past);
    else if (control || event.altKey) return;
    else if (key.startsWith("Arrow") || ["Home", "End", "PageUp", "PageDown"].includes(key)) this.walk(key, event.shiftKey);
    else if (/^[1-9]$/.test(key) && this.data.regimes[key - 1]) {
      this.choose(this.data.regimes[key - 1]);
      paint({ ...this.brush, blend: false });
    } else if (key.toLowerCase() === "b") paint({ ...this.brush, kind: "hold", blend: true });
    else if (key.toLowerCase() === "c") paint({ ...this.brush, kind: "chance" });
    else if (key.toLowerCase() === "m" || key === "Delete" || key === "Backspace") paint({ ...this.brush, kind: "with" });
    else if (key === "Enter" || key === " ") paint(this.brush);
    else if (key === "[" || key === "]") this.nudge(key === "]" ? 0.05 : -0.05);
    else if (key === "+" || key === "=") this.zoom(0.5);
    else if (key === "-") this.zoom(2);
    else if (key === "0") (this.view = null), this.draw();
    else if (key === "Escape") (this.drag = null), (this.cursor.anchor = this.cursor.day), this.draw();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  walk(key, select) {
    const { cursor } = this;
    const rows = [MARKET, ...(this.open ? this.data.sectors : [])];
    if (key === "ArrowUp" || key === "ArrowDown") {
      const next = rows.indexOf(cursor.row) + (key === "ArrowDown" ? 1 : -1);
      cursor.row = rows[Math.max(0, Math.min(rows.length - 1, next))];
    } else {
      const by = { ArrowLeft: -1, ArrowRight: 1, PageUp: -20, PageDown: 20, Home: -this.days, End: this.days }[key];
      cursor.day = Math.max(0, Math.min(this.days - 1, cursor.day + by));
      if (!select) cursor.anchor = cursor.day;
      const [a, b] = this.shown;
      if (cursor.day < a) this.look(cursor.day, null, b - a);
      else if (cursor.day >= b) this.look(cursor.day - (b - a) + 1, null, b - a);
    }
    this.draw();
    this.say(this.told());
  }

  nudge(by) {
    const found = at(this.rows[this.cursor.row], this.cursor.day);
    if (!found || found.piece.kind !== "hold") return;
    const [least, most] = this.data.severity_range;
    const value = Math.min(Math.floor(most * 100) / 100, Math.max(Math.ceil(least * 100) / 100, Math.round((found.piece.severity + by) * 100) / 100));
    const row = this.rows[this.cursor.row].map((p, i) => (i === found.index ? { ...p, severity: value } : p));
    this.commit({ ...this.rows, [this.cursor.row]: row }, `Severity ${value.toFixed(2)}`);
  }

  told() {
    const [from, to] = this.selection;
    const found = at(this.rows[this.cursor.row], this.cursor.day);
    const who = this.cursor.row === MARKET ? "Market" : this.cursor.row;
    const days = to - from > 1 ? `days ${from + 1} to ${to} selected` : `day ${this.cursor.day + 1}`;
    return found ? `${who}, ${days}: ${words(found.piece)}.` : "";
  }

  say(text) {
    this.find(".status").textContent = text;
  }
}

export default function (component) {
  const { data, parentElement, setTriggerValue } = component;
  const root = parentElement.querySelector(".painter");
  if (!living.has(root)) living.set(root, new Painter(root, `p${Math.random().toString(36).slice(2, 8)}`));
  living.get(root).update(data, (value) => setTriggerValue("stroke", value));
}
