// SPDX-License-Identifier: Apache-2.0
// The surface's hands: brushes, pointer, finger and keys on one canvas. grid.js stands before it in the same module.

const living = new WeakMap();
const MANY = 14; // classes from which on they are looked for by name

class MapPainter {
  constructor(root) {
    this.root = root;
    this.find = (name) => root.querySelector(name);
    this.canvas = this.find(".map");
    this.ids = null;
    this.id = null;
    this.tool = "brush";
    this.size = 14;
    this.past = [];
    this.future = [];
    this.drag = null;
    this.at = null; // where the pointer or the keys are, in pixels of the map
    this.sent = 0;
    this.listen();
    new ResizeObserver(() => this.ids && this.ring()).observe(this.canvas);
  }

  // ---- from and to the server

  update(data, send) {
    this.send = send;
    this.data = data;
    this.colors = new Map(data.classes.map((c) => [c.id, [1, 3, 5].map((i) => parseInt(c.color.slice(i, i + 2), 16))]));
    this.names = new Map(data.classes.map((c) => [c.id, c.name]));
    this.canvas.setAttribute(
      "aria-label",
      `${data.label}, ${data.width} by ${data.height} pixels. Arrow keys move, Space paints, Shift and arrows paint a line, number keys choose a class.`,
    );
    if (!this.names.has(this.id)) this.id = data.classes[Math.min(data.classes.length - 1, 4)].id;
    const sized = this.width === data.width && this.height === data.height;
    if (!sized) {
      this.width = data.width;
      this.height = data.height;
      [this.past, this.future, this.drag, this.at] = [[], [], null, null];
      this.canvas.width = data.width;
      this.canvas.height = data.height;
      this.canvas.style.aspectRatio = `${data.width} / ${data.height}`;
      this.ids = bytes(data.map);
      this.confirmed = data.map;
      this.find(".size").max = Math.max(8, Math.round(Math.max(data.width, data.height) / 2));
    } else if (data.echo >= this.sent && !this.drag && data.map !== this.confirmed) {
      const ids = bytes(data.map);
      if (!same(ids, this.ids)) this.keep(), (this.ids = ids);
      this.confirmed = data.map;
    }
    this.buttons();
    this.draw();
  }

  keep() {
    this.past.push(this.ids.slice());
    if (this.past.length > 80) this.past.shift();
    this.future = [];
  }

  commit(said) {
    this.draw();
    this.say(said);
    this.sent = Math.max(this.sent + 1, Date.now());
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      this.confirmed = text(this.ids);
      this.send({ map: this.confirmed, number: this.sent });
    }, 140);
  }

  change(act, said) {
    const before = this.ids.slice();
    act();
    if (same(before, this.ids)) return this.draw();
    const now = this.ids;
    this.ids = before;
    this.keep();
    this.ids = now;
    this.commit(said);
  }

  undo(from, to, said) {
    if (!from.length || this.drag) return;
    to.push(this.ids);
    this.ids = from.pop();
    this.commit(said);
  }

  // ---- drawing

  draw() {
    const pixels = new ImageData(this.width, this.height);
    for (let i = 0; i < this.ids.length; i++) {
      const color = this.colors.get(this.ids[i]) ?? [0, 0, 0];
      pixels.data.set(color, 4 * i);
      pixels.data[4 * i + 3] = 255;
    }
    this.canvas.getContext("2d").putImageData(pixels, 0, 0);
    this.find(".undo").disabled = !this.past.length;
    this.find(".redo").disabled = !this.future.length;
    this.find(".size").value = this.size;
    this.find(".pixels").textContent = `${this.size} px`;
    for (const button of this.root.querySelectorAll(".tool"))
      button.setAttribute("aria-checked", String(button.dataset.tool === this.tool));
    this.ring();
  }

  ring() {
    const ring = this.find(".ring");
    ring.hidden = !this.at;
    if (!this.at) return;
    const box = this.canvas.getBoundingClientRect();
    const scale = box.width / this.width;
    const wide = this.tool === "fill" ? 8 : this.size * scale;
    Object.assign(ring.style, {
      left: `${this.at.x * scale}px`, top: `${this.at.y * scale}px`, width: `${wide}px`, height: `${wide}px`,
      background: `rgb(${this.colors.get(this.id).join(",")}, 0.35)`,
    });
  }

  buttons() {
    const { classes } = this.data;
    const bar = this.find(".brushes");
    const signature = JSON.stringify(classes);
    this.find(".filter").hidden = classes.length <= MANY;
    if (this.signature !== signature) {
      this.signature = signature;
      bar.replaceChildren();
      classes.forEach((one, i) => {
        const button = document.createElement("button");
        button.type = "button";
        button.className = "brush";
        button.dataset.brush = one.name;
        button.setAttribute("role", "radio");
        const swatch = document.createElement("i");
        swatch.style.background = one.color;
        button.append(swatch, document.createTextNode(one.name));
        if (i < 9) {
          const key = document.createElement("kbd");
          key.textContent = String(i + 1);
          button.append(key);
        }
        button.title = `Paint ${one.name}${i < 9 ? ` (key ${i + 1})` : ""}`;
        button.onclick = () => this.choose(one.id);
        bar.append(button);
      });
    }
    classes.forEach((one, i) => bar.children[i].setAttribute("aria-checked", String(one.id === this.id)));
  }

  choose(id) {
    this.id = id;
    this.buttons();
    this.ring();
    this.say(`Painting ${this.names.get(id)}.`);
  }

  use(tool) {
    this.tool = tool;
    this.draw();
  }

  resize(size) {
    this.size = Math.max(1, Math.min(Number(this.find(".size").max), Math.round(size)));
    this.draw();
  }

  // ---- hands

  listen() {
    const on = (name, event, act) => this.find(name).addEventListener(event, act);
    on(".undo", "click", () => this.undo(this.past, this.future, "Undone."));
    on(".redo", "click", () => this.undo(this.future, this.past, "Done again."));
    on(".all", "click", () => this.change(() => (this.ids = this.ids.slice().fill(this.id)), `All ${this.names.get(this.id)}.`));
    on(".size", "input", (e) => this.resize(Number(e.target.value)));
    on(".filter", "input", (e) => {
      const wanted = e.target.value.trim().toLowerCase();
      for (const button of this.find(".brushes").children) button.hidden = !button.dataset.brush.toLowerCase().includes(wanted);
    });
    on(".filter", "keydown", (e) => e.stopPropagation());
    for (const button of this.root.querySelectorAll(".tool")) button.onclick = () => this.use(button.dataset.tool);
    const { canvas } = this;
    canvas.addEventListener("pointerdown", (e) => this.down(e));
    canvas.addEventListener("pointermove", (e) => this.move(e));
    canvas.addEventListener("pointerup", () => this.up());
    canvas.addEventListener("pointercancel", () => this.up());
    canvas.addEventListener("pointerleave", () => this.drag || ((this.at = null), this.ring()));
    canvas.addEventListener("contextmenu", (e) => e.preventDefault());
    canvas.addEventListener("keydown", (e) => this.key(e));
    canvas.addEventListener("blur", () => this.drag || ((this.at = null), this.ring()));
  }

  place(event) {
    const box = this.canvas.getBoundingClientRect();
    return { x: ((event.clientX - box.left) * this.width) / box.width, y: ((event.clientY - box.top) * this.height) / box.height };
  }

  under(place) {
    const [column, row] = [Math.floor(place.x), Math.floor(place.y)];
    const inside = column >= 0 && row >= 0 && column < this.width && row < this.height;
    return inside ? this.ids[row * this.width + column] : null;
  }

  down(event) {
    if (!this.ids || (event.button && event.button !== 2) || this.drag) return;
    const place = (this.at = this.place(event));
    this.canvas.focus({ preventScroll: true });
    if (event.altKey || event.button === 2) {
      const found = this.under(place);
      if (found !== null && this.names.has(found)) this.choose(found);
      return;
    }
    if (this.tool === "fill") {
      this.change(() => ((this.ids = this.ids.slice()), flood(this.ids, this.width, this.height, place.x, place.y, this.id)), `Filled with ${this.names.get(this.id)}.`);
      this.last = place;
      return;
    }
    this.canvas.setPointerCapture(event.pointerId);
    this.drag = { before: this.ids.slice(), at: event.shiftKey && this.last ? this.last : place };
    this.stroke(place);
  }

  stroke(place) {
    line(this.ids, this.width, this.height, this.drag.at, place, this.size, this.id);
    this.drag.at = this.last = this.at = place;
    this.draw();
  }

  move(event) {
    if (!this.ids) return;
    if (this.drag) {
      for (const one of event.getCoalescedEvents?.() ?? []) this.stroke(this.place(one));
      return this.stroke(this.place(event));
    }
    if (event.pointerType === "touch") return;
    this.at = this.place(event);
    this.ring();
    const found = this.under(this.at);
    if (found !== null) this.say(`${this.names.get(found) ?? "unlabelled"} · column ${Math.floor(this.at.x) + 1}, row ${Math.floor(this.at.y) + 1}`);
  }

  up() {
    if (!this.drag) return;
    const { before } = this.drag;
    this.drag = null;
    const now = this.ids;
    this.ids = before;
    this.change(() => (this.ids = now), `Painted ${this.names.get(this.id)}.`);
  }

  // ---- keys

  key(event) {
    const { key } = event;
    const control = event.ctrlKey || event.metaKey;
    const lower = key.toLowerCase();
    if (control && lower === "z") event.shiftKey ? this.undo(this.future, this.past, "Done again.") : this.undo(this.past, this.future, "Undone.");
    else if (control && lower === "y") this.undo(this.future, this.past, "Done again.");
    else if ((control && !key.startsWith("Arrow")) || event.altKey) return;
    else if (key.startsWith("Arrow")) this.walk(key, event.shiftKey, control);
    else if (/^[1-9]$/.test(key) && this.data.classes[key - 1]) this.choose(this.data.classes[key - 1].id);
    else if (lower === "b") this.use("brush");
    else if (lower === "f") this.use("fill");
    else if (key === "[" || key === "]") this.resize(this.size + (key === "]" ? 1 : -1) * Math.max(1, this.size / 5));
    else if (key === " " || key === "Enter") this.press();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  walk(key, paint, fine) {
    const from = this.at ?? { x: this.width / 2, y: this.height / 2 };
    const by = fine ? 1 : Math.max(1, Math.round(this.size / 3));
    const to = {
      x: Math.max(0.5, Math.min(this.width - 0.5, from.x + by * ({ ArrowLeft: -1, ArrowRight: 1 }[key] ?? 0))),
      y: Math.max(0.5, Math.min(this.height - 0.5, from.y + by * ({ ArrowUp: -1, ArrowDown: 1 }[key] ?? 0))),
    };
    this.at = to;
    if (paint) this.change(() => ((this.ids = this.ids.slice()), line(this.ids, this.width, this.height, from, to, this.size, this.id)), "");
    this.ring();
    this.say(`${this.names.get(this.under(to)) ?? "unlabelled"}, column ${Math.floor(to.x) + 1}, row ${Math.floor(to.y) + 1}.`);
  }

  press() {
    const place = (this.at ??= { x: this.width / 2, y: this.height / 2 });
    const act = this.tool === "fill"
      ? () => flood(this.ids, this.width, this.height, place.x, place.y, this.id)
      : () => dab(this.ids, this.width, this.height, place.x, place.y, this.size, this.id);
    this.change(() => ((this.ids = this.ids.slice()), act()), `Painted ${this.names.get(this.id)}.`);
  }

  say(words) {
    this.find(".status").textContent = words;
  }
}

export default function (component) {
  const { data, parentElement, setTriggerValue } = component;
  const root = parentElement.querySelector(".mapper");
  if (!living.has(root)) living.set(root, new MapPainter(root));
  living.get(root).update(data, (value) => setTriggerValue("stroke", value));
}
