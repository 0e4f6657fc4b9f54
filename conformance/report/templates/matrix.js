"use strict";
/* A row opens to what each target did; the search lives in the URL. Text becomes text nodes and nothing else. */
(() => {
  document.documentElement.classList.add("js");
  const $ = (selector, within = document) => within.querySelector(selector);
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const data = JSON.parse($("#data").textContent);
  const INVISIBLE = /(?![ \n])[\p{C}\p{Z}]|(?<=\p{M}\p{M})\p{M}/gu;
  const make = (name, attributes, ...children) => {
    const element = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    element.append(...children);
    return element;
  };
  const visible = (text) => text.replace(INVISIBLE, (found) => `⟨U+${found.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}⟩`);

  const toggle = (button) => {
    const row = button.closest("tr");
    const open = button.getAttribute("aria-expanded") === "true";
    button.setAttribute("aria-expanded", String(!open));
    if (open) { row.nextElementSibling.remove(); return; }
    const list = make("dl", {});
    (data.rows[row.id] ?? []).forEach((message, index) => {
      const verdict = row.cells[index + 1].firstElementChild.cloneNode(true);
      list.append(make("dt", {}, make("bdi", {}, visible(data.targets[index]))), make("dd", { class: "text" }, verdict, " ", visible(message)));
    });
    const cell = make("td", { colspan: String(row.cells.length) }, make("p", {}, $(".statement", row).textContent), list);
    row.after(make("tr", { class: "detail" }, cell));
  };
  document.addEventListener("click", ({ target }) => { if (target.closest(".open")) toggle(target.closest(".open")); });

  const search = $("input[type=search]");
  const rows = all(".matrix tbody tr").map((row) => ({ row, text: null }));
  const textOf = (item) => (item.text ??= (item.row.textContent + " " + (data.rows[item.row.id] ?? []).join(" ")).toLowerCase());
  const apply = () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const item of rows) {
      const fit = words.every((word) => textOf(item).includes(word));
      item.row.hidden = !fit;
      if (item.row.nextElementSibling?.matches(".detail")) item.row.nextElementSibling.hidden = !fit;
      shown += fit;
    }
    if (words.length && $(".same")) $(".same").open = true;
    $("[role=status]").textContent = words.length ? `${shown} of ${rows.length}` : "";
  };
  search.addEventListener("input", () => {
    history.replaceState(null, "", search.value ? "#q=" + encodeURIComponent(search.value) : "#differs");
    apply();
  });
  const go = () => {
    const fragment = location.hash.slice(1);
    if (fragment.startsWith("q=")) { search.value = new URLSearchParams(fragment).get("q"); apply(); return; }
    const named = /^[A-Z]+-\d+$/.test(fragment) && document.getElementById(fragment);
    if (!named) return;
    if (named.closest(".same")) named.closest(".same").open = true;
    if ($(".open", named).getAttribute("aria-expanded") === "false") toggle($(".open", named));
    named.scrollIntoView({ block: "center" });
  };
  addEventListener("hashchange", go);
  go();
})();
