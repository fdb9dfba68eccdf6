// The search of a static copy: it loads the parts of the index that a query needs, as scripts, also from a disk.
"use strict";

const MOST = 200;
const here = document.currentScript.src;
const waiting = new Map();
const tracker = window.tracker = {
  take(kind, key, data) { waiting.get(`${kind} ${key}`)?.(data); },
};
const list = document.getElementById("hits");
const heading = document.getElementById("heading");
const problem = document.getElementById("problem");

function load(kind, key, path) {
  return new Promise((resolve, reject) => {
    waiting.set(`${kind} ${key}`, resolve);
    const script = document.createElement("script");
    script.src = new URL(`../search/${path}.js`, here).href;
    script.onerror = () => reject(new Error(`${path} is missing from this copy`));
    document.head.append(script);
  });
}

const loaded = new Map();
const once = (kind, key, path) => {
  if (!loaded.has(path)) loaded.set(path, load(kind, key, path));
  return loaded.get(path);
};

const withoutMarks = (text) => text.normalize("NFKD").replace(/[\u0300-\u036f]/g, "");
const fold = (text) => withoutMarks(withoutMarks(text).toLowerCase().toUpperCase().toLowerCase().replaceAll("ς", "σ"));
const letter = /[\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff\u{20000}-\u{3134f}]/gu;
const apart = (text) => text.replace(/[\u1100-\u11ff]+/g, (parts) => parts.normalize("NFC")).replace(letter, " $& ");
const wordsOf = (text) => (apart(fold(apart(text))).match(/[\p{L}\p{N}_]+/gu) || []).filter((w) => /[^_]/.test(w)).map((w) => [...w].slice(0, 40).join(""));

const ALIASES = {
  labels: "label", l: "label", story_type: "type", current_state: "state", owned_by: "owner", owners: "owner",
  requested_by: "requester", points: "estimate", story_priority: "priority", reviewed_by: "reviewer", followed_by: "follower",
};
const ATTRIBUTES = ["type", "state", "label", "owner", "requester", "follower", "reviewer", "commenter", "person", "epic", "estimate", "priority", "has", "is", "project", "no", "id", "includedone"];
const CHOICES = {
  type: ["feature", "bug", "chore", "release", "epic"],
  state: ["unscheduled", "unstarted", "planned", "started", "finished", "delivered", "accepted", "rejected"],
  priority: ["p0", "p1", "p2", "p3", "none"],
  has: ["description", "comment", "task", "blocker", "review", "pull_request", "branch", "attachment", "label", "epic", "owner", "follower", "estimate", "deadline"],
  is: ["blocked", "blocking", "unestimated", "done"],
  includedone: ["true", "false"],
};
const OTHER_CHOICES = { desc: "description", pr: "pull_request", pullrequest: "pull_request", file: "attachment", due: "deadline", branches: "branch" };

class NotUnderstood extends Error {
  constructor(part, reason) { super(reason); this.part = part; }
}

const unescaped = (text) => text.replace(/\\(["\\])/g, "$1");

function values(bare) {
  const found = [""];
  for (const [piece, quoted] of bare.matchAll(/"((?:[^"\\]|\\.)*)"|,|[^,"]+/gs)) {
    if (piece === ",") found.push("");
    else found[found.length - 1] += quoted === undefined ? piece : unescaped(quoted);
  }
  return found;
}

function tokens(text) {
  const pattern = /\s*(?:(\()|(\))|(OR|\|\|?)(?=[\s()]|$)|(?:AND|&&?)(?=[\s()]|$)|(NOT(?=[\s(])|[-−!](?=[^\s)]))|([\p{L}_][\p{L}\p{N}_]*):(?!\/\/)(?:"((?:[^"\\]|\\.)*)"(?=[\s()]|$)|((?:"(?:[^"\\]|\\.)*"|[^\s()"])*))|"((?:[^"\\]|\\.)*)"|([^\s()"]+)|(".*))/gsuy;
  const found = [];
  text = text.trim();
  while (pattern.lastIndex < text.length) {
    const m = pattern.exec(text);
    if (!m) break;
    if (m[10] !== undefined) throw new NotUnderstood(m[10], "the quotation mark is not closed");
    if (m[1]) found.push({ kind: "(", text: "(" });
    else if (m[2]) found.push({ kind: ")", text: ")" });
    else if (m[3]) found.push({ kind: "or", text: "OR" });
    else if (m[4]) found.push({ kind: "not", text: "-" });
    else if (m[5] !== undefined) found.push({ kind: "attribute", text: m[0].trim(), name: m[5].toLowerCase(), values: m[6] !== undefined ? [unescaped(m[6])] : values(m[7]) });
    else if (m[8] !== undefined || m[9] !== undefined) found.push({ kind: "words", text: m[8] !== undefined ? unescaped(m[8]) : m[9] });
  }
  return found;
}

const WITHOUT_WORD = "there is neither a letter nor a digit to search for";
const either = (left, right) => left && right ? new Set([...left, ...right]) : left ?? right;
const both = (left, right) => left && right ? new Set([...left].filter((place) => right.has(place))) : left ?? right;

// Its methods give the places of rows; null for a part without a letter or a digit, which does not count.
class Search {
  constructor(about) { this.about = about; this.shards = new Set(about.shards); }

  async run(text) {
    this.tokens = tokens(text);
    if (this.tokens.length > 100) throw new NotUnderstood(text.slice(0, 20), "a search has at most 100 parts");
    this.next = 0;
    const found = await this.either();
    if (this.next < this.tokens.length) throw new NotUnderstood(this.tokens[this.next].text, "there is no ( before it");
    if (found === null) throw new NotUnderstood(this.tokens[0].text, WITHOUT_WORD);
    return found;
  }

  peek() { return this.tokens[this.next]; }

  async either() {
    let found = await this.both();
    while (this.peek()?.kind === "or") {
      this.next += 1;
      found = either(found, await this.both());
    }
    return found;
  }

  async both() {
    if (!this.peek() || ["or", ")"].includes(this.peek().kind)) throw new NotUnderstood(this.peek()?.text ?? this.tokens.at(-1).text, "there is nothing beside it");
    let found = null;
    while (this.peek() && !["or", ")"].includes(this.peek().kind)) {
      found = both(found, await this.part());
    }
    return found;
  }

  async part() {
    const token = this.tokens[this.next++];
    if (token.kind === "not") {
      if (!this.peek() || ["or", ")"].includes(this.peek().kind)) throw new NotUnderstood("-", "there is nothing after it");
      const part = await this.part();
      return part && this.without(part);
    }
    if (token.kind === "(") {
      const found = await this.either();
      if (this.tokens[this.next++]?.kind !== ")") throw new NotUnderstood("(", "there is no ) after it");
      return found;
    }
    if (token.kind === "attribute") return this.attribute(token);
    return this.words(token.text);
  }

  all() { return new Set(Array.from({ length: this.about.rows }, (_, place) => place)); }

  async without(places) {
    const left = new Set(places);
    return new Set([...this.all()].filter((place) => !left.has(place)));
  }

  async attribute(token) {
    const name = ALIASES[token.name] ?? token.name;
    if (!ATTRIBUTES.includes(name)) throw new NotUnderstood(token.text, `this copy cannot search by ${token.name}; it knows ${ATTRIBUTES.join(", ")}`);
    if (token.values.some((value) => !value.trim())) throw new NotUnderstood(token.text, "there is no value after it");
    const chosen = name === "no" ? "has" : name;
    const values = token.values.map((value) => Object.hasOwn(CHOICES, chosen) ? this.choice(token, chosen, value) : value.trim());
    if (name === "includedone") return values[0] === "true" ? this.all() : this.without(await this.named("is", "done"));
    const found = new Set();
    for (const value of values) {
      const places = name === "id" ? this.numbered(token, value) : name === "estimate" ? this.estimated(token, value) : this.named(chosen, value);
      for (const place of await places) found.add(place);
    }
    return name === "no" ? this.without(found) : found;
  }

  choice(token, name, value) {
    const lower = value.trim().toLowerCase().replace(/[- ]/g, "_");
    const singular = ["has", "type"].includes(name) ? lower.replace(/s$/, "") : lower;
    const found = [lower, singular, OTHER_CHOICES[singular]].find((form) => CHOICES[name].includes(form));
    if (!found) throw new NotUnderstood(token.text, `${value} is none of ${CHOICES[name].join(", ")}`);
    return found;
  }

  named(name, value) {
    const key = `${name}:${fold(value)}`;
    return this.places(`a-${name}`, (words) => Object.hasOwn(words, key) ? [words[key]] : []);
  }

  async numbered(token, value) {
    const number = value.replace("#", "");
    if (!/^[0-9]{1,18}$/.test(number)) throw new NotUnderstood(token.text, `${number} is not the number of a story or an epic`);
    const found = [];
    for (const place of await this.places(this.shard(number), (words) => Object.hasOwn(words, number) ? [words[number]] : [])) {
      if (String((await this.row(place))[0]) === number) found.push(place);
    }
    return found;
  }

  estimated(token, value) {
    if (["-1", "none", "unestimated"].includes(value)) return this.named("is", "unestimated");
    const [, compared, limit] = value.match(/^([<>]=?)([0-9]{1,9}(?:[.][0-9]{1,4})?)$/) || [];
    const [, first, dots, last] = value.match(/^([0-9]{1,9}(?:[.][0-9]{1,4})?)?([.]{2})?([0-9]{1,9}(?:[.][0-9]{1,4})?)?$/) || [];
    const is = {
      "<": (n) => n < limit, "<=": (n) => n <= limit, ">": (n) => n > limit, ">=": (n) => n >= limit,
    }[compared] ?? ((n) => dots ? n >= (first ?? -Infinity) && n <= (last ?? Infinity) : n === Number(first));
    if (!compared && !(dots ? first ?? last : first && !last)) throw new NotUnderstood(token.text, `${value} is no number of points; write 3, 1..5, >3, or -1 for stories without an estimate`);
    return this.places("a-estimate", (words) => Object.keys(words).filter((key) => is(Number(key.slice(9)))).map((key) => words[key]));
  }

  async words(text) {
    let found = null;
    for (const word of wordsOf(text)) {
      const shards = word.length > 1 ? [this.shard(word)] : this.about.shards.filter((name) => name === this.shard(word) || name.startsWith(`${this.shard(word)}-`));
      const places = new Set();
      for (const shard of shards) {
        for (const place of await this.places(shard, (words) => Object.keys(words).filter((known) => known.startsWith(word)).map((known) => words[known]))) places.add(place);
      }
      found = both(found, places);
    }
    return found;
  }

  shard(word) { return `w-${[...word].slice(0, 2).map((letter) => letter.codePointAt(0).toString(16)).join("-")}`; }

  async places(shard, chosen) {
    if (!this.shards.has(shard)) return [];
    const found = [];
    for (const gaps of chosen(await once("words", shard, `words/${shard}`))) {
      let place = 0;
      for (const gap of gaps) { place += gap; found.push(place); }
    }
    return found;
  }

  async row(place) {
    const start = place - (place % this.about.size);
    return (await once("rows", start, `rows/${start / this.about.size}`))[place - start];
  }
}

function line(row, projects) {
  const [id, kind, type, state, estimate, updated, project, name] = row;
  const item = document.createElement("li");
  item.className = `story ${type} ${state || ""}`;
  const add = (tag, className, text) => {
    const child = document.createElement(tag);
    child.className = className;
    child.textContent = text;
    item.append(child);
    return child;
  };
  add("span", `type ${type}`, "").title = type;
  if (estimate !== null) add("span", "points", String(estimate));
  add("a", "name", name || "(no name)").href = new URL(`../${kind === "e" ? "epic" : "story"}/show/${id}/index.html`, here).href;
  const day = updated && new Date(updated).toLocaleDateString("en-GB", { day: "numeric", month: "short", year: "numeric", timeZone: "UTC" });
  add("span", "date", `${projects[project] ?? ""}, #${id}${day ? `, ${day}` : ""}`);
  if (state) add("span", `state ${state}`, state);
  return item;
}

(async () => {
  const text = (new URLSearchParams(location.search).get("q") || "").trim();
  document.getElementById("q").value = text;
  if (!text) return;
  document.title = text;
  heading.textContent = "Searching";
  try {
    const search = new Search(await once("about", "", "about"));
    const pasted = text.match(/^(?:https?:\/\/)?(?:www\.)?pivotaltracker\.com\/\S*(?:stor(?:y\/show|ies)|epic(?:\/show|s))\/([0-9]{1,18})(?:[#?/]\S*)?$/i);
    const board = text.match(/^(?:https?:\/\/)?(?:www\.)?pivotaltracker\.com\/(?:n\/|s\/)?projects\/([0-9]{1,18})\/?$/i);
    if (board && Object.hasOwn(search.about.projects, board[1])) {
      location.replace(new URL(`../n/projects/${board[1]}/index.html`, here).href);
      return;
    }
    const asked = pasted ? pasted[1] : text;
    const number = asked.match(/^(?:#|id:)?([0-9]{1,18})$/);
    if (number) {
      const [here] = await search.numbered({ text: asked }, number[1]);
      if (here !== undefined) { location.replace(line(await search.row(here), {}).querySelector("a").href); return; }
    }
    const places = [...await search.run(asked)].sort((a, b) => a - b);
    for (const place of places.slice(0, MOST)) list.append(line(await search.row(place), search.about.projects));
    heading.textContent = `${places.length.toLocaleString("en")} found${places.length > MOST ? `, the newest ${MOST}` : ""}`;
  } catch (error) {
    heading.textContent = "Not understood";
    problem.textContent = error.part ? `${error.part}: ${error.message}.` : `${error.message}.`;
    problem.hidden = false;
    document.querySelector("details.help").open = true;
  }
})();
