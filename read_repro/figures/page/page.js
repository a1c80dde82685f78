"use strict";
// Sorting: by data-value where a cell is a number, by its words otherwise; dashes always last.
for (const table of document.querySelectorAll("section .scroll table")) {
  const heads = [...table.querySelectorAll("th")];
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
// A number or a point opens the list of its runs; an entry of the list opens the run's record.
const panel = document.getElementById("panel");
function show(title, ids) {
  panel.hidden = false;
  panel.querySelector("h3").textContent = title;
  panel.querySelector("ul").replaceChildren(...ids.map((id) => {
    const run = document.getElementById(`run-${id}`);
    const link = document.createElement("a");
    link.href = `#run-${id}`;
    link.textContent = run.querySelector("summary").textContent;
    link.addEventListener("click", () => { run.open = true; });
    const item = document.createElement("li");
    item.append(link);
    return item;
  }));
}
document.addEventListener("click", (event) => {
  const source = event.target.closest("[data-runs]");
  if (!source || !source.dataset.runs) return;
  event.preventDefault();
  show(source.dataset.tip ?? source.closest("tr").cells[0].textContent, source.dataset.runs.split(" "));
});
document.getElementById("close").addEventListener("click", () => { panel.hidden = true; });
// Plots: tooltips, and legend entries that hide their series.
const tip = document.getElementById("tip");
for (const point of document.querySelectorAll(".point")) {
  point.addEventListener("mousemove", (event) => {
    tip.hidden = false;
    tip.textContent = point.dataset.tip;
    tip.style.left = `${Math.min(event.clientX + 12, innerWidth - 220)}px`;
    tip.style.top = `${event.clientY + 12}px`;
  });
  point.addEventListener("mouseleave", () => { tip.hidden = true; });
}
for (const button of document.querySelectorAll("[data-toggle]")) {
  button.addEventListener("click", () => {
    const series = button.closest("figure").querySelector(`[data-series="${button.dataset.toggle}"]`);
    series.style.display = button.classList.toggle("off") ? "none" : "";
  });
}
document.documentElement.dataset.ready = "yes";
