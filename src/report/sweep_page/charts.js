// The charts: Vega specifications of a heat map and of a per-layer curve, drawn when first seen.

const vega = Object.assign({}, ...Object.values(modules));
Object.assign(modules["vega-dataflow"].transforms, modules["vega-transforms"],
  modules["vega-encode"], modules["vega-view-transforms"]);

// Where the cells of an axis lie: by value where values are evenly spaced, or positive and far
// apart; else one beside the other, labelled.
function axisOf(values) {
  const steps = (of) => values.slice(1).map((x, i) => of(x) - of(values[i]));
  const even = (of) => {
    const all = steps(of);
    return all.length > 0 && Math.max(...all) <= 1.01 * Math.min(...all);
  };
  const middles = (of, back) => {
    const at = values.map(of);
    const inner = at.slice(1).map((x, i) => (x + at[i]) / 2);
    const ends = [2 * at[0] - inner[0], ...inner, 2 * at.at(-1) - inner.at(-1)];
    return ends.map(back);
  };
  const positive = values[0] > 0;
  const far = positive && values.length > 2 && values.at(-1) >= 20 * values[0];
  if (!even(Number) && positive && (even(Math.log) || far)) {
    return { type: "log", edges: middles(Math.log, Math.exp) };
  }
  if (even(Number)) return { type: "linear", edges: middles(Number, Number) };
  return { type: "list", edges: [...values.keys(), values.length] };
}
const axes = { a: axisOf(alphas.values), g: axisOf(gammas.values) };

// The place of any value on an axis, between the edges of its cells.
function placeOn(axis, values, x) {
  return axis.type === "list" ? values.filter((it) => it <= x).length : x;
}
function middleOf(axis, i) {
  const [low, high] = [axis.edges[i], axis.edges[i + 1]];
  return axis.type === "log" ? Math.sqrt(low * high) : (low + high) / 2;
}

function theme() {
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue(`--${name}`).trim();
  return {
    ink: colour("ink"), soft: colour("soft"), grid: colour("grid"), axis: colour("axis"),
    missing: colour("missing"), sliding: colour("sliding"), global: colour("global"),
    ground: colour("card"),
  };
}

function config(colours) {
  const text = { labelColor: colours.soft, titleColor: colours.soft, titleFontWeight: "normal",
    labelFont: "system-ui, sans-serif", titleFont: "system-ui, sans-serif", labelFontSize: 11,
    titleFontSize: 12 };
  return {
    background: null,
    axis: { ...text, domainColor: colours.axis, tickColor: colours.axis, gridColor: colours.grid },
    legend: text,
  };
}

function scaleOf(name, axis, range) {
  const type = axis.type === "log" ? "log" : "linear";
  const domain = [axis.edges[0], axis.edges.at(-1)];
  return { name, type, domain, range, zero: false, nice: false, round: true };
}

// Ticks at the values themselves where they are few, or have no other place.
const fewValues = 8;
const ticksOf = (axis, values) => (axis.type === "list" ? values.map((_, i) => i + 0.5) : values);

function tickTexts(name, axis, values) {
  const range = values.map((x) => short(x, 3));
  return { name, type: "ordinal", domain: ticksOf(axis, values), range };
}
function axisSpec(scale, orient, title, axis, values) {
  const plain = { scale, orient, title, labelOverlap: "greedy", labelFlush: false };
  if (axis.type !== "list" && values.length > fewValues) return { ...plain, tickCount: 6 };
  return {
    ...plain,
    values: ticksOf(axis, values),
    encode: { labels: { update: { text: { scale: `${scale}-text`, field: "value" } } } },
  };
}

// Shares and errors over several powers of ten need a logarithmic scale to show anything.
function colourScale(numbers) {
  const positive = numbers.filter((x) => x > 0);
  const high = Math.max(...positive, 0) || 1;
  const low = Math.min(...positive, high);
  const log = high > 30 * low;
  const domain = log ? [low, high] : [Math.min(...numbers, high), high];
  if (domain[0] === domain[1]) domain[0] = 0;
  return {
    name: "colour", type: log ? "log" : "linear", domain, range: { scheme: "viridis" },
    zero: false, nice: false, clamp: true,
  };
}

// Where an edge between cells has the budget on one side only: its runs, as pairs of places.
function runs(length, differs) {
  const found = [];
  for (let i = 0; i < length; ++i) {
    if (!differs(i)) continue;
    if (found.at(-1)?.[1] === i) found.at(-1)[1] = i + 1;
    else found.push([i, i + 1]);
  }
  return found;
}

// The border of what is inside the budget, along the sides of cells and the grid's own border.
function budgetOutline() {
  const { a: { edges: x }, g: { edges: y } } = axes;
  const [columns, rows] = [alphas.values.length, gammas.values.length];
  const inside = (a, g) => a >= 0 && g >= 0 && a < columns && g < rows && insideBudget({ a, g });
  const upright = x.flatMap((edge, a) => runs(rows, (g) => inside(a, g) !== inside(a - 1, g))
    .map(([low, high]) => ({ x: edge, x2: edge, y: y[low], y2: y[high] })));
  const level = y.flatMap((edge, g) => runs(columns, (a) => inside(a, g) !== inside(a, g - 1))
    .map(([low, high]) => ({ x: x[low], x2: x[high], y: edge, y2: edge })));
  return [...upright, ...level];
}
const outline = budgetMetric ? budgetOutline() : [];

function markAt(point) {
  return { x: middleOf(axes.a, point.a), y: middleOf(axes.g, point.g) };
}
function listed(points) {
  return points.map((it) => pointAt(it.alpha, it.gamma_cap)).filter((it) => it.a >= 0 && it.g >= 0);
}
const front = listed(sweep.budget?.front ?? []);
const best = listed(sweep.budget?.best ? [sweep.budget.best] : []);

function saturation() {
  const at = sweep.gamma_saturates_at;
  if (at === null || at === undefined || axes.g.edges.length < 3) return [];
  const y = placeOn(axes.g, gammas.values, at);
  return y > axes.g.edges[0] && y < axes.g.edges.at(-1) ? [{ y }] : [];
}

function cells(metric, layer) {
  const found = [];
  for (let g = 0; g < gammas.values.length; ++g) {
    for (let a = 0; a < alphas.values.length; ++a) {
      const { a: { edges: x }, g: { edges: y } } = axes;
      const shown = metrics[metric].at(layer, { a, g });
      found.push({ a, g, x: x[a], x2: x[a + 1], y: y[g], y2: y[g + 1], shown });
    }
  }
  return found;
}

const across = { x: { scale: "x", field: "x" }, y: { scale: "y", field: "y" } };
const between = { ...across, x2: { scale: "x", field: "x2" }, y2: { scale: "y", field: "y2" } };

function symbols(data, shape, size, look) {
  const update = { ...across, ...look };
  update.shape = { value: shape };
  update.size = { value: size };
  return { type: "symbol", from: { data }, interactive: false, encode: { update } };
}
function lines(data, position, look) {
  const update = { ...position, strokeCap: { value: "square" } };
  for (const [name, it] of Object.entries(look)) update[name] = { value: it };
  return { type: "rule", from: { data }, interactive: false, encode: { update } };
}

function mapSpec(metric, layer, chosen) {
  const colours = theme();
  const values = cells(metric, layer);
  const colour = colourScale(values.map((it) => it.shown).filter((x) => x !== null));
  const log = colour.type === "log";
  const white = { fill: { value: "#fff" }, stroke: { value: "#000" }, strokeWidth: { value: 1 } };
  const hollow = (stroke, width) => ({
    fill: { value: null }, stroke: { value: stroke }, strokeWidth: { value: width },
  });
  const level = { x: { value: 0 }, x2: { signal: "width" }, y: { scale: "y", field: "y" } };
  return {
    autosize: { type: "fit", contains: "padding" },
    padding: { left: 0, top: 0, right: 16, bottom: 4 },  // the last label of the legend reaches out
    config: config(colours),
    data: [
      { name: "cells", values },
      { name: "outline", values: outline },
      { name: "front", values: front.map(markAt) },
      { name: "best", values: best.map(markAt) },
      { name: "saturation", values: saturation() },
      { name: "chosen", values: [markAt(chosen)] },
    ],
    scales: [
      scaleOf("x", axes.a, "width"), scaleOf("y", axes.g, "height"), colour,
      tickTexts("x-text", axes.a, alphas.values), tickTexts("y-text", axes.g, gammas.values),
    ],
    axes: [
      axisSpec("x", "bottom", "α", axes.a, alphas.values),
      { ...axisSpec("y", "left", "γ", axes.g, gammas.values), titleAngle: 0, titlePadding: 8 },
    ],
    legends: [{
      fill: "colour", orient: "top", direction: "horizontal", format: ".2~p", offset: 8,
      tickCount: log ? 5 : 4, gradientLength: { signal: "width" }, gradientThickness: 8,
    }],
    marks: [
      {
        type: "rect", name: "cell", from: { data: "cells" },
        encode: { update: { ...between, fill: [
          { test: "datum.shown === null", value: colours.missing },
          { scale: "colour", field: "shown" },
        ] } },
      },
      lines("saturation", level, { stroke: "#000", strokeWidth: 3, strokeOpacity: 0.5 }),
      lines("saturation", level, { stroke: "#fff", strokeWidth: 1.5, strokeDash: [2, 5] }),
      lines("outline", between, { stroke: "#000", strokeWidth: 4, strokeOpacity: 0.6 }),
      lines("outline", between, { stroke: "#fff", strokeWidth: 2 }),
      symbols("front", "circle", 30, white),
      symbols("best", "diamond", 130, white),
      symbols("chosen", "square", 190, hollow("#000", 4.5)),
      symbols("chosen", "square", 190, hollow("#fff", 2)),
    ],
  };
}

const kinds = [...new Set(layers.map((layer) => layer.kind ?? "global"))];
const shapes = { sliding: "circle", global: "square" };

function curvePoints(metric, point, layer) {
  return layers.map((it) => ({
    layer: it.layer, kind: it.kind ?? "global", shown: metrics[metric].at(it, point),
    chosen: it === layer,
  }));
}

function curveSpec(metric, point, layer) {
  const colours = theme();
  const numbers = layers.map((it) => it.layer);
  const [low, high] = [Math.min(...numbers), Math.max(...numbers)];
  const x = { scale: "x", field: "layer" };
  const y = { scale: "y", field: "shown" };
  return {
    autosize: { type: "fit", contains: "padding", resize: true },
    padding: { left: 0, top: 6, right: 2, bottom: 4 },
    config: config(colours),
    data: [
      { name: "points", values: curvePoints(metric, point, layer) },
      { name: "known", source: "points",
        transform: [{ type: "filter", expr: "datum.shown !== null" }] },
    ],
    scales: [
      { name: "x", domain: [low - 0.5, high + 0.5], range: "width", zero: false, nice: false },
      { name: "y", domain: { data: "known", field: "shown" }, range: "height", zero: true,
        nice: true },
      { name: "colour", type: "ordinal", domain: ["sliding", "global"],
        range: [colours.sliding, colours.global] },
      { name: "shape", type: "ordinal", domain: ["sliding", "global"],
        range: [shapes.sliding, shapes.global] },
    ],
    axes: [
      { scale: "x", orient: "bottom", title: "layer", format: "d", tickMinStep: 1, tickCount: 8,
        labelOverlap: "greedy" },
      { scale: "y", orient: "left", format: ".2~p", tickCount: 4, grid: true, domain: false,
        ticks: false, minExtent: 40 },
    ],
    marks: [
      {
        type: "line", from: { data: "points" }, interactive: false,
        encode: { update: { x, y, defined: { signal: "datum.shown !== null" },
          stroke: { value: colours.axis }, strokeWidth: { value: 1.25 } } },
      },
      {
        type: "symbol", from: { data: "known" },
        encode: { update: { x, y, shape: { scale: "shape", field: "kind" },
          size: { signal: "datum.chosen ? 170 : datum.kind === 'global' ? 62 : 42" },
          fill: { scale: "colour", field: "kind" },
          stroke: { signal: `datum.chosen ? '${colours.ink}' : '${colours.ground}'` },
          strokeWidth: { signal: "datum.chosen ? 2 : 1" } } },
      },
    ],
  };
}

// One chart in its host: drawn when it first comes into view, and again when its data changed and
// it is in view. `data` gives the data sets that a change of the chosen point replaces.
class Chart {
  static all = [];
  static seen = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) {
      const chart = Chart.all.find((it) => it.host === target);
      chart.visible = isIntersecting;
      if (isIntersecting) chart.refresh();
    }
  }, { rootMargin: "200px" });
  static sized = new ResizeObserver((entries) => {
    for (const { target } of entries) Chart.all.find((it) => it.host === target).resize();
  });

  constructor(host, renderer, height, spec, data) {
    Object.assign(this, { host, renderer, height, spec, data, visible: false, stale: null });
    Chart.all.push(this);
    Chart.seen.observe(host);
    Chart.sized.observe(host);
  }

  // What has changed: "all" (another specification) or "data"; "all" stays until it is drawn.
  change(what) {
    if (this.stale !== "all") this.stale = what;
    if (this.visible) this.refresh();
  }

  refresh() {
    if (!this.view || this.stale === "all") this.draw();
    else if (this.stale === "data") this.update();
    this.stale = null;
  }

  draw() {
    this.view?.finalize();
    this.host.replaceChildren();
    this.width = this.host.clientWidth;
    const height = this.height(this.width);
    // The expressions are interpreted, so that the page can forbid eval.
    const runtime = vega.parse({ ...this.spec(), width: this.width, height }, null, { ast: true });
    this.view = new vega.View(runtime, {
      renderer: this.renderer, container: this.host, expr: vega.expressionInterpreter,
      logLevel: vega.Warn,
    });
    for (const [type, listener] of Object.entries(this.listeners ?? {})) {
      this.view.addEventListener(type, listener);
    }
    this.view.run();
  }

  update() {
    for (const [name, values] of Object.entries(this.data())) this.view.data(name, values);
    this.view.run();
  }

  resize() {
    if (!this.view || this.host.clientWidth === this.width || !this.host.clientWidth) return;
    this.width = this.host.clientWidth;
    this.view.width(this.width).height(this.height(this.width)).run();
  }
}
