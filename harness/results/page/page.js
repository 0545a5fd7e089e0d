
"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const find = (id) => document.getElementById(id);

  /** Make an element of text and of other elements; text is never read as HTML. */
  function make(tag, { className = "", ...attributes } = {}, ...children) {
    const element = document.createElement(tag);
    if (className) element.className = className;
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.append(...children);
    return element;
  }

  // All cells

  const PRINTED = 1000; // rows: some thirty pages
  const words = new Intl.Collator("en", { numeric: true });
  const table = { column: -1, direction: 1, page: 0, filters: new Map() };

  const sortable = (value) => (Array.isArray(value) ? value[0] : value);
  const readable = (value) => {
    if (Array.isArray(value)) return value[1];
    return typeof value === "number" ? value.toLocaleString("en", { maximumSignificantDigits: 6 }) : value ?? "";
  };

  /** Order two values; what is not there stands last in either direction. */
  function order(one, other) {
    const [a, b] = [sortable(one), sortable(other)];
    if (a === null || b === null) return (a === null) - (b === null);
    return table.direction * (typeof a === "number" ? a - b : words.compare(a, b));
  }

  function chosenRows() {
    const kept = data.rows.filter((row) =>
      [...table.filters].every(([column, value]) => String(row[column]) === value),
    );
    return table.column < 0 ? kept : kept.sort((a, b) => order(a[table.column], b[table.column]));
  }

  const doubts = data.columns.findIndex(({ heading }) => heading === "doubts");
  const rate = data.columns.findIndex(({ heading }) => heading === "req/s");

  /** A doubt is named in its column and shown beside the number, which may be all one sees. */
  function mark(row) {
    return make("span", { className: "mark", role: "img", "aria-label": "doubted", title: row[doubts] }, "\u00a0\u26a0\ufe0e");
  }

  function cell(row, at) {
    const text = readable(row[at]);
    if (at === 0) return make("th", { scope: "row" }, text);
    if (at === doubts) return make("td", { className: "words doubt" }, text);
    const className = data.columns[at].kind === "number" ? "number" : "";
    return make("td", { className }, text, ...(at === rate && row[doubts] ? [mark(row)] : []));
  }

  function drawRows(rows) {
    find("grid").tBodies[0].replaceChildren(
      ...rows.map((row) => make("tr", {}, ...row.map((_, at) => cell(row, at)))),
    );
  }

  function drawTable() {
    const rows = chosenRows();
    const size = Number(find("size").value);
    table.page = Math.max(0, Math.min(table.page, Math.ceil(rows.length / size) - 1));
    const first = table.page * size;
    const last = Math.min(first + size, rows.length);
    drawRows(rows.slice(first, last));
    find("shown").textContent = rows.length
      ? `${(first + 1).toLocaleString("en")} to ${last.toLocaleString("en")} of ${rows.length.toLocaleString("en")}`
      : "no cell is like that";
    find("previous").disabled = first === 0;
    find("next").disabled = last === rows.length;
  }

  /** Sort by a column: upwards, downwards, then as it was. */
  function sortBy(column) {
    const same = table.column === column;
    table.column = same && table.direction < 0 ? -1 : column;
    table.direction = same ? -table.direction : 1;
    if (table.column < 0) table.direction = 1;
    table.page = 0;
    const direction = table.direction > 0 ? "ascending" : "descending";
    [...find("grid").tHead.rows[0].cells].forEach((heading, at) =>
      heading.setAttribute("aria-sort", at === table.column ? direction : "none"),
    );
    drawTable();
  }

  function drawHeadings() {
    const headings = data.columns.map(({ heading, kind }, at) => {
      const button = make("button", { type: "button" }, heading);
      button.addEventListener("click", () => sortBy(at));
      const className = kind === "number" ? "number" : "";
      return make("th", { scope: "col", className, "aria-sort": "none" }, button);
    });
    find("grid").tHead.append(make("tr", {}, ...headings));
  }

  function drawFilters() {
    data.columns.forEach(({ heading, kind }, column) => {
      const values = [...new Set(data.rows.map((row) => row[column]))];
      if (kind !== "key" || values.length < 2) return;
      if (typeof values[0] === "number") values.sort((a, b) => a - b);
      const select = make("select", {}, make("option", { value: "all" }, "all"));
      values.forEach((value) => select.append(make("option", { value: `=${value}` }, String(value ?? "none"))));
      select.addEventListener("change", () => {
        if (select.value === "all") table.filters.delete(column);
        else table.filters.set(column, select.value.slice(1));
        table.page = 0;
        drawTable();
      });
      find("filters").append(make("label", {}, heading, select));
    });
    const all = make("button", { type: "reset" }, "Show all");
    find("filters").append(all);
    find("filters").addEventListener("reset", () => {
      table.filters.clear();
      drawTable();
    });
    find("filters").addEventListener("submit", (event) => event.preventDefault());
  }

  function turn(pages) {
    table.page += pages;
    drawTable();
  }

  drawHeadings();
  drawFilters();
  drawTable();
  find("previous").addEventListener("click", () => turn(-1));
  find("next").addEventListener("click", () => turn(1));
  find("size").addEventListener("change", () => turn(0));
  addEventListener("beforeprint", () => drawRows(chosenRows().slice(0, PRINTED)));
  addEventListener("afterprint", drawTable);

  // Choose

  if (!data.scopes.length) return;
  const sliders = [...document.querySelectorAll("[data-objective]")];
  const boxes = [...document.querySelectorAll("[data-class]")];

  /** Say why a stack cannot be chosen, or nothing. */
  function objection(stack) {
    if (stack.barred) return stack.barred;
    const refused = boxes
      .filter((box) => !box.checked && stack.errors?.[box.dataset.class])
      .map((box) => box.dataset.class);
    const count = refused.reduce((sum, name) => sum + stack.errors[name], 0);
    const percent = count ? (100 * count) / stack.attempts : 0;
    const most = find("most-errors").valueAsNumber || 0;
    return percent > most ? `${percent.toPrecision(2)} % of requests failed (${refused.join(", ")})` : "";
  }

  /** Return (a, b) => by how much a is better than b on the log scale, and half of its interval. */
  function judge(scope) {
    const weights = scope.objectives.map((name) => Number(find(`weight-${name}`).value));
    const total = weights.reduce((sum, each) => sum + each, 0);
    const signs = scope.objectives.map((name) => data.objectives[name].sign);
    const known = new Map();
    for (const [first, second, ...ratios] of scope.contests) {
      let [log, half] = [0, 0];
      weights.forEach((weight, at) => {
        log += (weight / total) * signs[at] * ratios[2 * at];
        if (weight) half = ratios[2 * at + 1] === null ? NaN : half + (weight / total) * ratios[2 * at + 1];
      });
      known.set(`${first} ${second}`, { log, half }).set(`${second} ${first}`, { log: -log, half });
    }
    return total ? (one, other) => known.get(`${one} ${other}`) ?? { log: 0, half: 0 } : null;
  }

  function scoreText({ log, half }) {
    const digits = (value) => Math.exp(value).toFixed(2);
    const interval = half > 0 ? ` [${digits(log - half)}, ${digits(log + half)}]` : "";
    return `score ${digits(log)}${interval}`;
  }

  function bar({ log, half }) {
    const [fill, whisker] = [make("div", { className: "bar" }), make("div", { className: "whisker" })];
    const percent = (value) => `${Math.min(100, 100 * Math.exp(value))}%`;
    fill.style.width = percent(log);
    whisker.style.left = percent(log - half);
    whisker.style.right = `calc(100% - ${percent(log + half)})`;
    return make("div", { className: "track", "aria-hidden": "true" }, fill, ...(half > 0 ? [whisker] : []));
  }

  function standing(stack, reasons) {
    if (reasons.length) return "dominated";
    return stack.unjudged ? "not judged" : "on the front";
  }

  /** Say by what a stack is dominated: the best of them at once, the others on demand. */
  function objections(reasons) {
    const [best, ...others] = reasons.map(([by, why]) => make("p", { className: "why" }, `Dominated by ${by}: ${why}.`));
    if (!others.length) return best ? [best] : [];
    const names = reasons.slice(1).map(([by]) => by);
    const summary = make("summary", {}, `and by ${names.join(", ")}`);
    return [best, make("details", { className: "why" }, summary, ...others)];
  }

  function card({ stack, gain, reasons }, weighed) {
    const badge = standing(stack, reasons);
    const head = [
      make("span", { className: "name" }, stack.name),
      make("span", { className: "badge" }, badge),
      ...(weighed ? [make("span", { className: "score" }, scoreText(gain))] : []),
    ];
    const said = objections(reasons);
    if (stack.unjudged) said.push(make("p", { className: "why" }, `Not judged: ${stack.unjudged}.`));
    if (stack.doubts) said.push(make("p", { className: "doubt" }, `Doubts: ${stack.doubts}.`));
    const className = badge === "on the front" ? "front" : "";
    return make("li", { className }, make("div", { className: "head" }, ...head), ...(weighed ? [bar(gain)] : []), ...said);
  }

  /** Return the stacks that may be chosen, best first, each with what speaks against it. */
  function ranked(scope, gainOver) {
    const eligible = scope.stacks.map((_, at) => at).filter((at) => !objection(scope.stacks[at]));
    const lead = (one) => eligible.reduce((sum, other) => sum + gainOver(one, other).log, 0);
    const leader = eligible.reduce((best, each) => (lead(each) > lead(best) ? each : best), eligible[0]);
    const gains = new Map(eligible.map((at) => [at, gainOver(at, leader)]));
    const better = (one, other) => gains.get(other).log - gains.get(one).log;
    return eligible.sort(better).map((at) => ({
      stack: scope.stacks[at],
      gain: gains.get(at),
      reasons: scope.dominations
        .filter(([winner, loser]) => loser === at && gains.has(winner))
        .sort(([one], [other]) => better(one, other))
        .map(([winner, , why]) => [scope.stacks[winner].name, why]),
    }));
  }

  function verdict(ranking, weighed) {
    if (!ranking.length) return "No stack is left to choose.";
    if (!weighed) return "Give something a weight to rank them.";
    const [first, ...others] = ranking;
    const near = others.filter(({ gain }) => !(gain.log + gain.half < 0)).map(({ stack }) => stack.name);
    if (!others.length) return `${first.stack.name} is the only one left.`;
    if (!near.length) return `By these weights ${first.stack.name} is first, surely.`;
    return `By these weights ${first.stack.name} is first, but cannot be told from ${near.join(", ")}.`;
  }

  function drawSliders(scope) {
    for (const slider of sliders) {
      const name = slider.dataset.objective;
      slider.disabled = !scope.objectives.includes(name);
      slider.parentElement.querySelector("output").value = slider.disabled ? "" : slider.value;
      const about = slider.disabled ? "not compared here" : name === "tail_ms" ? scope.tail : "";
      slider.parentElement.querySelector("small").textContent = about;
    }
  }

  function drawChoice() {
    const scope = data.scopes[find("scope").selectedIndex];
    drawSliders(scope);
    const gainOver = judge(scope);
    const ranking = ranked(scope, gainOver ?? (() => ({ log: 0, half: 0 })));
    find("standing").textContent = verdict(ranking, gainOver);
    find("ranking").replaceChildren(...ranking.map((each) => card(each, gainOver)));
    const out = scope.stacks.map((stack) => [stack.name, objection(stack)]).filter(([, why]) => why);
    find("left-out").hidden = !out.length;
    find("left-out").querySelector("ul").replaceChildren(
      ...out.map(([name, why]) => make("li", {}, make("b", {}, name), `: ${why}`)),
    );
  }

  find("scope").append(...data.scopes.map(({ name }) => make("option", {}, name)));
  for (const event of ["input", "change"]) find("wishes").addEventListener(event, drawChoice);
  find("wishes").addEventListener("submit", (event) => event.preventDefault());
  drawChoice();
})();
