// Search, filters and order of the list. What is chosen stands in the address, so that a view can be sent to somebody.
"use strict";
(() => {
  const form = document.querySelector(".filters");
  const body = document.querySelector(".items tbody");
  const rows = [...body.rows];
  const dots = [...document.querySelectorAll("svg a[data-name]")];
  const count = form.querySelector("output");
  const none = document.querySelector(".none");
  const heads = [...document.querySelectorAll("th[data-column]")];
  const numbers = new Set(["accuracy", "parameters", "bytes"]);
  let order = { column: "", down: false };

  const fits = (row, wanted) =>
    wanted.words.every((word) => row.dataset.text.includes(word)) &&
    wanted.choices.every(([name, value]) => row.dataset[name].split(", ").includes(value)) &&
    wanted.marks.every((name) => row.dataset[name] === "yes");

  const show = () => {
    const given = new FormData(form);
    const wanted = {
      words: (given.get("q") || "").toLowerCase().split(/\s+/).filter(Boolean),
      choices: ["kind", "task", "family", "license"].map((name) => [name, given.get(name)]).filter(([, value]) => value),
      marks: ["commercial", "verified", "parity"].filter((name) => given.has(name)),
    };
    const shown = new Set();
    for (const row of rows) {
      row.hidden = !fits(row, wanted);
      if (!row.hidden) shown.add(row.dataset.name);
    }
    for (const dot of dots) dot.classList.toggle("off", !shown.has(dot.dataset.name));
    count.textContent = `${shown.size} of ${rows.length}`;
    none.hidden = shown.size > 0;
    const kept = new URLSearchParams([...given].filter(([, value]) => value));
    if (order.column) kept.set("sort", (order.down ? "-" : "") + order.column);
    try {
      history.replaceState(null, "", kept.size ? `?${kept}` : location.pathname);
    } catch {
      // A page opened as a file may not change its address in every browser.
    }
  };

  const sort = () => {
    for (const head of heads) {
      if (head.dataset.column === order.column) head.setAttribute("aria-sort", order.down ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    }
    if (!order.column) return;
    const key = (row) => row.dataset[order.column];
    const compare = (a, b) => {
      const [one, two] = [key(a), key(b)];
      if (one === undefined || two === undefined) return (one === undefined) - (two === undefined);
      const difference = numbers.has(order.column) ? one - two : one.localeCompare(two);
      return order.down ? -difference : difference;
    };
    body.append(...[...rows].sort(compare));
  };

  const start = new URLSearchParams(location.search);
  for (const [name, value] of start) {
    const field = form.elements[name];
    if (!field) continue;
    if (field.type === "checkbox") field.checked = true;
    else field.value = value;
  }
  const wish = start.get("sort") || "";
  if (heads.some((head) => head.dataset.column === wish.replace("-", ""))) order = { column: wish.replace("-", ""), down: wish.startsWith("-") };

  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", show);
  for (const head of heads) {
    head.addEventListener("click", () => {
      const column = head.dataset.column;
      order = { column, down: order.column === column ? !order.down : numbers.has(column) };
      sort();
      show();
    });
  }
  sort();
  show();
})();
