// What a page gets wrong for people who can't see it, can't see it well, or have no mouse; a line each. Not all of
// what axe looks at: names, labels, headings, landmarks, contrast, focus, targets, ids.
() => {
  const found = [];
  const say = (what, element) => found.push(`${what}: ${element.outerHTML.slice(0, 120)}`);
  const shown = (e) => e.checkVisibility({ checkOpacity: true, checkVisibilityCSS: true });
  const all = (selector) => [...document.querySelectorAll(selector)].filter(shown);
  const named = (e) => {
    const by = (e.getAttribute("aria-labelledby") || "").split(" ").map((i) => document.getElementById(i)?.textContent);
    return [e.getAttribute("aria-label"), ...by, e.textContent, e.title].some((t) => (t || "").trim());
  };

  if (!document.documentElement.lang) found.push("no language");
  if (!document.title.trim()) found.push("no title");
  for (const [landmark, most] of [["main", 1], ["header", 1], ["h1", 1]]) {
    const count = all(landmark).length;
    if (count < 1 || count > most) found.push(`${count} ${landmark}`);
  }
  const inside = (e) => e.closest("main, header, nav, footer, .skip");
  for (const e of all("body *")) {
    if ([...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim()) && !inside(e)) say("outside landmarks", e);
  }
  const navs = all("nav").map((n) => n.getAttribute("aria-label"));
  if (new Set(navs).size < navs.length || navs.includes(null)) found.push(`navigations aren't told apart: ${navs}`);
  let level = 0;
  for (const e of all("h1, h2, h3, h4, h5, h6")) {
    const now = Number(e.tagName[1]);
    if (now > level + 1) say("heading skips a level", e);
    if (!named(e)) say("empty heading", e);
    level = now;
  }
  for (const e of all("input:not([type=hidden]), select, textarea")) {
    if (![...e.labels].some((l) => shown(l) && l.textContent.trim())) say("no label", e);
  }
  for (const e of all("button, a[href], summary")) if (!named(e)) say("no name", e);
  for (const e of all("img, [role=img]")) if (!(e.alt || e.getAttribute("aria-label"))) say("no text instead", e);
  for (const e of all("th")) if (!e.textContent.trim()) say("empty header", e);
  for (const e of all("ul, ol")) if ([...e.children].some((c) => c.tagName !== "LI")) say("no list", e);
  const ids = [...document.querySelectorAll("[id]")].map((e) => e.id);
  for (const id of new Set(ids)) if (ids.filter((i) => i === id).length > 1) found.push(`id twice: ${id}`);
  for (const e of document.querySelectorAll("[aria-describedby], [aria-labelledby]")) {
    const to = `${e.getAttribute("aria-describedby") || ""} ${e.getAttribute("aria-labelledby") || ""}`;
    for (const id of to.split(" ").filter(Boolean)) if (!document.getElementById(id)) say("leads nowhere", e);
  }
  for (const e of all("[tabindex]")) if (e.tabIndex > 0) say("jumps the order", e);
  for (const e of all("body *")) {
    const scrolls = ["auto", "scroll"].includes(getComputedStyle(e).overflowX) && e.scrollWidth > e.clientWidth + 1;
    if (scrolls && e.tabIndex < 0 && !e.querySelector("a, button, input")) say("scrolls, but not by keyboard", e);
  }
  for (const e of all("button, summary, select, input:not([type=hidden]), nav a, .counts a")) {
    const box = e.getBoundingClientRect();
    if (box.width < 24 || box.height < 24) say(`target of ${box.width} x ${box.height}`, e);
  }

  const channels = (colour) => colour.match(/[\d.]+/g).map(Number);
  const light = (rgb) => {
    const [r, g, b] = rgb.map((c) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (e) => {
    for (let at = e; at; at = at.parentElement) {
      const [r, g, b, alpha = 1] = channels(getComputedStyle(at).backgroundColor);
      if (alpha > 0) return [r, g, b];
    }
    return [255, 255, 255];
  };
  const contrast = (a, b) => (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  for (const e of all("body *")) {
    if (![...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim())) continue;
    const style = getComputedStyle(e);
    const size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    const ratio = contrast(light(channels(style.color).slice(0, 3)), light(behind(e)));
    if (ratio < (large ? 3 : 4.5)) say(`contrast ${ratio.toFixed(2)}`, e);
  }
  for (const e of all("input:not([type=hidden]), select")) {
    const ratio = contrast(light(channels(getComputedStyle(e).borderTopColor).slice(0, 3)), light(behind(e.parentElement)));
    if (ratio < 3) say(`edge's contrast ${ratio.toFixed(2)}`, e);
  }
  return found;
}
