"use strict";
// Tables sort by a click on a heading and filter by words; a row shows where it is in the charts. Without this script
// the page says the same.
for (const section of document.querySelectorAll("section.matrix")) {
  const body = section.querySelector("tbody");
  const rows = [...body.rows];

  const heads = [...section.querySelectorAll("thead th")];
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const up = head.getAttribute("aria-sort") === "descending" || (!head.hasAttribute("aria-sort") && head.classList.contains("words"));
      for (const other of heads) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      const value = (row) => row.cells[column].dataset.value ?? row.cells[column].textContent;
      const order = (a, b) => {
        const [x, y] = [value(a), value(b)];
        if (x === "" || y === "") return (x === "") - (y === "");  // what was not measured comes last
        const by = head.classList.contains("words") ? x.localeCompare(y) : x - y;
        return up ? by : -by;
      };
      body.append(...rows.sort(order));
    });
  });

  const tools = section.querySelector(".filter");
  const count = section.querySelector("output");
  tools.hidden = false;
  const filter = () => {
    const wanted = tools.querySelector("input").value.toLowerCase().split(/\s+/);
    let shown = 0;
    for (const row of rows) {
      const text = row.textContent.toLowerCase();
      row.hidden = !wanted.every((word) => text.includes(word));
      shown += !row.hidden;
    }
    count.textContent = shown === rows.length ? `${shown} rows` : `${shown} of ${rows.length} rows`;
  };
  tools.addEventListener("input", filter);
  filter();

  const pick = (event) => {
    const row = event.target.closest("[data-row]")?.dataset.row;
    section.classList.toggle("picking", row !== undefined);
    for (const each of section.querySelectorAll("[data-row]")) each.classList.toggle("picked", each.dataset.row === row);
  };
  section.addEventListener("pointerover", pick);
  section.addEventListener("pointerleave", () => section.classList.remove("picking"));
}
