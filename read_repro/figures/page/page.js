"use strict";
const byId = (id) => document.getElementById(id);
// Sorting: by data-value where a cell is a number, by its words otherwise; dashes always last.
for (const table of document.querySelectorAll(".scroll table")) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => head.firstChild.addEventListener("click", () => {
    const down = head.getAttribute("aria-sort") === "ascending";
    heads.forEach((other) => other.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const body = table.tBodies[0];
    const keyed = [...body.rows].map((row) => ({ row, cell: row.cells[column] }));
    const dash = ({ cell }) => cell.textContent.startsWith("–") && !("value" in cell.dataset);
    keyed.sort((a, b) => {
      if (dash(a) || dash(b)) return dash(a) - dash(b);
      const [x, y] = [a, b].map(({ cell }) => parseFloat(cell.dataset.value ?? cell.textContent));
      const order = Number.isNaN(x) || Number.isNaN(y) ? a.cell.textContent.localeCompare(b.cell.textContent) : x - y;
      return down ? -order : order;
    });
    body.append(...keyed.map(({ row }) => row));
  }));
}
// A pressed button shows the rows and columns that are empty, or leaves out a series.
const press = (button) => {
  const pressed = button.getAttribute("aria-pressed") !== "true";
  button.setAttribute("aria-pressed", pressed);
  return pressed;
};
for (const button of document.querySelectorAll(".more")) button.addEventListener("click", () => press(button));
for (const button of document.querySelectorAll("[data-toggle]")) {
  button.addEventListener("click", () => {
    const shown = press(button);
    const parts = button.closest("figure").querySelectorAll(`[data-series="${button.dataset.toggle}"]`);
    for (const part of parts) part.style.display = shown ? "" : "none";
  });
}
// The address says what is open: #run-62 a record, #runs-3-5 the list of several.
const panel = byId("panel");
let opener = null;
function close() {
  if (panel.hidden) return;
  panel.hidden = true;
  history.replaceState(null, "", location.pathname + location.search);
  opener?.focus();
}
function list(ids) {
  byId("panel-title").textContent = opener?.dataset.tip ?? opener?.closest("tr")?.cells[0].textContent ?? "Runs";
  panel.querySelector("ul").replaceChildren(...ids.map((id) => {
    const link = document.createElement("a");
    link.href = `#run-${id}`;
    link.textContent = byId(`run-${id}`).querySelector("summary").textContent;
    const item = document.createElement("li");
    item.append(link);
    return item;
  }));
  panel.hidden = false;
  panel.focus();
}
function follow() {
  const [, several, numbers] = location.hash.match(/^#run(s?)-([\d-]+)$/) ?? [];
  const ids = (numbers ?? "").split("-").filter((id) => byId(`run-${id}`));
  if (several && ids.length) return list(ids);
  panel.hidden = true;
  if (!ids.length) return;
  const run = byId(`run-${ids[0]}`);
  run.hidden = false;
  run.open = true;
  run.scrollIntoView();
  run.querySelector("summary").focus();
}
document.addEventListener("click", (event) => {
  const link = event.target.closest('a[href^="#run"]');
  if (!link) return;
  if (!panel.contains(link)) opener = link;
  if (link.getAttribute("href") === location.hash) follow(); // the address does not change, so nothing else would
});
for (const run of document.querySelectorAll("#runs details")) {
  run.querySelector("summary").addEventListener("click", () => {
    if (!run.open) history.replaceState(null, "", `#${run.id}`);
  });
}
addEventListener("hashchange", follow);
byId("close").addEventListener("click", close);
addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  tip.hidden = true;
  close();
});
// Tooltips, under the mouse or at the focus.
const tip = byId("tip");
function say(point, x, y) {
  tip.textContent = point.dataset.tip;
  tip.hidden = false;
  const { width, height } = tip.getBoundingClientRect();
  tip.style.left = `${Math.max(0, Math.min(x + 12, innerWidth - width - 4))}px`;
  tip.style.top = `${Math.max(0, Math.min(y + 12, innerHeight - height - 4))}px`;
}
for (const point of document.querySelectorAll(".point")) {
  point.addEventListener("mousemove", (event) => say(point, event.clientX, event.clientY));
  point.addEventListener("mouseleave", () => { tip.hidden = true; });
  point.addEventListener("focus", () => {
    const { right, bottom } = point.getBoundingClientRect();
    say(point, right, bottom);
  });
  point.addEventListener("blur", () => { tip.hidden = true; });
}
// The filter: every word must stand in a record's name.
byId("filter")?.addEventListener("input", (event) => {
  const words = event.target.value.toLowerCase().split(/\s+/);
  const runs = [...document.querySelectorAll("#runs details")];
  for (const run of runs) {
    const name = run.querySelector("summary").textContent.toLowerCase();
    run.hidden = !words.every((word) => name.includes(word));
  }
  byId("count").textContent = `${runs.filter((run) => !run.hidden).length} of ${runs.length} records`;
});
addEventListener("load", () => setTimeout(follow)); // after the browser has gone to the address by itself
document.documentElement.dataset.ready = "yes";
