// Keyboard shortcuts and focus. The desk works without this script, by links and forms.
"use strict";

const items = [...document.querySelectorAll("[data-item]")];
const queue = document.querySelector("[data-queue]");

// Return the list item that has the focus or contains the focused element.
function current() {
  return items.find((item) => item.contains(document.activeElement));
}

// Focus the next (step 1) or the previous (step -1) item; without a current item, the first or the last one.
function focusItem(step) {
  const position = items.indexOf(current());
  const edge = step > 0 ? 0 : items.length - 1;
  const next = items[position < 0 ? edge : position + step];
  if (next) next.focus();
}

function openOverride(item) {
  const details = item.querySelector("details");
  if (!details) return;
  const shown = item.querySelector("details[open]") ?? details;
  shown.open = true;
  shown.querySelector("input[name=reason]").focus();
}

const keys = {
  j: () => focusItem(1),
  ArrowDown: () => focusItem(1),
  k: () => focusItem(-1),
  ArrowUp: () => focusItem(-1),
  a: () => current()?.querySelector("[data-key=a]")?.click(),
  o: () => current() && openOverride(current()),
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
      item.querySelectorAll("details").forEach((details) => (details.open = false));
      item.focus();
    }
    return;
  }
  if (!(event.key in keys)) return;
  event.preventDefault();
  keys[event.key]();
});

// Focus the answer that was rejected, or the decision named in the address, or the first one without an answer.
const rejected = document.querySelector("[role=alert]")?.closest("[data-item]");
const target = location.hash && document.getElementById(location.hash.slice(1));
if (rejected) openOverride(rejected);
else if (target && items.includes(target)) target.focus();
else if (queue) document.querySelector("[data-open]")?.focus({ preventScroll: true });

for (const form of document.querySelectorAll("form[method=post]")) {
  form.addEventListener("submit", (event) => {
    if (form.dataset.sent) event.preventDefault(); // a double click must not send the form twice
    form.dataset.sent = "yes";
  });
}
// The browser's back button may show the page from memory. Allow its forms to be sent again.
addEventListener("pageshow", () => document.querySelectorAll("form").forEach((form) => delete form.dataset.sent));

// Ask the desk every half minute what is new. Without this script, the page has a link to refresh it.
const NEWS_MILLISECONDS = 30_000;
const news = document.querySelector("[data-news]");

async function showNews() {
  if (document.hidden) return;
  const answer = await fetch(news.dataset.news).catch(() => null);
  if (!answer) news.textContent = "The desk doesn't answer. What you type stays on this page.";
  else if (answer.redirected) news.textContent = "Your session has ended. Send your answer to log in; its reason is kept.";
  else if (answer.ok) news.innerHTML = await answer.text();
}

if (news) setInterval(showNews, NEWS_MILLISECONDS);
