// Sort tables by a click on a heading; show the less important figures on demand.
for (const table of document.querySelectorAll("table.sortable")) {
  table.querySelectorAll("thead th").forEach((head, column) => {
    let rising = false;
    head.addEventListener("click", () => {
      rising = !rising;
      const value = (row) => row.cells[column].dataset.value ?? row.cells[column].textContent;
      const rows = [...table.tBodies[0].rows].sort((a, b) => {
        const [x, y] = [value(a), value(b)];
        const both = x !== "" && y !== "" && !isNaN(x) && !isNaN(y);
        return (rising ? 1 : -1) * (both ? x - y : String(x).localeCompare(String(y)));
      });
      table.tBodies[0].append(...rows);
    });
  });
}
document.getElementById("more")?.addEventListener("change", (event) => {
  document.body.classList.toggle("all", event.target.checked);
});
