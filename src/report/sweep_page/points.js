// The document as the page asks of it: axes, metrics of a layer at a point, the CSV, the command.
// A point is {a, g}: places on the two axes in ascending order of their values.

const sweep = JSON.parse(document.getElementById("document").textContent);
const total = sweep.layers.at(-1);
const layers = sweep.layers.slice(0, -1);

// The values ascending, and for each its place in the plan, by which the document is ordered.
function ascending(values) {
  const plan = values.map((_, place) => place).sort((i, j) => values[i] - values[j]);
  return { values: plan.map((place) => values[place]), plan };
}
const alphas = ascending(sweep.alphas);
const gammas = ascending(sweep.gammas);

function pointAt(alpha, gamma) {
  return { a: alphas.values.indexOf(alpha), g: gammas.values.indexOf(gamma) };
}

// One number of the document, or null. A gate's numbers lie along γ, a down's along α.
function value(layer, part, field, point) {
  const values = layer[part]?.[field];
  if (typeof values === "number") return values;
  const a = alphas.plan[point.a];
  const g = gammas.plan[point.g];
  const place = { gate: g, down: a, output: g * alphas.values.length + a }[part];
  return values?.[place] ?? null;
}

const bothParts = ["gate", "down"];

function sum(layer, parts, field, point) {
  const known = parts.map((part) => value(layer, part, field, point)).filter((x) => x !== null);
  return known.length ? known.reduce((x, y) => x + y) : null;
}

// A quotient of counts that are added up first; null over zero.
function share(layer, parts, field, of, point) {
  const count = sum(layer, parts, field, point);
  const whole = sum(layer, parts, of, point);
  return count === null || !whole ? null : count / whole;
}

function pooledDrift(layer, point) {
  const known = bothParts
    .map((part) => value(layer, part, "drift", point))
    .filter((x) => x !== null);
  return known.length ? Math.hypot(...known) : null;
}

const rounded = new Intl.NumberFormat("en", { maximumSignificantDigits: 3 });
const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });
const none = "–";

function percent(x) {
  if (x === null) return none;
  const shown = 100 * x;
  const small = shown !== 0 && Math.abs(shown) < 1e-3;
  return (small ? shown.toExponential(1) : rounded.format(shown)) + " %";
}
const count = (x) => (x === null ? none : whole.format(x));
const scientific = (x) => (x === null ? none : x === 0 ? "0" : x.toExponential(2));
const cosine = (x) => (x === null ? none : x.toFixed(6));
// A value of an axis, short; the full one is in titles, tables and the command.
const short = (x, digits = 4) => String(Number(x.toPrecision(digits)));

const output = (field) => (layer, point) => value(layer, "output", field, point);
const metrics = {
  error_after_norm: { name: "Error after the norm", show: percent, at: output("error_after_norm") },
  output_error: { name: "Output error", show: percent, at: output("error") },
  output_cosine: { name: "Output cosine", show: cosine, at: output("cosine") },
  output_mean_shift: { name: "Output mean shift", show: scientific, at: output("mean_shift") },
  drift: { name: "Pooled drift", show: percent, at: pooledDrift },
  gate_drift: { name: "Gate drift", show: percent, at: (l, p) => value(l, "gate", "drift", p) },
  down_drift: { name: "Down drift", show: percent, at: (l, p) => value(l, "down", "drift", p) },
  changed_share: {
    name: "Changed", show: percent, at: (l, p) => share(l, bothParts, "changed", "covered", p),
  },
  lost_share: {
    name: "Lost edits", show: percent, at: (l, p) => share(l, bothParts, "lost", "moved", p),
  },
  clamped_share: {
    name: "Clamped", show: percent, at: (l, p) => share(l, ["gate"], "clamped", "covered", p),
  },
  sign_flips: { name: "Sign flips", show: count, at: (l, p) => sum(l, bothParts, "sign_flips", p) },
};

// What is under the name of a map and of a curve.
const explanations = {
  error_after_norm: "relative error of the MLP's output behind the post norm, on probes",
  drift: "√(gate² + down²), each relative to its own weights",
  lost_share: "edits that rounding to the stored type swallowed, gate and down",
  clamped_share: "gate weights whose edit γ caps; α has no part in it",
};

const budgetMetric = sweep.budget?.metric;
function insideBudget(point) {
  const x = metrics[budgetMetric]?.at(total, point);
  return x !== null && x !== undefined && x <= sweep.budget.limit;
}

// The texts of results.csv: the shortest that reads back as the same number.
function numberText(x) {
  if (x === null || x === undefined) return "";
  if (Number.isInteger(x) && Math.abs(x) < 2 ** 53) return String(x || 0);
  const [digits, power] = x.toExponential().split("e");
  if (power >= -4 && power < 16) return String(x);
  return `${digits}e${power < 0 ? "-" : "+"}${String(Math.abs(power)).padStart(2, "0")}`;
}
function cellText(text) {
  return /[,"\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

const fields = {
  gate: ["covered", "moved", "drift", "changed", "lost", "clamped", "sign_flips", "mean_shift"],
  down: ["covered", "moved", "drift", "changed", "lost", "sign_flips", "mean_shift"],
  output: ["error", "cosine", "mean_shift", "error_after_norm"],
};
const columns = Object.entries(fields).flatMap(([part, names]) => names.map((it) => [part, it]));
const evaluationNames = [
  ...new Set(sweep.evaluations.flatMap((evaluation) => Object.keys(evaluation.metrics))),
].sort();

function evaluationAt(alpha, gamma) {
  return sweep.evaluations.find((it) => it.alpha === alpha && it.gamma_cap === gamma);
}

// The lines of results.csv in the order of the plan, as pieces for a Blob.
function csv(ofLayers) {
  const names = [
    "alpha", "gamma_cap", "layer", ...columns.map((path) => path.join("_")),
    ...evaluationNames.map((name) => cellText(`evaluation_${name}`)),
  ];
  const pieces = [names.join(",") + "\n"];
  for (const gamma of sweep.gammas) {
    for (const alpha of sweep.alphas) {
      const point = pointAt(alpha, gamma);
      const found = evaluationAt(alpha, gamma)?.metrics ?? {};
      const lines = ofLayers.map((layer) => {
        const numbers = columns.map(([part, field]) => value(layer, part, field, point));
        const said = evaluationNames.map((name) => (layer === total ? found[name] : null));
        return [alpha, gamma, layer.layer, ...numbers, ...said].map(numberText).join(",") + "\n";
      });
      pieces.push(lines.join(""));
    }
  }
  return pieces;
}

function shellWord(word) {
  return /^[A-Za-z0-9_@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
function command(point) {
  const own = ["--alpha", numberText(alphas.values[point.a])];
  own.push("--gamma-cap", numberText(gammas.values[point.g]));
  return [...sweep.command, ...own].map(shellWord).join(" ");
}
