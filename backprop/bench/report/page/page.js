"use strict";
(() => {
  const data = JSON.parse(document.getElementById("charts").textContent);
  const byId = (id) => document.getElementById(id);
  const hidden = new Set(); // strategies that the reader has switched off

  // Tables ---------------------------------------------------------------------------------------------------------

  const compare = (a, b, numeric) => (numeric ? Number(a) - Number(b) : a.localeCompare(b, "en", { numeric: true }));

  function sortable(table) {
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = head.textContent;
      head.replaceChildren(button);
      head.setAttribute("aria-sort", "none");
      button.addEventListener("click", () => {
        const down = head.getAttribute("aria-sort") === "ascending";
        heads.forEach((other) => other.setAttribute("aria-sort", "none"));
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        const numeric = head.classList.contains("n");
        const key = (row) => (column ? row.cells[column].dataset.v : row.cells[0].textContent);
        const rows = [...table.tBodies[0].rows].map((row) => [key(row), row]);
        rows.sort(([a], [b]) => {
          if (a === "" || b === "") return (a === "") - (b === ""); // what is missing stays last
          return compare(a, b, numeric) * (down ? -1 : 1);
        });
        table.tBodies[0].append(...rows.map(([, row]) => row));
      });
    });
  }

  function filtered(form, table) {
    const rows = [...table.tBodies[0].rows];
    const { scenario, dtype, status, strategy } = form.elements;
    const show = () => {
      const part = strategy.value.trim().toLowerCase();
      let shown = 0;
      for (const row of rows) {
        row.hidden = [scenario, dtype, status].some((one) => one.value && row.dataset[one.name] !== one.value)
          || !row.cells[0].textContent.toLowerCase().includes(part);
        shown += !row.hidden;
      }
      table.classList.toggle("one-scenario", scenario.value !== ""); // its column would say the same in every row
      table.classList.toggle("one-dtype", dtype.value !== "");
      table.parentElement.classList.toggle("tall", shown > 40);
      byId("shown").textContent = `${shown.toLocaleString("en")} of ${rows.length.toLocaleString("en")} cells`;
    };
    form.addEventListener("input", show);
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("reset", (event) => {
      event.preventDefault(); // the values are reset after this event, and nothing would tell when
      [scenario, dtype, status, strategy].forEach((one) => { one.value = ""; });
      show();
    });
    form.querySelectorAll("option[data-first]").forEach((option) => { option.parentElement.value = option.value; });
    show();
  }

  document.querySelectorAll("#cells, #out").forEach(sortable);
  if (byId("cells")) filtered(byId("filters"), byId("cells"));

  // Parts that fold ------------------------------------------------------------------------------------------------

  if (matchMedia("(min-width: 60rem)").matches) {
    document.querySelectorAll("details[data-wide]").forEach((part) => { part.open = true; });
  }
  function unfold() { // the part that a link leads to
    const part = location.hash && byId(location.hash.slice(1))?.querySelector(".part");
    if (part) part.open = true;
  }
  document.querySelectorAll("nav a").forEach((link) => link.addEventListener("click", () => setTimeout(unfold)));
  window.addEventListener("hashchange", unfold);
  unfold();

  // Charts ---------------------------------------------------------------------------------------------------------

  const drawn = new Map();
  const waiting = new Map(); // charts in a part that is folded

  async function draw(id, spec, rows) {
    const place = byId(id);
    if (!place) return;
    if (place.closest("details:not([open])")) { // it has no width there
      waiting.set(id, [spec, rows]);
      return;
    }
    waiting.delete(id);
    drawn.get(id)?.finalize();
    drawn.delete(id);
    place.closest("figure").hidden = place.hidden = rows.length === 0;
    if (rows.length === 0) return;
    const options = { renderer: "svg", actions: false, ast: true, tooltip: { theme: "page" } };
    const made = await vegaEmbed(place, { ...spec, datasets: { cells: rows } }, options);
    drawn.set(id, made);
  }

  const look = (strategy) => data.series[strategy];
  const visible = (row) => !hidden.has(row.strategy);

  function choices(id, labels, change) {
    const select = byId(id);
    if (!select) return;
    labels.forEach((label, k) => select.add(new Option(label, k)));
    select.value = data.first[id];
    select.addEventListener("change", () => change(Number(select.value)));
  }
  const chosen = (id) => Number(byId(id)?.value ?? 0);

  function withTicks(spec, sizes) {
    const own = structuredClone(spec); // a grid line where a size was measured, not where a decade begins
    const values = [...new Set(sizes)].sort((a, b) => a - b);
    if (values.length <= 9) own.layer.forEach(({ encoding }) => { encoding.x.axis.values = values; });
    return own;
  }

  function drawSweep() {
    const sweep = data.sweeps[chosen("sweep")];
    if (!sweep) return;
    const rows = sweep.cells.map((position, k) => {
      const cell = data.cells[position];
      const kind = sweep.swept === "parameters" ? cell.kind : ""; // what is swept alone is joined
      return { ...cell, kind, size: sweep.sizes[k], fitted: sweep.fitted[cell.strategy] ?? "-" };
    });
    for (const quantity of ["time", "memory", "error"]) {
      const own = rows.filter((row) => row[quantity] !== null && visible(row));
      draw(`size-${quantity}`, withTicks(data.specs[`${quantity}-${sweep.swept}`], sweep.sizes), own);
    }
  }

  function drawAgreement() {
    const group = data.agreement[chosen("pair-group")];
    if (!group) return;
    const rows = [];
    const count = group.names.length;
    const number = (k) => String(k + 1);
    const name = (k) => `${group.names[k]} ${k + 1}`;
    for (const [i, j, shade, distance, allowed, agrees] of group.pairs) {
      for (const [row, column] of [[i, j], [j, i]]) {
        const pair = { first: group.names[row], second: group.names[column], distance, allowed };
        rows.push({ row: name(row), column: number(column), at: row * count + column, shade, ...pair,
          agrees: agrees ? "yes" : "no", apart: !agrees });
      }
    }
    rows.sort((a, b) => a.at - b.at);
    const order = group.names.map((_, k) => k);
    const spec = structuredClone(data.specs.agreement);
    spec.height = Math.max(120, 26 * count);
    spec.encoding.x.sort = order.map(number);
    spec.encoding.y.sort = order.map(name);
    draw("pairs", spec, rows);
  }

  function drawRoof() {
    const roof = data.roofs[chosen("roof")];
    if (!roof) return;
    const points = roof.points.filter(visible);
    const ridge = roof.peak / roof.bandwidth;
    const at = points.map((point) => point.intensity);
    const line = [Math.min(ridge / 4, ...at), ridge, Math.max(ridge * 4, ...at)].map((intensity) =>
      ({ roof: true, intensity, speed: Math.min(roof.peak, roof.bandwidth * intensity) }));
    draw("roofline", data.specs.roofline, points.length ? [...line, ...points] : []);
  }

  function drawCurves() {
    data.curves.forEach((curve, k) => {
      draw(`curve-${k}`, curve.spec, curve.rows.filter(visible));
    });
  }

  function legend(id, names, redraw) {
    const box = byId(id);
    if (!box) return;
    for (const name of names) {
      const label = document.createElement("label");
      const input = Object.assign(document.createElement("input"), { type: "checkbox", checked: true });
      const sign = Object.assign(document.createElement("span"), { textContent: look(name).sign, ariaHidden: "true" });
      sign.style.color = look(name).colour;
      input.addEventListener("change", () => {
        if (input.checked) hidden.delete(name); else hidden.add(name);
        redraw();
      });
      label.append(input, sign, name);
      box.append(label);
    }
  }

  const strategies = (rows) => [...new Set(rows.map((row) => row.strategy))];
  if (data.bars) draw("bars", data.specs.bars, data.bars);
  choices("sweep", data.sweeps.map((sweep) => sweep.label), drawSweep);
  choices("pair-group", data.agreement.map((group) => group.label), drawAgreement);
  choices("roof", data.roofs.map((roof) => roof.label), drawRoof);
  const swept = new Set(data.sweeps.flatMap((sweep) => sweep.cells));
  legend("size-legend", strategies(data.cells.filter((_, k) => swept.has(k))), drawSweep);
  legend("roof-legend", strategies(data.roofs.flatMap((roof) => roof.points)), drawRoof);
  legend("curve-legend", strategies(data.curves.flatMap((curve) => curve.rows)), drawCurves);
  drawSweep();
  drawAgreement();
  drawRoof();
  drawCurves();
  document.querySelectorAll("details").forEach((part) => part.addEventListener("toggle", () => {
    for (const [id, [spec, rows]] of [...waiting]) draw(id, spec, rows);
  }));
  const PAPER = 660; // pixels between the margins of A4
  window.addEventListener("beforeprint", () => drawn.forEach(({ view }) => {
    if (view.container().clientWidth > PAPER) view.width(PAPER).run();
  }));
  window.addEventListener("afterprint", () => drawn.forEach(({ view }) => {
    view.width(view.container().clientWidth).run();
  }));
})();
