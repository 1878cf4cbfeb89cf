const byId = (id) => document.getElementById(id);
const make = (tag, text, className) => {
  const element = document.createElement(tag);
  if (text !== undefined) element.textContent = text;
  if (className) element.className = className;
  return element;
};
const tone = (verdict) =>
  ({ "cannot-run": "bad", missing: "bad", runs: "good", skipped: "quiet" })[verdict] || "fair";
const words = data.words;
const occurring = Object.keys(words).filter((word) =>
  Object.values(data.summary).some((counts) => counts[word]));

const option = (select, value, text) => {
  const element = make("option", text);
  element.value = value;
  select.append(element);
};
option(byId("verdict"), "", "every verdict");
option(byId("verdict"), "problems", "everything but runs and left out");
for (const word of occurring) option(byId("verdict"), word, words[word].title);
option(byId("target"), "", "on any target");
data.targets.forEach((target, at) => option(byId("target"), String(at), "on " + data.labels[at]));

const summary = byId("summary");
const heads = make("tr");
heads.append(make("th", "target"));
for (const word of occurring) heads.append(make("th", words[word].title));
const summaryHead = make("thead");
summaryHead.append(heads);
summary.append(summaryHead);
data.targets.forEach((target, at) => {
  const row = make("tr");
  row.append(make("th", data.labels[at]));
  for (const word of occurring) {
    const number = data.summary[target.name][word] || 0;
    row.append(make("td", String(number), number ? tone(word) : "none"));
  }
  summary.append(row);
});

const head = make("tr");
head.append(make("th", "package"));
data.labels.forEach((label) => head.append(make("th", label)));
document.querySelector("#matrix thead").append(head);

const proofs = (row) => {
  const line = make("tr", undefined, "proofs");
  const cell = make("td");
  cell.colSpan = data.targets.length + 1;
  const list = make("dl");
  row.verdicts.forEach((one, at) => {
    list.append(make("dt", data.labels[at]));
    const said = make("dd");
    said.append(make("span", words[one.verdict].title, tone(one.verdict)));
    for (const proof of one.proofs) said.append(make("span", proof.text, "quiet"));
    list.append(said);
  });
  cell.append(list);
  const places = row.locations.join(", ") + (row.optional ? " · optional" : "") + (row.dev ? " · dev" : "");
  cell.append(make("div", places, "quiet places"));
  line.append(cell);
  return line;
};

const rows = data.bound.map((row) => {
  const line = make("tr");
  const name = make("th", undefined, "package");
  const button = make("button", row.name + "@" + row.version, "row");
  button.setAttribute("aria-expanded", "false");
  let opened = null;
  const close = () => {
    if (opened) opened.remove();
    opened = null;
    button.setAttribute("aria-expanded", "false");
  };
  button.addEventListener("click", () => {
    if (opened) return close();
    opened = proofs(row);
    line.after(opened);
    button.setAttribute("aria-expanded", "true");
  });
  name.append(button);
  line.append(name);
  for (const one of row.verdicts) {
    const cell = make("td", undefined, "verdict");
    const pill = make("span", words[one.verdict].symbol, "pill " + tone(one.verdict));
    pill.title = words[one.verdict].title + ": " + one.proofs.map((proof) => proof.text).join("; ");
    cell.append(pill);
    line.append(cell);
  }
  const text = [row.name + "@" + row.version, ...row.locations,
    ...row.verdicts.flatMap((one) => one.proofs.map((proof) => proof.text))].join("\n").toLowerCase();
  return { row, line, close, text };
});
document.querySelector("#matrix tbody").append(...rows.map((one) => one.line));

const filter = () => {
  const text = byId("text").value.trim().toLowerCase();
  const verdict = byId("verdict").value;
  const target = byId("target").value;
  let shown = 0;
  for (const one of rows) {
    const cells = target === "" ? one.row.verdicts : [one.row.verdicts[Number(target)]];
    const fits = (cell) => verdict === "" || (verdict === "problems"
      ? !["runs", "skipped"].includes(cell.verdict) : cell.verdict === verdict);
    const visible = one.text.includes(text) && cells.some(fits);
    if (!visible) one.close();
    one.line.hidden = !visible;
    shown += visible ? 1 : 0;
  }
  byId("count").textContent = shown + " of " + rows.length;
};
for (const id of ["text", "verdict", "target"]) byId(id).addEventListener("input", filter);
filter();

byId("legend").textContent = occurring.map((word) => words[word].symbol + " " + words[word].title).join(" · ");
const found = byId("findings");
const section = (title, lines) => {
  if (!lines.length) return;
  found.append(make("h2", title));
  const list = make("ul");
  for (const [strong, text] of lines) {
    const item = make("li");
    item.append(make("code", strong), make("span", " " + text, "quiet"));
    list.append(item);
  }
  found.append(list);
};
section("Labels and binaries disagree", data.findings.map((one) => [one.name + "@" + one.version, one.text]));
section("Not opened", data.unopened.map((one) => [one.location, one.reason]));
