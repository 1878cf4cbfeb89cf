const element = (tag, className, text) => {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
};
const changes = data.changes.map((change, index) => ({ ...change, row: data.rows[index] }));
const classesOf = (change) => [change.class, ...change.also];
const off = new Set();
let wanted = "";

const haystack = (change) => {
  const versions = [change.before, change.after].map((side) => (side ? side.version || "" : ""));
  return [change.name, change.location, ...versions, ...change.via, change.row.notes].join("\n").toLowerCase();
};
for (const change of changes) change.haystack = haystack(change);

const chain = (ids) => {
  const line = element("div", "chain");
  line.append(element("span", "quiet", "project"));
  for (const id of ids) line.append(element("span", "", id));
  return line;
};

const shown = (value) => {
  if (value === undefined) return "–";
  if (Array.isArray(value)) return value.join(", ");
  return value === true ? "yes" : String(value);
};

const facts = (change) => {
  const before = change.before || {};
  const after = change.after || {};
  const members = [...new Set([...Object.keys(before), ...Object.keys(after)])];
  const differing = members.filter((member) => shown(before[member]) !== shown(after[member]));
  const grid = element("div", "facts");
  for (const member of differing) {
    grid.append(element("span", "quiet", member));
    grid.append(element("code", "", change.before ? shown(before[member]) : "–"));
    grid.append(element("code", "", change.after ? shown(after[member]) : "–"));
  }
  return grid;
};

const more = (change) => {
  const row = element("tr", "more");
  const cell = element("td");
  cell.colSpan = 4;
  for (const ids of change.chains) cell.append(chain(ids));
  const others = change.via.length - change.chains.length;
  if (others > 0) cell.append(element("div", "quiet", "brought by " + change.via.join(", ")));
  cell.append(facts(change));
  if (change.row.details.length > 0) cell.append(element("pre", "", change.row.details.join("\n")));
  row.append(cell);
  return row;
};

const rowOf = (change) => {
  const row = element("tr", "change");
  row.tabIndex = 0;
  row.setAttribute("aria-expanded", "false");
  row.append(element("td", "", change.name));
  row.append(element("td", "", change.row.before));
  row.append(element("td", "", change.row.after));
  row.append(element("td", "quiet", change.row.notes));
  const toggle = () => {
    const open = row.getAttribute("aria-expanded") === "true";
    if (open) row.nextElementSibling.remove();
    else row.after(more(change));
    row.setAttribute("aria-expanded", String(!open));
  };
  row.addEventListener("click", toggle);
  row.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    toggle();
  });
  return row;
};

const section = (about, rows) => {
  const part = element("section");
  part.append(element("h2", about.risk, about.title + " (" + rows.length + ")"));
  const table = element("table");
  const head = element("tr");
  for (const title of ["package", "before", "after", ""]) head.append(element("th", "quiet", title));
  const thead = element("thead");
  thead.append(head);
  const body = element("tbody");
  for (const change of rows) body.append(rowOf(change));
  table.append(thead, body);
  part.append(table);
  // What is risky and rare is shown at once.
  if (about.risk === "bad" && rows.length <= 8) {
    for (const row of body.querySelectorAll("tr.change")) row.click();
  }
  return part;
};

const draw = () => {
  const words = wanted.toLowerCase().split(/\s+/).filter(Boolean);
  const kept = changes.filter(
    (change) => !off.has(change.class) && words.every((word) => change.haystack.includes(word)),
  );
  const parts = [];
  for (const about of data.classes) {
    const rows = kept.filter((change) => change.class === about.word);
    if (rows.length > 0) parts.push(section(about, rows));
  }
  document.getElementById("changes").replaceChildren(...parts);
  const count = kept.length === changes.length ? "" : kept.length + " of " + changes.length + " shown";
  document.getElementById("shown").textContent = count;
};

for (const about of data.classes) {
  const many = changes.filter((change) => change.class === about.word).length;
  if (many === 0) continue;
  const button = element("button", "class", "");
  button.type = "button";
  button.append(element("span", about.risk, about.title), element("b", "", String(many)));
  button.setAttribute("aria-pressed", "true");
  // A click leaves out; with Alt it leaves only this one.
  button.addEventListener("click", (event) => {
    const all = data.classes.map((other) => other.word);
    if (event.altKey) {
      off.clear();
      for (const word of all) if (word !== about.word) off.add(word);
    } else if (!off.delete(about.word)) off.add(about.word);
    for (const other of document.querySelectorAll(".class")) {
      other.setAttribute("aria-pressed", String(!off.has(other.dataset.word)));
    }
    draw();
  });
  button.dataset.word = about.word;
  document.getElementById("classes").append(button);
}
document.getElementById("search").addEventListener("input", (event) => {
  wanted = event.target.value;
  draw();
});
draw();
