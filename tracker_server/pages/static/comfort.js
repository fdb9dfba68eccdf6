// Comfort only: every page works without it. Keys, panels that stay hidden, and more of a list on the same page.
"use strict";

const field = document.getElementById("q");
const rows = () => [...document.querySelectorAll(".list > li")].filter((row) => row.offsetParent);
const selected = () => document.querySelector(".list > li.selected");

function select(row) {
  selected()?.classList.remove("selected");
  if (!row) return;
  row.classList.add("selected");
  row.querySelector("a.name")?.focus({ preventScroll: true });
  row.scrollIntoView({ block: "nearest" });
}

function move(step) {
  const all = rows();
  const place = all.indexOf(selected());
  select(all[place < 0 ? (step > 0 ? 0 : all.length - 1) : Math.min(Math.max(place + step, 0), all.length - 1)]);
}

function across(step) {
  const panels = [...document.querySelectorAll("details.panel[open]")];
  if (!panels.length) return false;
  const place = panels.indexOf(selected()?.closest("details.panel"));
  const panel = panels[Math.min(Math.max(place + step, 0), panels.length - 1)];
  panel.scrollIntoView({ inline: "nearest", block: "nearest" });
  select(panel.querySelector(".list > li"));
  return true;
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const typing = event.target.closest("input, textarea, select");
  if (event.key === "Escape") {
    if (typing) typing.blur();
    else if (selected()) { document.activeElement.blur(); select(null); }
    else if (history.length > 1) history.back();
    return;
  }
  if (typing) {
    if (event.key !== "ArrowDown" || !rows().length) return;
    typing.blur();
  }
  const keys = {
    "/": () => { field.focus(); field.select(); },
    j: () => move(1), ArrowDown: () => move(1), k: () => move(-1), ArrowUp: () => move(-1),
    l: () => across(1), ArrowRight: () => across(1), h: () => across(-1), ArrowLeft: () => across(-1),
    Enter: () => event.target.closest("a, button, summary") ? false : selected()?.querySelector("a.name")?.click() ?? false,
  };
  const act = Object.hasOwn(keys, event.key) ? keys[event.key] : null;
  if (act && rows().length + (event.key === "/") && act() !== false) event.preventDefault();
});

document.addEventListener("focusin", (event) => {
  const row = event.target.closest?.(".list > li");
  if (row && row !== selected()) { selected()?.classList.remove("selected"); row.classList.add("selected"); }
});

// Which panels are hidden is remembered on this machine, for all boards.
const remembered = (() => { try { return JSON.parse(localStorage.getItem("panels")) || {}; } catch { return {}; } })();
for (const panel of document.querySelectorAll("details.panel[id]")) {
  if (panel.id in remembered) panel.open = remembered[panel.id];
  panel.addEventListener("toggle", () => {
    remembered[panel.id] = panel.open;
    try { localStorage.setItem("panels", JSON.stringify(remembered)); } catch { /* a browser may keep nothing */ }
  });
}

// More of a panel comes into it. Where that fails, as in files on a disk, the link leads to the page that has it.
document.addEventListener("click", async (event) => {
  const more = event.target.closest("details.panel a.more");
  if (!more || event.ctrlKey || event.metaKey || event.shiftKey || location.protocol === "file:") return;
  event.preventDefault();
  try {
    const answer = await fetch(more.href);
    if (!answer.ok) throw new Error(answer.statusText);
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const base = (link) => { link.href = new URL(link.getAttribute("href"), more.href).href; };
    page.querySelectorAll("a[href]").forEach(base);
    const found = page.querySelector(".entries");
    const next = [...page.querySelectorAll("a.more")].find((link) => found.compareDocumentPosition(link) & 4);
    more.parentElement.querySelector(".entries").append(...found.childNodes);
    if (next) more.replaceWith(next); else more.remove();
  } catch {
    location.href = more.href;
  }
});
