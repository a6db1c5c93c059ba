
// Tables: with this script a click on a heading sorts the rows by it (numbers: the largest first), a second one turns them round.
for (const table of document.querySelectorAll(".sortable")) {
  const body = table.tBodies[0], heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const numbers = head.classList.contains("n"), was = head.getAttribute("aria-sort");
      const up = was ? was === "descending" : !numbers;
      const key = row => numbers ? row.cells[column].dataset.value : row.cells[column].textContent;
      const order = (a, b) => numbers ? Number(key(a)) - Number(key(b)) : key(a).localeCompare(key(b), "en", {numeric: true});
      const rows = [...body.rows], known = rows.filter(row => key(row)), rest = rows.filter(row => !key(row));
      heads.forEach(other => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      body.append(...known.sort((a, b) => up ? order(a, b) : order(b, a)), ...rest);
    });
  });
}
