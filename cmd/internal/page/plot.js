// The renewals and failures of the last hours of one server, as a line of marks that differ in shape and colour.
import { drawn, write } from "./dom.js";
import { ago, clock, count, happening, now, time } from "./words.js";

const hours = 6;
const reach = hours * 3600 * 1000; // milliseconds

// kindOf: what is on purpose, or only did not come about, is no failure of a renewal.
const kindOf = (point) => (point.ok ? "renewal" : ["revoked", "invalidated", "sign_in_begun", "sign_in_failed"].includes(point.what) ? "other" : "failure");

const shapes = {
  renewal: () => drawn("path", { class: "renewal", d: "M0-9V9" }),
  failure: () => drawn("path", { class: "failure", d: "M-5-5 5 5M-5 5 5-5" }),
  other: () => drawn("path", { class: "other", d: "M0-5 5 0 0 5-5 0Z" }),
};

// plot draws into a figure. points have a time each, in any order.
export function plot(figure, history) {
  const end = now();
  const points = history.map((p) => ({ ...p, at: time(p.at) })).filter((p) => p.at !== null && p.at > end - reach);
  points.sort((a, b) => a.at - b.at);
  const says = words(points);
  write(figure.querySelector("figcaption"), says);
  const picture = drawn("svg", { role: "img", "aria-label": `The last ${hours} hours: ${says}` });
  picture.append(drawn("line", { class: "axis", x1: "0", x2: "100%", y1: "16", y2: "16" }));
  for (let h = 0; h <= hours; h++) {
    const x = `${(h / hours) * 100}%`;
    picture.append(drawn("line", { class: "hour", x1: x, x2: x, y1: "13", y2: "19" }));
  }
  picture.append(...points.map((p) => mark(p, end)), ...scale());
  figure.querySelector("svg")?.remove();
  figure.prepend(picture);
}

function mark(point, end) {
  const x = 1 + 98 * (1 - Math.max(0, end - point.at) / reach);
  const title = drawn("title");
  title.textContent = `${happening(point.what)}, ${clock(point.at)}`;
  return drawn("svg", { x: `${x.toFixed(2)}%`, y: "16", overflow: "visible" }, title, shapes[kindOf(point)]());
}

function scale() {
  return [["0", "start", `${hours} h ago`], ["50%", "middle", `${hours / 2} h ago`], ["100%", "end", "now"]].map(([x, anchor, text]) => {
    const label = drawn("text", { x, y: "40", "text-anchor": anchor });
    label.textContent = text;
    return label;
  });
}

function words(points) {
  const of = (kind) => points.filter((p) => kindOf(p) === kind);
  const [good, bad] = [of("renewal"), of("failure")];
  const said = [count(good.length, "renewal"), count(bad.length, "failure")];
  const last = points.at(-1);
  if (last && kindOf(last) !== "renewal") said.push(`latest: ${happening(last.what)} ${ago(last.at)}`);
  return said.join(", ");
}
