// accessibility.js: checks the page as it is now; returns a list of sentences, empty when all is well. Rules of WCAG 2.2 that a
// machine can decide: names, labels, roles, headings, landmarks, ids, tables, contrast, sizes of targets, order of focus.
const found = [];
const say = (element, text) => found.push(`${element.tagName.toLowerCase()}${element.id ? `#${element.id}` : ""}.${[...element.classList].join(".")} "${(element.innerText || "").slice(0, 40).replace(/\s+/g, " ")}": ${text}`);
const scope = document.querySelector("dialog[open]") || document.body;
const all = (selector) => [...scope.querySelectorAll(selector)];
const visible = (element) => {
  if (!element.checkVisibility({ checkOpacity: true, checkVisibilityCSS: true })) return false;
  const box = element.getBoundingClientRect();
  return box.width > 1 && box.height > 1;
};
const textOf = (ids) => ids.split(/\s+/).map((id) => document.getElementById(id)?.textContent ?? "").join(" ").trim();
const nameOf = (element) => {
  if (element.getAttribute("aria-labelledby")) return textOf(element.getAttribute("aria-labelledby"));
  if (element.getAttribute("aria-label")) return element.getAttribute("aria-label").trim();
  if (element.labels?.length) return [...element.labels].map((label) => label.textContent).join(" ").trim();
  if (element.tagName === "IMG") return (element.alt || "").trim();
  return (element.textContent || "").trim() || element.title || [...element.querySelectorAll("img")].map((image) => image.alt).join(" ").trim();
};

// Names, labels and roles.
for (const element of all("button, a[href], input:not([type=hidden]), select, textarea, summary, [role=button], [role=link], [tabindex='0']"))
  if (visible(element) && !nameOf(element)) say(element, "has no name");
for (const element of all("input:not([type=hidden]), select, textarea"))
  if (visible(element) && !element.labels?.length && !element.getAttribute("aria-label") && !element.getAttribute("aria-labelledby")) say(element, "has no label");
for (const element of all("img")) if (!element.hasAttribute("alt")) say(element, "has no alternative text");
for (const element of all("canvas, svg")) if (visible(element) && !(element.getAttribute("role") === "img" && nameOf(element)) && element.getAttribute("aria-hidden") !== "true") say(element, "is a picture without role and name");
for (const element of all("a:not([href])")) if (visible(element)) say(element, "is a link without an address");
for (const element of all("div[onclick], span[onclick]")) say(element, "is clicked, but is no button");
for (const element of all("dialog[open]").concat(scope.matches("dialog") ? [scope] : [])) if (!nameOf(element)) say(element, "is a dialog without a name");
for (const element of all("nav, section[aria-label], [role=region]")) if (!nameOf(element)) say(element, "is a region without a name");
const regions = new Set();
for (const element of all("nav, section[aria-label], [role=region]").filter(visible)) {
  if (regions.has(nameOf(element))) say(element, "is a second region of this name");
  regions.add(nameOf(element));
}
for (const name of ["aria-labelledby", "aria-describedby", "aria-controls", "aria-errormessage"])
  for (const element of all(`[${name}]`))
    for (const id of element.getAttribute(name).split(/\s+/)) if (!document.getElementById(id)) say(element, `${name} names ${id}, which is not there`);
for (const element of all("[aria-hidden=true]")) if (element.matches("a, button, input, select, textarea") || element.querySelector("a[href], button, input, select, textarea")) say(element, "is hidden, and can have the focus");

// The page.
if (!document.documentElement.lang) found.push("the page has no language");
if (!document.title.trim()) found.push("the page has no title");
if (scope === document.body) {
  if (document.querySelectorAll("h1").length !== 1) found.push(`the page has ${document.querySelectorAll("h1").length} first headings`);
  if (document.querySelectorAll("main").length !== 1) found.push("the page has no one main part");
  for (const element of all("a[href]:not(.skip), button, input, h1, h2, h3, p, td"))
    if (visible(element) && !element.closest("main, header, nav, footer, aside, dialog, [role=status]")) say(element, "lies outside the parts of the page");
}
let level = scope === document.body ? 0 : 1;
for (const heading of all("h1, h2, h3, h4, h5, h6")) {
  if (!visible(heading)) continue;
  const own = Number(heading.tagName[1]);
  if (own > level + 1 && level > 0) say(heading, `is of level ${own}, behind level ${level}`);
  if (!heading.textContent.trim()) say(heading, "is empty");
  level = own;
}
const ids = new Map();
for (const element of document.querySelectorAll("[id]")) ids.set(element.id, (ids.get(element.id) || 0) + 1);
for (const [id, count] of ids) if (count > 1) found.push(`the id ${id} stands ${count} times`);
for (const list of all("ul, ol")) for (const child of list.children) if (!child.matches("li, script, template")) say(child, "stands in a list, and is no item");
for (const list of all("dl")) for (const child of list.children) if (!child.matches("dt, dd, div")) say(child, "stands in a list of facts, and is none");
for (const one of all("table")) {
  if (!one.caption?.textContent.trim()) say(one, "has no caption");
  if (!one.querySelector("th[scope=col]")) say(one, "has no heads of columns");
}

// Contrast, from the computed colours.
const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
const rgba = (colour) => {
  canvas.clearRect(0, 0, 1, 1);
  canvas.fillStyle = colour;
  canvas.fillRect(0, 0, 1, 1);
  const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
  return [r, g, b, a / 255];
};
const over = (top, under) => top.slice(0, 3).map((part, index) => part * top[3] + under[index] * (1 - top[3])).concat(1);
const luminance = (colour) => {
  const [r, g, b] = colour.slice(0, 3).map((part) => (part /= 255) <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const contrast = (a, b) => {
  const [high, low] = [luminance(a), luminance(b)].sort((x, y) => y - x);
  return (high + 0.05) / (low + 0.05);
};
const groundOf = (element) => {
  const layers = [];
  for (let at = element; at; at = at.parentElement) layers.push(rgba(getComputedStyle(at).backgroundColor));
  return layers.reverse().reduce((under, top) => over(top, under), [255, 255, 255, 1]);
};
const seen = new Set();
const walker = document.createTreeWalker(scope, NodeFilter.SHOW_TEXT);
while (walker.nextNode()) {
  const element = walker.currentNode.parentElement;
  if (!walker.currentNode.textContent.trim() || seen.has(element) || !visible(element) || element.closest("[disabled], noscript, option")) continue;
  seen.add(element);
  const style = getComputedStyle(element);
  const ground = groundOf(element);
  const size = parseFloat(style.fontSize);
  const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
  const ratio = contrast(over(rgba(style.color), ground), ground);
  if (ratio < (large ? 3 : 4.5) - 0.01) say(element, `has a contrast of ${ratio.toFixed(2)}`);
}
for (const element of all("input:not([type=checkbox]):not([type=radio]):not([type=hidden]), select, textarea, button:not(.plain):not([disabled])")) {
  if (!visible(element)) continue;
  const style = getComputedStyle(element);
  const outside = groundOf(element.parentElement);
  const ratio = Math.max(contrast(over(rgba(style.borderTopColor), outside), outside), contrast(groundOf(element), outside));
  if (ratio < 2.99) say(element, `has an edge with a contrast of ${ratio.toFixed(2)}`);
}

// Targets of at least 24 by 24, but for links within a text.
for (const element of all("button, select, input:not([type=hidden]):not([type=checkbox]), nav a"))
  if (visible(element)) {
    const box = element.getBoundingClientRect();
    if (box.height < 24 || box.width < 24) say(element, `is only ${Math.round(box.width)} by ${Math.round(box.height)}`);
  }

// The order of focus is that of the page, and nothing stands beside the window.
for (const element of all("[tabindex]")) if (Number(element.getAttribute("tabindex")) > 0) say(element, "has a place of its own in the order of focus");
if (document.documentElement.scrollWidth > innerWidth + 1) {
  found.push(`the page is ${document.documentElement.scrollWidth} wide in a window of ${innerWidth}`);
  for (const element of all("*")) if (visible(element) && element.getBoundingClientRect().right > innerWidth + 1 && !element.closest(".table, .tabs")) { say(element, `ends at ${Math.round(element.getBoundingClientRect().right)}`); break; }
}
return found;
