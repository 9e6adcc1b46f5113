// Sliders for the what-if page, and answers without a click. The page works without this script, by its form.
"use strict";

const form = document.getElementById("what-if");
const REPLACED = ["#answer", "#sign"]; // the parts of the page that depend on the assumption
let timer = 0;
let newest = 0;

// Fetch the page of the assumption in the form, and show its parts here. A slower, older answer is dropped.
async function answer() {
  const fields = [...new FormData(form)].filter(([, text]) => text !== "");
  const address = `${form.getAttribute("action")}?${new URLSearchParams(fields)}`;
  const number = ++newest;
  const response = await fetch(address, { headers: { Accept: "text/html" } });
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  if (number !== newest) return;
  if (response.redirected || !page.querySelector("#answer")) {
    location.assign(address); // the session has ended, or the figures are refused
    return;
  }
  for (const part of REPLACED) document.querySelector(part).replaceWith(page.querySelector(part));
  const cells = page.querySelectorAll(".break-even");
  document.querySelectorAll(".break-even").forEach((cell, i) => cell.replaceChildren(...cells[i].childNodes));
  history.replaceState(null, "", address);
}

function answerSoon() {
  clearTimeout(timer);
  timer = setTimeout(answer, 150);
}

for (const field of form.querySelectorAll("[data-slide]")) {
  const slider = document.createElement("input");
  slider.type = "range";
  const end = Number(field.dataset.slide);
  slider.min = Number(field.min) < 0 ? -end : 0;
  slider.max = end;
  slider.step = end <= 10 ? 0.1 : end <= 1000 ? 1 : end / 200;
  slider.value = field.value;
  slider.setAttribute("aria-label", `${field.labels[0].textContent} (slider)`);
  slider.addEventListener("input", () => {
    field.value = slider.value;
    answerSoon();
  });
  field.addEventListener("input", () => {
    slider.value = field.value;
    answerSoon();
  });
  field.after(slider);
}
form.querySelectorAll("select").forEach((field) => field.addEventListener("change", answerSoon));
