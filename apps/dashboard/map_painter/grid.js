// SPDX-License-Identifier: Apache-2.0
// A map as bytes, and what brushes do to it. Pure functions; nothing here knows the page.

const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));

function text(ids) {
  let out = "";
  for (let i = 0; i < ids.length; i += 8192) out += String.fromCharCode(...ids.subarray(i, i + 8192));
  return btoa(out);
}

const same = (a, b) => a.length === b.length && a.every((v, i) => v === b[i]);

// A round spot of `size` pixels across its centre (x, y), in pixels with fractions.
function dab(ids, width, height, x, y, size, id) {
  const r = size / 2;
  if (size <= 1) {
    const [column, row] = [Math.floor(x), Math.floor(y)];
    if (column >= 0 && row >= 0 && column < width && row < height) ids[row * width + column] = id;
    return;
  }
  for (let row = Math.max(0, Math.floor(y - r)); row <= Math.min(height - 1, Math.floor(y + r)); row++)
    for (let column = Math.max(0, Math.floor(x - r)); column <= Math.min(width - 1, Math.floor(x + r)); column++)
      if ((column + 0.5 - x) ** 2 + (row + 0.5 - y) ** 2 <= r * r) ids[row * width + column] = id;
}

// Spots so close together that they make a line.
function line(ids, width, height, from, to, size, id) {
  const steps = Math.max(1, Math.ceil(Math.hypot(to.x - from.x, to.y - from.y) / Math.max(0.5, size / 4)));
  for (let i = 0; i <= steps; i++)
    dab(ids, width, height, from.x + ((to.x - from.x) * i) / steps, from.y + ((to.y - from.y) * i) / steps, size, id);
}

// The area of one class around a pixel (neighbours above, below and beside).
function flood(ids, width, height, x, y, id) {
  const [column, row] = [Math.floor(x), Math.floor(y)];
  if (column < 0 || row < 0 || column >= width || row >= height) return;
  const old = ids[row * width + column];
  if (old === id) return;
  const open = [row * width + column];
  while (open.length) {
    const at = open.pop();
    if (ids[at] !== old) continue;
    ids[at] = id;
    const c = at % width;
    if (c > 0) open.push(at - 1);
    if (c < width - 1) open.push(at + 1);
    if (at >= width) open.push(at - width);
    if (at < ids.length - width) open.push(at + width);
  }
}
