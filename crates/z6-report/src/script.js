(() => {
"use strict";
const $ = (s, e = document) => [...e.querySelectorAll(s)], NS = "http://www.w3.org/2000/svg";
const low = b => b <= 0 ? 0 : b >= 249 ? 2 ** 41 : (8 + (b - 1) % 8) * 2 ** (7 + Math.floor((b - 1) / 8));
const sig = x => x >= 100 ? Math.round(x).toLocaleString("en") : x >= 10 ? x.toFixed(1) : x.toFixed(2);
const dur = ns => ns < 1e3 ? Math.round(ns) + " ns" : ns < 1e6 ? sig(ns / 1e3) + " µs" : ns < 1e9 ? sig(ns / 1e6) + " ms" : sig(ns / 1e9) + " s";
const clock = ns => { const s = ns / 1e9; return s < 120 ? s.toFixed(s < 10 ? 2 : 1) + " s" : Math.floor(s / 3600) + ":" + String(Math.floor(s / 60) % 60).padStart(2, "0") + ":" + String(Math.floor(s) % 60).padStart(2, "0"); };
const points = path => { const out = []; let x = 0, y = 0; for (const m of path.getAttribute("d").matchAll(/([MlhH])(-?\d+)(?: ?(-?\d+))?/g)) { if (m[1] == "M") { x = +m[2]; y = +m[3]; } else if (m[1] == "l") { x += +m[2]; y += +m[3]; } else continue; out.push([x, y]); } return out; };
const tip = document.createElement("div"); tip.id = "tip"; tip.hidden = true; tip.setAttribute("role", "status");
const charts = $("svg[data-y]").map(svg => {
  const inner = svg.querySelector("svg.in"), box = inner.viewBox.baseVal, d = svg.dataset;
  const c = { svg, inner, w: box.width, h: box.height, t: +d.t || 0, labels: $("g.x text", svg), lines: $("path[data-n][fill=none]", inner).map(p => [p.dataset.n, points(p)]) };
  c.texts = c.labels.map(l => [l.textContent, l.getAttribute("x")]);
  c.value = y => { const f = 1 - y / c.h; if (d.y == "lin") return sig(f * d.top / 10) + d.unit; const p = +d.unit + f * (d.top - d.unit + 1), b = Math.floor(p); return dur(low(b) + (p - b) * (low(b + 1) - low(b))); };
  c.cross = document.createElementNS(NS, "path"); c.cross.setAttribute("stroke", "#888"); c.cross.setAttribute("vector-effect", "non-scaling-stroke"); c.cross.setAttribute("fill", "none"); inner.append(c.cross);
  svg.tabIndex = 0; return c;
});
const timed = charts.filter(c => c.t);
let view = [0, 1], at = null;
const show = (c, x) => {
  at = x;
  for (const o of c.t ? timed : [c]) o.cross.setAttribute("d", `M${x} 0V${o.h}`);
  const rows = c.lines.map(([n, ps]) => { let best = null; for (const p of ps) if (!best || Math.abs(p[0] - x) < Math.abs(best[0] - x)) best = p; return best && Math.abs(best[0] - x) < c.w / 40 ? `${n}  ≈ ${c.value(best[1])}` : null; }).filter(Boolean).reverse();
  tip.textContent = (c.t ? [clock(x / c.w * c.t)] : [`all but 1 of ${sig(10 ** ((c.lines[0] ? x / c.w : 0) * c.w / 9200 * (c.decades || 0)))}`].slice(c.decades ? 0 : 1)).concat(rows).join("\n");
  const host = c.svg.parentElement, r = c.inner.getBoundingClientRect(), q = host.getBoundingClientRect(), b = c.inner.viewBox.baseVal;
  host.append(tip); tip.hidden = false;
  const px = r.left - q.left + host.scrollLeft + (x - b.x) / b.width * r.width;
  tip.style.left = (px > host.clientWidth / 2 + host.scrollLeft ? px - tip.offsetWidth - 12 : px + 12) + "px"; tip.style.top = "12px";
};
const hide = () => { tip.hidden = true; at = null; for (const c of charts) c.cross.removeAttribute("d"); };
const reset = document.createElement("button"); reset.className = "zoomed"; reset.textContent = "Show the whole run"; reset.hidden = true; reset.type = "button";
const zoom = (a, b) => {
  view = [a, b]; const whole = a <= 0 && b >= 1; reset.hidden = whole;
  for (const c of timed) {
    c.inner.setAttribute("viewBox", `${a * c.w} 0 ${(b - a) * c.w} ${c.h}`);
    c.labels.forEach((l, i) => { const n = c.labels.length - 1 || 1; l.textContent = whole ? c.texts[i][0] : clock((a + (b - a) * i / n) * c.t); l.setAttribute("x", whole ? c.texts[i][1] : 68 + 920 * i / n); });
  }
  hide();
};
reset.onclick = () => zoom(0, 1);
const main = document.querySelector("main"); if (main) main.append(reset);
for (const c of charts) {
  const xOf = e => { const r = c.inner.getBoundingClientRect(), b = c.inner.viewBox.baseVal; return Math.round(b.x + Math.min(1, Math.max(0, (e.clientX - r.left) / r.width)) * b.width); };
  let from = null, rect = null;
  c.svg.addEventListener("pointermove", e => { const x = xOf(e); show(c, x); if (from !== null) { rect ||= c.inner.appendChild(document.createElementNS(NS, "rect")); for (const [k, v] of Object.entries({ x: Math.min(x, from), width: Math.abs(x - from), height: c.h, fill: "#2684c8", "fill-opacity": .2 })) rect.setAttribute(k, v); } });
  c.svg.addEventListener("pointerleave", () => { if (from === null) hide(); });
  if (c.t) {
    c.svg.addEventListener("pointerdown", e => { if (e.pointerType == "mouse" && e.button == 0) { from = xOf(e); c.svg.setPointerCapture(e.pointerId); e.preventDefault(); c.svg.focus(); } });
    c.svg.addEventListener("pointerup", e => { if (from !== null) { const x = xOf(e), [a, b] = [Math.min(x, from), Math.max(x, from)]; rect && rect.remove(); rect = from = null; if (b - a > c.w * (view[1] - view[0]) / 100) zoom(a / c.w, b / c.w); } });
    c.svg.addEventListener("dblclick", () => zoom(0, 1));
  }
  c.svg.addEventListener("keydown", e => {
    const b = c.inner.viewBox.baseVal, step = b.width / 100, x = at ?? b.x + b.width / 2;
    if (e.key == "ArrowLeft") show(c, Math.max(b.x, Math.round(x - step))); else if (e.key == "ArrowRight") show(c, Math.min(b.x + b.width, Math.round(x + step)));
    else if (e.key == "Escape") { hide(); zoom(0, 1); } else if (c.t && (e.key == "+" || e.key == "-")) { const k = e.key == "+" ? .5 : 2, m = x / c.w, l = (view[1] - view[0]) * k; zoom(Math.max(0, m - l / 2), Math.min(1, m + l / 2)); }
    else return;
    e.preventDefault();
  });
  c.svg.addEventListener("blur", hide);
}
for (const table of $("table")) {
  const body = table.tBodies[0]; if (!body || body.rows.length < 3) continue;
  $("thead th", table).forEach((th, i) => {
    if (!th.textContent) return;
    const button = document.createElement("button"); button.type = "button"; button.textContent = th.textContent; th.textContent = ""; th.append(button);
    button.onclick = () => {
      const down = th.getAttribute("aria-sort") != "descending"; $("thead th", table).forEach(o => o.removeAttribute("aria-sort")); th.setAttribute("aria-sort", down ? "descending" : "ascending");
      const key = r => { const c = r.cells[i], v = c && c.dataset.v; return v ? +v : v === "" ? -1 : c ? c.textContent : ""; };
      const rows = [...body.rows], rest = rows.filter(r => r.className == "rest");
      rows.filter(r => r.className != "rest").sort((p, q) => { const a = key(p), b = key(q); return (a < b ? -1 : a > b ? 1 : 0) * (down ? -1 : 1); }).concat(rest).forEach(r => body.append(r));
    };
  });
}
if (location.protocol.startsWith("http")) try {
  // A page that is served of a run in progress is loaded again and again: what its reader chose stays.
  const key = "z6 " + location.pathname, kept = JSON.parse(sessionStorage.getItem(key) || "{}"), name = d => d.querySelector("summary").textContent, caption = t => t.caption && t.caption.textContent;
  $("details").forEach(d => { if (kept.open && kept.open.includes(name(d))) d.open = true; });
  $("input[type=radio]").forEach(i => { if (kept.marked && kept.marked.includes(i.id)) i.checked = true; });
  for (const t of $("table")) for (const [c, i, down] of kept.sorted || []) if (c == caption(t)) { const b = t.querySelectorAll("thead th")[i]?.querySelector("button"); if (b) { b.click(); if (!down) b.click(); } }
  const length = timed.length && timed[0].t;
  if (length && kept.view) zoom(kept.view[0] / length, Math.min(1, kept.view[1] / length));
  addEventListener("pagehide", () => sessionStorage.setItem(key, JSON.stringify({
    open: $("details[open]").map(name), marked: $("input[type=radio]:checked").map(i => i.id),
    sorted: $("th[aria-sort]").map(th => [caption(th.closest("table")), th.cellIndex, th.getAttribute("aria-sort") == "descending"]),
    view: length && !reset.hidden ? view.map(v => v * length) : null,
  })));
} catch { /* The browser keeps nothing: the page begins anew. */ }
})();
