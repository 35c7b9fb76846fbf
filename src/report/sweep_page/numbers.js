// What is chosen, and its numbers: the panel beside the first map and the tables.

const at = (id) => document.getElementById(id);
function make(tag, properties = {}, ...children) {
  const { data, ...own } = properties;
  const element = Object.assign(document.createElement(tag), own);
  Object.assign(element.dataset, data);
  element.append(...children);
  return element;
}

const start = best[0] ?? front[0] ??
  { a: alphas.values.length >> 1, g: gammas.values.length >> 1 };
const chosen = { point: start, layer: total };
const maps = Object.keys(explanations).filter((metric) =>
  layers.some((layer) => gammas.plan.some((_, g) => alphas.plan.some((_, a) =>
    metrics[metric].at(layer, { a, g }) !== null))));

const nameOf = (layer) =>
  layer === total ? "all layers" : `layer ${layer.layer}` + (layer.kind ? `, ${layer.kind}` : "");

// A number with its full value beside it, for whoever reads the page by program.
function numberCell(tag, metric, layer, point) {
  const x = metrics[metric].at(layer, point);
  const data = { metric, value: x === null ? "" : numberText(x) };
  return make(tag, { data, textContent: metrics[metric].show(x) });
}

// The numbers of the chosen point: a row a quantity, a column a matrix.
function fillNumbers() {
  const { point, layer } = chosen;
  const row = (title, ...cells) =>
    make("tr", {}, make("th", { scope: "row", textContent: title }), ...cells);
  const blank = () => make("td");
  const both = (metric) => numberCell("td", metric, layer, point);
  const one = (part, field, show, of) => {
    if (!fields[part].includes(field)) return blank();
    const x = value(layer, part, field, point);
    const cell = make("td", {
      textContent: show(x), data: { metric: `${part}_${field}`, value: numberText(x) },
    });
    const shared = of ? share(layer, [part], field, of, point) : null;
    if (shared !== null) cell.prepend(make("span", { textContent: percent(shared) }));
    return cell;
  };
  const rows = [
    ["Drift", "drift", percent, null, both("drift")],
    ["Changed", "changed", count, "covered", both("changed_share")],
    ["Lost edits", "lost", count, "moved", both("lost_share")],
    ["Clamped", "clamped", count, "covered", blank()],
    ["Sign flips", "sign_flips", count, null, both("sign_flips")],
    ["Mean shift", "mean_shift", scientific, null, blank()],
    ["Moved", "moved", count, "covered", blank()],
    ["Covered", "covered", count, null, blank()],
  ];
  const weights = rows.map(([title, field, show, of, last]) =>
    row(title, one("gate", field, show, of), one("down", field, show, of), last));
  const heads = ["", "gate", "down", "both"].map((textContent) =>
    make(textContent ? "th" : "td", textContent ? { scope: "col", textContent } : {}));
  const figures = ["error_after_norm", "output_error", "output_cosine", "output_mean_shift"]
    .filter(() => layer.output)
    .map((metric) => make("div", {}, make("dt", { textContent: metrics[metric].name }),
      numberCell("dd", metric, layer, point)));
  at("numbers").replaceChildren(
    make("dl", { className: "figures" }, ...figures),
    make("table", {}, make("caption", { textContent: `Weights, ${nameOf(layer)}` }),
      make("thead", {}, make("tr", {}, ...heads)), make("tbody", {}, ...weights)));
}

const tableMetrics = Object.keys(metrics).filter((metric) =>
  maps.includes("error_after_norm") || metric !== "error_after_norm").filter((metric) =>
  total.output || !metric.startsWith("output"));

const headCell = (textContent) => make("th", { scope: "col", textContent });
function table(heads, rows) {
  return make("table", {},
    make("thead", {}, make("tr", {}, ...heads.map(headCell))), make("tbody", {}, ...rows));
}
const metricHeads = tableMetrics.map((metric) => metrics[metric].name);
const metricCells = (layer, point) =>
  tableMetrics.map((metric) => numberCell("td", metric, layer, point));
const plain = (textContent) => make("td", { textContent });

function chooseButton(point, text = "Choose") {
  const button = make("button", { type: "button", textContent: text });
  const [alpha, gamma] = [alphas.values[point.a], gammas.values[point.g]];
  button.setAttribute("aria-label", `${text} α ${short(alpha)}, γ ${short(gamma)}`);
  button.addEventListener("click", () => choose(point));
  return make("td", {}, button);
}
function axisCells(point) {
  return [alphas.values[point.a], gammas.values[point.g]].map((x) => {
    const text = numberText(x);
    return make("td", { textContent: short(x), title: text, data: { value: text } });
  });
}

function fillBudget() {
  const { metric, limit, front: list, best: first } = sweep.budget ?? { front: [] };
  if (!budgetMetric) return at("budget-text").replaceChildren("The sweep has no budget.");
  const name = metrics[metric].name.toLowerCase();
  const bound = `${name} ≤ ${percent(limit)} over all layers`;
  const ofFirst = first ? `: α ${short(first.alpha)}, γ ${short(first.gamma_cap)}` : "";
  at("budget-text").textContent = list.length
    ? `The points with ${bound} that no other of them exceeds in both α and γ. `
      + `The best has the largest |α|·γ${ofFirst}.`
    : `No point of the grid has ${bound}: sweep smaller α or γ, or allow more.`;
  if (!list.length) return at("front").remove();
  const rows = list.map((it) => {
    const point = pointAt(it.alpha, it.gamma_cap);
    const isBest = first && it.alpha === first.alpha && it.gamma_cap === first.gamma_cap;
    const shown = plain(metrics[metric].show(it.value));
    shown.dataset.value = numberText(it.value);
    return make("tr", { className: isBest ? "best" : "" }, ...axisCells(point), shown,
      chooseButton(point, isBest ? "Choose best" : "Choose"));
  });
  at("front").replaceChildren(table(["α", "γ", metrics[metric].name, ""], rows));
}

function fillEvaluations() {
  if (!sweep.evaluations.length) return;
  at("evaluations").hidden = false;
  const rows = sweep.evaluations.map((it) => {
    const point = pointAt(it.alpha, it.gamma_cap);
    const said = evaluationNames.map((name) => plain(numberText(it.metrics[name])));
    return make("tr", {}, ...axisCells(point), ...said, chooseButton(point));
  });
  at("evaluation-table").replaceChildren(table(["α", "γ", ...evaluationNames, ""], rows));
}

function fillLayerTable() {
  if (!at("layer-details").open) return;
  const rows = [...layers, total].map((layer) =>
    make("tr", {}, plain(layer === total ? "all" : String(layer.layer)), plain(layer.kind ?? ""),
      ...metricCells(layer, chosen.point)));
  at("layer-table").replaceChildren(table(["layer", "kind", ...metricHeads], rows));
}

// In steps, so that a large grid opens at once.
const rowsAtOnce = 512;
function fillPointTable() {
  if (!at("point-details").open || at("point-table").childElementCount) return;
  const points = gammas.values.flatMap((_, g) => alphas.values.map((_, a) => ({ a, g })));
  const shown = table(["α", "γ", ...metricHeads], []);
  const more = make("button", { type: "button" });
  const grow = () => {
    const rows = points.splice(0, rowsAtOnce).map((point) =>
      make("tr", {}, ...axisCells(point), ...metricCells(total, point)));
    shown.tBodies[0].append(...rows);
    more.textContent = `Show more, ${count(points.length)} are left`;
    if (!points.length) more.remove();
  };
  at("point-table").replaceChildren(shown, more);
  more.addEventListener("click", grow);
  grow();
}

