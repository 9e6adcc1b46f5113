// Conveniences only: whatever is done here can be done without, by links and forms.
"use strict";

const items = [...document.querySelectorAll("[data-item]")];
const queue = document.querySelector("[data-queue]");

function current() {
  return items.find((item) => item.contains(document.activeElement));
}

function go(step) {
  const at = items.indexOf(current());
  const next = items[at < 0 ? (step > 0 ? 0 : items.length - 1) : at + step];
  if (next) next.focus();
}

function override(item) {
  const details = item.querySelector("details");
  if (!details) return;
  details.open = true;
  details.querySelector("[name=reason]").focus();
}

const keys = {
  j: () => go(1),
  ArrowDown: () => go(1),
  k: () => go(-1),
  ArrowUp: () => go(-1),
  a: () => current()?.querySelector("[data-key=a]")?.click(),
  o: () => current() && override(current()),
  "?": () => {
    const help = document.querySelector("details.keys");
    if (help) help.open = !help.open;
  },
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || !queue) return;
  if (event.target.matches("input, select, textarea")) {
    if (event.key === "Escape" && current()) {
      const item = current();
      item.querySelector("details").open = false;
      item.focus();
    }
    return;
  }
  if (!(event.key in keys)) return;
  event.preventDefault();
  keys[event.key]();
});

// Where the answer that was refused is, or the next one to answer: there the work goes on.
const refused = document.querySelector("[role=alert]")?.closest("[data-item]");
const wanted = location.hash && document.getElementById(location.hash.slice(1));
if (refused) override(refused);
else if (wanted && items.includes(wanted)) wanted.focus();
else if (queue) document.querySelector("[data-open]")?.focus({ preventScroll: true });

for (const form of document.querySelectorAll("form[method=post]")) {
  form.addEventListener("submit", (event) => {
    if (form.dataset.sent) event.preventDefault(); // a double click is one answer
    form.dataset.sent = "yes";
  });
}
// Back in the browser's history is a page as it was: let it be sent again.
addEventListener("pageshow", () => document.querySelectorAll("form").forEach((form) => delete form.dataset.sent));
