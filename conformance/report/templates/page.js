"use strict";
/* Filters that live in the URL, evidence that is made when it is opened. Text becomes text nodes and nothing else. */
(() => {
  const root = document.documentElement;
  root.classList.add("js");
  const $ = (selector, within = document) => within.querySelector(selector);
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  let parsed;
  const data = () => (parsed ??= JSON.parse($("#data").textContent));

  const make = (name, attributes = {}, ...children) => {
    const element = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    element.append(...children);
    return element;
  };
  const drawn = (name, attributes) => {
    const element = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    return element;
  };

  /* Invisible characters made visible, as `escape_html` of `escaping.py` does it. */
  const INVISIBLE = /(?! )[\p{C}\p{Z}]|(?<=\p{M}\p{M})\p{M}/gu;
  const ESCAPES = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };
  const sign = (character) => {
    const code = character.codePointAt(0);
    if (character in ESCAPES) return ESCAPES[character];
    if (code >= 0xdc80 && code < 0xdd00) return (code - 0xdc00).toString(16).toUpperCase();
    return "U+" + code.toString(16).toUpperCase().padStart(4, "0");
  };
  const visible = (text, breaks = true) => {
    const made = document.createDocumentFragment();
    let last = 0;
    for (const { 0: found, index } of text.matchAll(INVISIBLE)) {
      made.append(text.slice(last, index));
      made.append(make("span", { class: "i" }, sign(found)));
      if (found === "\n" && breaks) made.append("\n");
      last = index + found.length;
    }
    made.append(text.slice(last));
    return made;
  };

  const seconds = (value) => (value < 1 ? `${(value * 1000).toFixed(value < 0.01 ? 1 : 0)} ms` : `${value.toFixed(2)} s`);
  const count = (n, what) => `${n.toLocaleString("en")} ${what}${n === 1 ? "" : "s"}`;
  const more = (n, where) => make("span", { class: "more" }, ` … ${count(n, "more byte")} ${where} `);

  /* -- evidence ---------------------------------------------------------------------------------------------- */

  const showBody = (body, marks) => {
    const pre = make("pre", { tabindex: "0" });
    if (body.before) pre.append(more(body.before, "before"));
    for (const [offset, text] of body.parts) {
      if (marks.includes(offset)) pre.append(make("mark", {}, "▸ objected to, byte " + offset), " ");
      pre.append(visible(text));
    }
    if (body.after) pre.append(more(body.after, "in results.json"));
    if (!pre.childNodes.length || !pre.textContent) pre.append(make("span", { class: "more" }, "(empty)"));
    return pre;
  };

  const showHeaders = (headers) => {
    const pre = make("pre", { tabindex: "0" });
    for (const [name, value] of headers) pre.append(visible(name, false), ": ", visible(value, false), "\n");
    return make("details", { class: "small" }, make("summary", {}, count(headers.length, "header")), pre);
  };

  const showReading = (read) => {
    const rows = [];
    if (read.error !== undefined) rows.push(["error", read.error]);
    for (const choice of read.choices ?? []) {
      const which = read.choices.length > 1 || choice.index ? ` of choice ${choice.index}` : "";
      rows.push([`text${which}`, choice.text], [`finish_reason${which}`, choice.finish]);
    }
    if (read.more) rows.push(["", `… ${count(read.more, "more choice")}`]);
    if (read.usage) rows.push(["usage", read.usage]);
    const body = make("tbody");
    for (const [name, value] of rows) body.append(make("tr", {}, make("th", { scope: "row" }, name), make("td", {}, visible(value))));
    return make("table", { class: "diff" }, make("caption", {}, "What a client reads in it"), body);
  };

  const isBad = (event, marks) => marks.some((mark) => mark >= event.start && mark < event.end);

  const showStrip = (line, marks) => {
    const end = Math.max(...line.arrivals.map(([at]) => at), 0.001);
    const most = Math.max(...line.arrivals.map(([, bytes]) => bytes), 1);
    const at = (time) => 10 + (980 * time) / end;
    const strip = drawn("svg", { viewBox: "0 0 1000 50", preserveAspectRatio: "none", class: "strip", role: "img" });
    strip.setAttribute("aria-label", `${count(line.pieces, "arrival")} in ${seconds(end)}`);
    strip.append(drawn("line", { class: "axis", x1: 0, x2: 1000, y1: 44, y2: 44 }));
    for (const [time, bytes] of line.arrivals) strip.append(drawn("line", { x1: at(time), x2: at(time), y1: 44, y2: 34 - (26 * bytes) / most }));
    for (const event of line.events) {
      if (event.skipped || !isBad(event, marks)) continue;
      const time = event.parts.find(([offset]) => marks.includes(offset))?.[1] ?? event.seconds;
      strip.append(drawn("line", { class: "bad", x1: at(time), x2: at(time), y1: 48, y2: 2 }));
    }
    const scale = make("div", { class: "scale" }, make("span", {}, "request sent"), make("span", {}, `${count(line.pieces, "arrival")}, taller means more bytes`), make("span", {}, seconds(end)));
    return [strip, scale];
  };

  const showEvent = (event, before, marks) => {
    if (event.skipped) return make("li", {}, make("span", { class: "wait" }, "…"), make("span", { class: "wait" }, count(event.skipped, "event")), make("span", { class: "wait" }, "like these, in results.json"));
    const raw = make("div", { class: "raw" });
    if (!event.n) raw.append(make("mark", {}, "▸ no blank line ends it: clients drop it"), " ");
    event.parts.forEach(([offset, time, text, cut], index) => {
      if (cut) raw.append(make("span", { class: "cut" }, `next bytes at ${seconds(time)}`));
      if (marks.includes(offset)) raw.append(make("mark", {}, "▸ objected to"), " ");
      const last = index === event.parts.length - 1;
      const kept = last ? text.replace(/\n+$/, "") : text;
      raw.append(visible(kept));
      for (const _ of text.slice(kept.length)) raw.append(make("span", { class: "i" }, "\\n"));
    });
    if (event.cut) raw.append(more(event.cut, "in results.json"));
    const when = make("span", { class: "when" }, seconds(event.seconds));
    if (before !== null) when.append(make("span", { class: "wait" }, `+${seconds(event.seconds - before)}`));
    const where = make("span", { class: "where" }, event.n ? `event ${event.n}` : "unfinished", make("span", { class: "wait" }, `bytes ${event.start}–${event.end}`));
    return make("li", isBad(event, marks) ? { class: "bad" } : {}, when, where, raw);
  };

  const showTimeline = (line, marks) => {
    const list = make("ol", { class: "events", tabindex: "0", "aria-label": "Events of the stream" });
    let before = null;
    for (const event of line.events) {
      list.append(showEvent(event, before, marks));
      before = event.skipped ? null : event.seconds;
    }
    return [...showStrip(line, marks), list];
  };

  const fillExchange = (element) => {
    const inside = $(".inside", element);
    const shown = data().exchanges[element.dataset.x];
    if (inside.childNodes.length || !shown) return;
    const marks = element.dataset.marks ? element.dataset.marks.split(",").map(Number) : [];
    const add = (...children) => inside.append(...children);
    add(make("h5", {}, "Sent: ", visible(`${shown.method} ${shown.url}`, false)), showHeaders(shown.sent_headers), showBody(shown.sent, []));
    if (shown.retries) add(make("p", { class: "small soft" }, `After ${count(shown.retries, "retry").replace("retrys", "retries")}, because the target asked for patience.`));
    const answer = shown.answer;
    if (answer) {
      const state = answer.complete ? "" : shown.closed_by_us ? ", closed by the suite on purpose" : ", not complete";
      add(make("h5", {}, `Came: status ${answer.status}, ${count(answer.size, "byte")} in ${seconds(shown.seconds)}${state}`), showHeaders(answer.headers));
      if (answer.timeline) add(...showTimeline(answer.timeline, marks));
      else if (answer.body) add(showBody(answer.body, marks));
      if (answer.read) add(showReading(answer.read));
    } else if (!shown.fault) add(make("h5", {}, "The suite closed the connection before an answer came, on purpose."));
    if (shown.fault) add(make("h5", {}, answer ? "Then" : "Came"), make("p", {}, visible(`${shown.fault.kind.replace("_", " ")}: ${shown.fault.message}`)));
    const bad = $(".events .bad", inside);
    if (bad) bad.parentElement.scrollTop = bad.offsetTop - bad.parentElement.offsetTop - 60;
    const isFirst = element.matches(".evidence > .difference + .x"); // its line stands above already
    if (shown.curl && !isFirst) {
      const label = `curl line of ${element.dataset.x}`;
      add(make("h5", {}, "Send it again"), make("div", { class: "line" }, make("pre", { tabindex: "0", role: "group", "aria-label": label }, shown.curl), make("button", { type: "button", class: "button copy screen-only", "aria-label": `Copy ${label}` }, "Copy")));
    }
  };

  const CHANGE = { "-": "del", "+": "ins" };
  const diffRows = (heading, rows) => {
    const body = make("tbody");
    for (const row of rows) {
      const cell = make("td");
      if (row.changes === undefined) cell.append(make("span", { class: "more" }, "same: "), visible(row.same));
      for (const [sign, text] of row.changes ?? []) {
        cell.append(sign in CHANGE ? make(CHANGE[sign], {}, visible(text)) : visible(text));
        if (sign === "-") cell.append(" ");
      }
      body.append(make("tr", {}, make("th", { scope: "row" }, heading, row.name), cell));
    }
    return body;
  };

  const fillRequirement = (element) => {
    const place = $(".difference", element);
    const found = data().differences[element.id];
    if (!place || !found || place.childNodes.length) return;
    const caption = make("caption", {}, "What sets ", make("code", {}, found.to), " apart from ", make("code", {}, found.from), ": ", make("del", {}, `only in ${found.from}`), " ", make("ins", {}, `only in ${found.to}`));
    place.append(make("table", { class: "diff" }, caption, diffRows("sent: ", found.asked), diffRows("came: ", found.came)));
  };

  document.addEventListener("toggle", ({ target }) => {
    if (!target.open) return;
    if (target.matches(".x")) fillExchange(target);
    if (target.matches(".req")) fillRequirement(target);
  }, true);

  /* -- copy -------------------------------------------------------------------------------------------------- */

  const copy = async (pre) => {
    try {
      await navigator.clipboard.writeText(pre.textContent);
      return true;
    } catch {
      getSelection().selectAllChildren(pre);
      return document.execCommand("copy");
    }
  };
  document.addEventListener("click", async ({ target }) => {
    const button = target.closest(".copy");
    if (!button) return;
    const done = await copy($("pre", button.parentElement));
    button.textContent = done ? "Copied" : "Press Ctrl-C";
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  });

  /* -- filters ----------------------------------------------------------------------------------------------- */

  const form = $(".tools");
  const areas = all(".area");
  const items = areas.flatMap((area) => all(".req", area).map((element) => ({ element, area: area.dataset.area, text: null })));
  const textOf = (item) => (item.text ??= item.element.textContent.toLowerCase());
  const empty = () => ({ verdict: [], area: "", tier: "", level: "", q: "" });
  let state = empty();

  const read = (fragment) => {
    const found = empty();
    const given = new URLSearchParams(fragment);
    for (const name of ["area", "tier", "level", "q"]) found[name] = given.get(name) ?? "";
    found.verdict = (given.get("verdict") ?? "").split(",").filter(Boolean);
    return found;
  };
  const write = () => {
    const given = new URLSearchParams();
    if (state.verdict.length) given.set("verdict", state.verdict.join(","));
    for (const name of ["area", "tier", "level", "q"]) if (state[name]) given.set(name, state[name]);
    const fragment = given.toString().replaceAll("%2C", ",");
    history.replaceState(null, "", "#" + (fragment || "requirements"));
  };

  const fits = ({ element, area }, words, item) =>
    (!state.verdict.length || state.verdict.includes(element.dataset.verdict)) &&
    (!state.area || state.area === area) &&
    (!state.tier || state.tier === element.dataset.tier) &&
    (!state.level || state.level === element.dataset.level) &&
    words.every((word) => textOf(item).includes(word));

  const apply = () => {
    const words = state.q.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const item of items) {
      const fit = fits(item, words, item);
      item.element.hidden = !fit;
      shown += fit;
    }
    for (const area of areas) area.hidden = !$(".req:not([hidden])", area);
    for (const chip of all(".chip", form)) chip.setAttribute("aria-pressed", String(state.verdict.includes(chip.dataset.verdict)));
    for (const name of ["area", "tier", "level", "q"]) if (form.elements[name].value !== state[name]) form.elements[name].value = state[name];
    const filtered = shown < items.length;
    $("[role=status]", form).textContent = filtered ? `${shown} of ${count(items.length, "requirement")}${shown ? "" : ": nothing fits these filters"}` : count(items.length, "requirement");
    $(".reset", form).hidden = !filtered;
  };
  const change = (changes) => {
    state = { ...state, ...changes };
    write();
    apply();
  };

  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("click", ({ target }) => {
    const chip = target.closest(".chip");
    if (chip) {
      const name = chip.dataset.verdict;
      change({ verdict: state.verdict.includes(name) ? state.verdict.filter((other) => other !== name) : [...state.verdict, name] });
    } else if (target.closest(".reset")) {
      change(empty());
      form.elements.q.focus();
    }
  });
  form.addEventListener("input", ({ target }) => { if (target.name) change({ [target.name]: target.value }); });

  const go = () => {
    const fragment = decodeURIComponent(location.hash.slice(1));
    const named = /^[A-Z]+-\d+$/.test(fragment) ? document.getElementById(fragment) : null;
    if (named) {
      if (named.hidden) { state = empty(); apply(); }
      named.open = true;
      fillRequirement(named);
      named.scrollIntoView();
      $("summary", named).focus({ preventScroll: true });
    } else if (fragment.includes("=")) {
      state = read(location.hash.slice(1));
      apply();
      $("#requirements").scrollIntoView();
    } else if (!fragment) {
      state = empty();
      apply();
    }
  };
  addEventListener("hashchange", go);
  apply();
  go();

  /* -- print: what is wrong is printed open ------------------------------------------------------------------- */

  let opened = [];
  addEventListener("beforeprint", () => {
    opened = all(".req.problem:not([hidden]):not([open])");
    for (const element of opened) { element.open = true; fillRequirement(element); }
    for (const element of all(".req.problem[open] .x:first-of-type:not([open])")) { element.open = true; fillExchange(element); opened.push(element); }
  });
  addEventListener("afterprint", () => { for (const element of opened) element.open = false; });
})();
