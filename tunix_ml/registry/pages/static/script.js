"use strict";

// Sorting, filters and the choice of two runs. Without this script every page shows all it has, best first.

const NOT_KNOWN_LAST = 1;

/* Sorting: a heading with data-sort becomes a button. */

function valueOf(row, column) {
  return row.cells[column].dataset.value || "";
}

function compare(one, other, kind) {
  return kind === "number" ? Number(one) - Number(other) : one.localeCompare(other, "en", { numeric: true });
}

function sortRows(table, column, kind, direction) {
  const body = table.tBodies[0];
  const sign = direction === "ascending" ? 1 : -1;
  const keyed = Array.from(body.rows, (row, place) => ({ row, place, value: valueOf(row, column) }));
  keyed.sort((one, other) => {
    if (!one.value || !other.value) {
      return (one.value ? -NOT_KNOWN_LAST : 0) + (other.value ? NOT_KNOWN_LAST : 0) || one.place - other.place;
    }
    return sign * compare(one.value, other.value, kind) || one.place - other.place;
  });
  body.append(...keyed.map((entry) => entry.row));
}

function makeSortable(table) {
  const headings = Array.from(table.tHead.rows[0].cells);
  headings.forEach((heading, column) => {
    const kind = heading.dataset.sort;
    if (!kind) {
      return;
    }
    const button = document.createElement("button");
    button.type = "button";
    button.append(...heading.childNodes);
    heading.append(button);
    button.addEventListener("click", () => {
      const first = kind === "number" && !heading.classList.contains("rank") ? "descending" : "ascending";
      const second = first === "ascending" ? "descending" : "ascending";
      const direction = heading.getAttribute("aria-sort") === first ? second : first;
      headings.forEach((other) => other.removeAttribute("aria-sort"));
      heading.setAttribute("aria-sort", direction);
      sortRows(table, column, kind, direction);
      drawTies(table);
    });
  });
}

/* Ties: neighbours that are shown and of one group are joined by a bracket, in whatever order they stand. */

function drawTies(table) {
  const shown = Array.from(table.tBodies[0].rows).filter((row) => !row.hidden);
  shown.forEach((row, place) => {
    const tie = row.dataset.tie;
    const isFirst = shown[place - 1]?.dataset.tie !== tie;
    const isLast = shown[place + 1]?.dataset.tie !== tie;
    const isTied = Boolean(tie) && !(isFirst && isLast);
    row.classList.toggle("tied", isTied);
    row.classList.toggle("tie-first", isTied && isFirst);
    row.classList.toggle("tie-last", isTied && isLast);
  });
}

/* Filters: in the form, in the address after #, and the rows that pass them. */

function passes(row, filters) {
  for (const [name, value] of filters) {
    const found = name === "from" || name === "to" ? row.dataset.date : row.dataset[name];
    if (name === "from" ? found < value : name === "to" ? found > value : found !== value) {
      return false;
    }
  }
  return true;
}

function filtersOf(form) {
  return Array.from(new FormData(form)).filter(([, value]) => value);
}

function showRows(form) {
  const filters = filtersOf(form);
  let numShown = 0;
  let numRows = 0;
  for (const table of document.querySelectorAll("table[data-board]")) {
    const rows = Array.from(table.tBodies[0].rows);
    rows.forEach((row) => {
      row.hidden = !passes(row, filters);
    });
    const num = rows.filter((row) => !row.hidden).length;
    const section = table.closest("section");
    table.closest(".scroll").hidden = num === 0;
    section.querySelector(".empty").hidden = num > 0;
    drawTies(table);
    numShown += num;
    numRows += rows.length;
  }
  document.getElementById("filter-count").textContent = `${numShown} of ${numRows} rows are shown.`;
}

function writeAddress(form) {
  const state = new URLSearchParams(filtersOf(form));
  const view = document.querySelector("#views input:checked");
  if (view && view.value !== "overview") {
    state.set("view", view.value);
  }
  history.replaceState(null, "", state.size ? `#${state}` : location.pathname + location.search);
}

function readAddress(form) {
  const state = new URLSearchParams(location.hash.slice(1));
  for (const field of form.elements) {
    if (field.name) {
      const value = state.get(field.name) || "";
      field.value = value;
      if (field.value !== value) {
        field.value = "";
      }
    }
  }
  const view = document.getElementById(`view-${state.get("view") || "overview"}`);
  if (view && view.type === "radio") {
    view.checked = true;
  }
}

function makeFilters(form) {
  const update = () => {
    showRows(form);
    writeAddress(form);
  };
  const restore = () => {
    if (location.hash.length <= 1 || location.hash.includes("=")) {
      readAddress(form);
      showRows(form);
    }
  };
  const box = form.closest("details");
  box.hidden = false;
  form.addEventListener("input", update);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(update));
  document.getElementById("views").addEventListener("change", () => writeAddress(form));
  window.addEventListener("hashchange", restore);
  readAddress(form);
  showRows(form);
  box.open = filtersOf(form).length > 0 || matchMedia("(min-width: 48rem)").matches;
}

/* Two runs: the list of comparisons shows those of the runs chosen. */

function makePicker(form) {
  const pairs = Array.from(form.parentElement.querySelectorAll(".verdicts li"));
  const note = form.querySelector("[role=status]");
  const update = () => {
    const chosen = Array.from(new FormData(form).values()).filter(Boolean);
    pairs.forEach((pair) => {
      pair.hidden = !chosen.every((run) => run === pair.dataset.a || run === pair.dataset.b);
    });
    const num = pairs.filter((pair) => !pair.hidden).length;
    note.textContent = num ? `${num} of ${pairs.length} comparisons are shown.` : "These two have no page; see the rule below.";
  };
  form.hidden = false;
  form.addEventListener("input", update);
  form.addEventListener("submit", (event) => event.preventDefault());
  update();
}

/* A page may be opened at a part that is folded away. */

function unfold() {
  const target = location.hash.length > 1 && document.getElementById(location.hash.slice(1));
  const box = target && target.closest("details");
  if (box) {
    box.open = true;
  }
}

document.querySelectorAll("table.sortable").forEach(makeSortable);
document.querySelectorAll("form#filters").forEach(makeFilters);
document.querySelectorAll("form.picker").forEach(makePicker);
unfold();
