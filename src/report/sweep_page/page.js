// The page: words, controls and charts, and everything that follows a choice.

function fillHeader() {
  const { parameters } = sweep;
  const [columns, rows] = [alphas.values.length, gammas.values.length];
  const counted = (n, noun) => `${count(n)} ${noun}${n === 1 ? "" : "s"}`;
  const probes = {
    seeded: `${count(parameters.probe_tokens)} seeded probe tokens, seed ${parameters.probe_seed}`,
    captured: "captured probes",
  };
  const facts = [
    `${columns} α × ${rows} γ = ${counted(columns * rows, "point")}`,
    counted(layers.length, "layer"),
    probes[parameters.probe] ?? "no probes: weight metrics only",
    `variance norm ${parameters.variance_norm}`,
    `rounding ${parameters.rounding}`,
    ...(parameters.exact ? ["exact"] : []),
  ];
  at("model").textContent = sweep.model;
  at("weights").textContent = sweep.weights;
  at("facts").append(...facts.map((text) => make("li", { textContent: text })));
  document.title = `Sweep of α and γ: ${sweep.model}`;
  at("lead-budget").textContent = outline.length
    ? "; the outline holds what is inside the budget"
    : "";
}

function fillNotes() {
  const { exact, rounding, probe } = sweep.parameters;
  const stochastic = rounding === "stochastic";
  const notes = [
    "Changed, lost, clamped and sign flips are counted over the stored bits of the covered weights"
      + (stochastic && !exact
        ? "; rounding is stochastic, so changed and lost are expectations, not one outcome."
        : "."),
    exact
      ? "Drift, mean shift and output are of the stored weights, after rounding."
      : "Drift, mean shift and output are of the edit before rounding to the stored type.",
    "All layers together: numerators and denominators are added up first, so large layers weigh"
      + " more.",
    probe === "seeded"
      ? "The probes are seeded random rows, normalised as the layer's own input norm does it;"
        + " they are not text."
      : probe === "captured"
        ? "The probes are inputs captured from a running model."
        : "Without probes the page knows how far weights move, not what that does to the output.",
    "None of these numbers is a loss or a benchmark: they rank points, and a point that you mean to"
      + " use deserves an evaluation.",
  ];
  const limit = sweep.gamma_saturates_at;
  if (limit !== null && limit !== undefined) {
    notes.push(`The largest |Δ_gate| is ${short(limit)}: a larger γ clamps nothing and gives the`
      + " same checkpoint.");
  }
  at("notes").append(...notes.map((text) => make("li", { textContent: text })));
  at("notes").append(make("li", {
    textContent: `Made by ContourFuse ${sweep.version}; drawn by Vega, which is in this file.`,
  }));
}

function fillKeys() {
  const mark = (kind) => make("span", { className: `mark ${kind}`, ariaHidden: "true" });
  const entry = (kind, text) => make("span", {}, mark(kind), text);
  const key = [entry("chosen", "chosen point")];
  if (budgetMetric) {
    const name = metrics[budgetMetric].name.toLowerCase();
    if (outline.length) key.push(entry("outline", `${name} ≤ ${percent(sweep.budget.limit)}`));
    if (front.length) key.push(entry("front", "Pareto front"));
    if (best.length) key.push(entry("best", "best of it"));
  }
  if (saturation().length) key.push(entry("saturated", "γ saturates above"));
  at("map-key").append(...key);
  at("curve-key").append(...["sliding", "global"].filter((kind) => kinds.includes(kind))
    .map((kind) => entry(kind, `${kind} layer`)));
}

function summaryText() {
  const { point, layer } = chosen;
  const said = maps.map((metric) => {
    const { name, show, at: measure } = metrics[metric];
    return `${name.toLowerCase()} ${show(measure(layer, point))}`;
  });
  const name = nameOf(layer);
  const place = insideBudget(point) ? "inside" : "outside";
  const budget = budgetMetric ? `; the point is ${place} the budget` : "";
  return `${name[0].toUpperCase()}${name.slice(1)}: ${said.join(", ")}${budget}.`;
}

function fillControls() {
  const { a, g } = chosen.point;
  for (const [id, axis, place] of [["alpha", alphas, a], ["gamma", gammas, g]]) {
    const text = numberText(axis.values[place]);
    at(id).value = place;
    at(id).setAttribute("aria-valuetext", text);
    at(`${id}-text`).textContent = short(axis.values[place]);
    at(`${id}-text`).title = text;
  }
  at("layer").value = String(layers.indexOf(chosen.layer));
  at("summary").textContent = summaryText();
  at("command").textContent = command(chosen.point);
  at("copied").textContent = "";
}

function download(name, pieces) {
  const link = make("a", {
    href: URL.createObjectURL(new Blob(pieces, { type: "text/csv" })), download: name,
  });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

async function copyCommand() {
  let done = true;
  try {
    await navigator.clipboard.writeText(at("command").textContent);
  } catch {
    getSelection().selectAllChildren(at("command"));
    done = document.execCommand("copy");
  }
  at("copied").textContent = done ? "Copied" : "Select it and copy by hand";
}

const charts = { maps: [], curves: [] };

let waiting = false;
function follow() {
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(() => {
    waiting = false;
    fillNumbers();
    fillLayerTable();
    for (const chart of Chart.all) chart.change("data");
  });
}

function choose(point, layer = chosen.layer) {
  const another = layer !== chosen.layer;
  Object.assign(chosen, { point, layer });
  fillControls();
  if (another) {
    nameMaps();
    for (const chart of charts.maps) chart.change("all");
  }
  follow();
}

function step(da, dg) {
  const within = (i, axis) => Math.max(0, Math.min(axis.values.length - 1, i));
  choose({ a: within(chosen.point.a + da, alphas), g: within(chosen.point.g + dg, gammas) });
}

function showTip(event, lines) {
  const tip = at("tip");
  tip.replaceChildren(...lines.map((textContent) => make("div", { textContent })));
  tip.hidden = false;
  const { clientX: x, clientY: y } = event;
  const left = Math.min(x + 14, document.documentElement.clientWidth - tip.offsetWidth - 8);
  const top = y + 18 + tip.offsetHeight > innerHeight ? y - 10 - tip.offsetHeight : y + 18;
  Object.assign(tip.style, { left: `${Math.max(8, left)}px`, top: `${top}px` });
}
const hideTip = () => (at("tip").hidden = true);

function figure(parent, group, metric, host, level) {
  const title = make(level, { textContent: metrics[metric].name });
  title.id = `${group}-${metric}`;
  const scope = make("span", { className: "scope" });
  title.append(scope);
  parent.append(title, make("p", { textContent: explanations[metric] }), host);
  host.setAttribute("aria-labelledby", title.id);
  return scope;
}

const scopes = [];
function nameMaps() {
  const text = chosen.layer === total ? "" : ` · ${nameOf(chosen.layer)}`;
  for (const scope of scopes) scope.textContent = text;
}

// Steps along α and γ; the last four go to an end.
const mapKeys = {
  ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowDown: [0, -1], ArrowUp: [0, 1],
  Home: [-Infinity, 0], End: [Infinity, 0], PageDown: [0, -Infinity], PageUp: [0, Infinity],
};

function addMap(parent, metric, height, level) {
  const host = make("div", { className: "chart map", tabIndex: 0, data: { map: metric } });
  host.setAttribute("role", "application");
  host.setAttribute("aria-roledescription", "heat map");
  host.setAttribute("aria-describedby", "summary");
  host.setAttribute("aria-keyshortcuts", Object.keys(mapKeys).join(" "));
  scopes.push(figure(parent, "map", metric, host, level));
  const chart = new Chart(host, "canvas", height,
    () => mapSpec(metric, chosen.layer, chosen.point),
    () => ({ chosen: [markAt(chosen.point)] }));
  const cellOf = (item) => (item?.mark.name === "cell" ? item.datum : null);
  chart.listeners = {
    click: (_, item) => {
      const cell = cellOf(item);
      if (cell) choose({ a: cell.a, g: cell.g });
    },
    mousemove: (event, item) => {
      const cell = cellOf(item);
      if (!cell) return hideTip();
      const { name, show } = metrics[metric];
      showTip(event, [`${name} ${show(cell.shown)}`,
        `α ${short(alphas.values[cell.a])}, γ ${short(gammas.values[cell.g])}`]);
    },
    mouseout: hideTip,
  };
  host.addEventListener("keydown", (event) => {
    if (!mapKeys[event.key] || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    step(...mapKeys[event.key]);
  });
  charts.maps.push(chart);
}

function addCurve(parent, metric) {
  const host = make("div", { className: "chart", data: { curve: metric } });
  host.setAttribute("role", "img");
  figure(parent, "curve", metric, host, "h3");
  const chart = new Chart(host, "svg", () => 190,
    () => curveSpec(metric, chosen.point, chosen.layer),
    () => ({ points: curvePoints(metric, chosen.point, chosen.layer) }));
  const layerOf = (item) => layers.find((it) => it.layer === item?.datum?.layer);
  chart.listeners = {
    click: (_, item) => {
      const layer = layerOf(item);
      if (layer) choose(chosen.point, layer === chosen.layer ? total : layer);
    },
    mousemove: (event, item) => {
      const layer = layerOf(item);
      if (!layer) return hideTip();
      const { name, show } = metrics[metric];
      showTip(event, [nameOf(layer), `${name} ${show(item.datum.shown)}`]);
    },
    mouseout: hideTip,
  };
  charts.curves.push(chart);
}

function addCharts() {
  const [first, ...others] = maps;
  addMap(at("first-map"), first, (width) => Math.max(260, Math.min(430, 0.75 * width)), "h2");
  at("first-map").setAttribute("aria-labelledby", `map-${first}`);
  at("first-map").append(at("map-key"));
  for (const metric of others) {
    const card = make("section", { className: "card" });
    at("maps").append(card);
    addMap(card, metric, () => 250, "h3");
  }
  for (const metric of maps) {
    const card = make("section", { className: "card" });
    at("curves").append(card);
    addCurve(card, metric);
  }
}

function listen() {
  at("alpha").max = alphas.values.length - 1;
  at("gamma").max = gammas.values.length - 1;
  for (const [id, axis] of [["alpha", "a"], ["gamma", "g"]]) {
    at(id).addEventListener("input", () =>
      choose({ ...chosen.point, [axis]: at(id).valueAsNumber }));
  }
  at("layer").append(make("option", { value: "-1", textContent: "all together" }));
  at("layer").append(...layers.map((layer, i) =>
    make("option", { value: String(i), textContent: nameOf(layer) })));
  at("layer").addEventListener("change", () =>
    choose(chosen.point, layers[at("layer").value] ?? total));
  at("controls").addEventListener("submit", (event) => event.preventDefault());
  at("copy").addEventListener("click", copyCommand);
  at("csv-all").addEventListener("click", () => download("results.csv", csv([...layers, total])));
  at("csv-totals").addEventListener("click", () => download("totals.csv", csv([total])));
  at("layer-details").addEventListener("toggle", fillLayerTable);
  at("point-details").addEventListener("toggle", fillPointTable);

  const redraw = () => Chart.all.forEach((chart) => chart.change("all"));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  // A canvas is as sharp as the screen was when it was drawn; zooming changes that.
  const watchSharpness = () =>
    matchMedia(`(resolution: ${devicePixelRatio}dppx)`).addEventListener("change", () => {
      redraw();
      watchSharpness();
    }, { once: true });
  watchSharpness();
  // Paper is light, and it shows what was never scrolled to.
  const printing = (on) => {
    document.documentElement.classList.toggle("printing", on);
    for (const chart of Chart.all) chart.draw();
  };
  addEventListener("beforeprint", () => printing(true));
  addEventListener("afterprint", () => printing(false));
  addEventListener("keydown", (event) => event.key === "Escape" && hideTip());
  addEventListener("scroll", hideTip, { passive: true });
}

fillHeader();
fillNotes();
listen();
addCharts();
fillKeys();
fillBudget();
fillEvaluations();
fillControls();
fillNumbers();
