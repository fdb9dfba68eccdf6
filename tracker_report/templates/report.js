"use strict";

const data = JSON.parse(document.getElementById("data").textContent);
const select = document.getElementById("project");
const words = name => name.replaceAll("_", " ");

function element(name, text = "") {
  const made = document.createElement(name);
  made.textContent = text;
  return made;
}

// Only the day of a time: the pictures show no more.
const shown = value =>
  value === null ? "" : typeof value === "boolean" ? (value ? "yes" : "no")
  : typeof value === "string" && /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d$/.test(value) ? value.slice(0, 10)
  : typeof value === "number" ? value.toLocaleString("en")
  : String(value);

function tableOf(title, columns, rows) {
  const table = element("table");
  table.append(element("caption", title));
  const places = columns.map((column, place) => [column, place]).filter(([column]) => column !== "url");
  const head = table.createTHead().insertRow();
  for (const [column] of places) {
    const cell = element("th", words(column));
    cell.scope = "col";
    head.append(cell);
  }
  const body = table.createTBody();
  const link = columns.indexOf("url");
  for (const row of rows) {
    const line = body.insertRow();
    for (const [column, place] of places) {
      const cell = line.insertCell();
      if (typeof row[place] === "number" && !/(^|_)(id|number)$/.test(column)) cell.className = "number";
      if (column === "name" && link >= 0 && row[link]) {
        const anchor = element("a", row[place] || "…");
        anchor.href = row[link];
        anchor.rel = "noopener noreferrer";
        cell.append(anchor);
      } else {
        cell.textContent = column.endsWith("_id") ? String(row[place] ?? "") : shown(row[place]);
      }
    }
  }
  return table;
}

const CONFIG = {
  background: null,
  font: "system-ui, sans-serif",
  axis: {
    labelColor: "var(--ink)", titleColor: "var(--faint)", titleFontWeight: "normal", gridColor: "var(--line)",
    domainColor: "var(--faint)", tickColor: "var(--faint)", labelFontSize: 12, titleFontSize: 12,
  },
  legend: { labelColor: "var(--ink)", labelFontSize: 12, orient: "top", columns: innerWidth < 520 ? 2 : 0 },
  view: { stroke: null },
};

// Colours are variables of the page, so that dark screens and paper need no new picture.
async function draw(name, projectId) {
  const { specification, columns, rows: ofAll } = data.pictures[name];
  const rows = ofAll[projectId];
  const section = document.getElementById(name);
  const empty = section.querySelector(".empty");
  empty.textContent = specification.usermeta.empty;
  empty.hidden = rows.length > 0;
  section.querySelector(".found").hidden = rows.length === 0;
  const title = specification.usermeta.title;
  section.querySelector(".scrolls").replaceChildren(tableOf(title, columns, rows));
  if (!rows.length) return;
  const values = rows.map(row => Object.fromEntries(columns.map((column, place) => [column, row[place]])));
  await vegaEmbed(
    section.querySelector(".picture"),
    { ...specification, data: { values }, description: `${title}: the table below has its numbers.` },
    {
      actions: false, ast: true, renderer: "svg", config: CONFIG, logLevel: 1,
      loader: { target: "_blank", rel: "noopener noreferrer" },
    },
  );
}

function show(projectId) {
  const project = data.projects.find(({ project_id }) => String(project_id) === projectId) ?? data.projects[0];
  select.value = String(project.project_id);
  document.title = `${project.name}: Tracker report`;
  document.getElementById("project-name").textContent = project.name;
  document.getElementById("as-of").textContent =
    project.last_updated_at ? `Last change of a story: ${shown(project.last_updated_at)}` : "";
  for (const [name, value] of Object.entries(project)) {
    const figure = document.getElementById(`figure-${name}`);
    if (figure) figure.textContent = value === null ? "–" : shown(value);
  }
  return Promise.all(Object.keys(data.pictures).map(name =>
    draw(name, project.project_id).catch(error => {
      console.error(error);
      const empty = document.querySelector(`#${name} .empty`);
      empty.textContent = "This picture cannot be drawn.";
      empty.hidden = false;
    })));
}

let drawn = Promise.resolve();
const start = () => {
  drawn = drawn.catch(() => {}).then(() => show(location.hash.replace("#project=", "")));
  drawn.then(() => { document.body.dataset.drawn = select.value; });
};
select.addEventListener("change", () => { location.hash = `project=${select.value}`; });
addEventListener("hashchange", start);
document.getElementById("without-script").remove();
document.querySelector("main").hidden = false;
start();
