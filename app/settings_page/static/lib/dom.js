// @ts-check
// Builds the page. Text only ever becomes text nodes; no HTML is made from strings.

/** @import { Text } from "./text.js" */
/** @import { Message } from "./types.js" */

/** @typedef {{ [Name in keyof HTMLElementEventMap as `on${Name}`]?: (event: HTMLElementEventMap[Name]) => unknown }} Handlers */
/** @typedef {Handlers & { [name: string]: string | number | boolean | null | undefined | Function }} Attributes */
/** @typedef {Node | string | null | undefined | false} Child */

/**
 * Create an element: `h("p", { class: "x", onclick: listener }, "text", child)`. Null and false are left out.
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Attributes} [attributes]
 * @param {...Child} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function h(tag, attributes = {}, ...children) {
	const element = document.createElement(tag);
	for (const [name, value] of Object.entries(attributes)) {
		if (value === null || value === undefined || value === false) continue;
		if (typeof value === "function") element.addEventListener(name.slice(2), /** @type {EventListener} */ (value));
		else element.setAttribute(name, value === true ? "" : String(value));
	}
	element.append(...present(children));
	return element;
}

/** @param {Child[]} children @returns {(Node | string)[]} */
function present(children) {
	return children.filter((child) => child !== null && child !== undefined && child !== false);
}

/** Replace what an element contains. @param {Element} element @param {...Child} children */
export function fill(element, ...children) {
	element.replaceChildren(...present(children));
}

/** @param {Element} element */
export const clear = (element) => element.replaceChildren();

const PATHS = {
	check: "m5 12.5 4.5 4.5L19 7.5",
	chevron: "m7 10 5 5 5-5",
	close: "M7 7l10 10M17 7 7 17",
	info: "M12 11v5.5M12 7.5h.01M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18Z",
	film: "M4 6.5h16v11H4zM10 9.5v5l4.5-2.5z",
	pause: "M9 7v10M15 7v10",
	play: "M9 6.5v11l8.5-5.5z",
	search: "M10.5 17a6.5 6.5 0 1 0 0-13 6.5 6.5 0 0 0 0 13Zm4.8-1.7L20 20",
	warn: "M12 8.5v4.5M12 16.5h.01M12 3.8 2.8 19.5h18.4z",
};
/** @typedef {keyof typeof PATHS} IconName */

/** @param {IconName} name */
export const icon = (name) => draw(PATHS[name]);

/** An icon for the eyes alone. @param {string} path its path data */
export function draw(path) {
	const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
	const line = document.createElementNS("http://www.w3.org/2000/svg", "path");
	line.setAttribute("d", path);
	svg.setAttribute("viewBox", "0 0 24 24");
	svg.setAttribute("class", "icon");
	svg.setAttribute("aria-hidden", "true");
	svg.append(line);
	return svg;
}

/**
 * @param {string} label
 * @param {(event: MouseEvent) => unknown} onclick
 * @param {string} [kind] its CSS classes
 * @param {Attributes} [attributes]
 */
export function button(label, onclick, kind = "quiet", attributes = {}) {
	const part = `button ${kind.split(" ")[0]}`;
	return h("button", { type: "button", class: `button ${kind}`, part, onclick, ...attributes }, label);
}

/**
 * Show on a control that its work is in progress. It stays focusable.
 * @param {HTMLElement} element
 * @param {string | null} label a button's meanwhile; null keeps its own
 * @param {boolean} [busy]
 */
export function setBusy(element, label, busy = false) {
	element.toggleAttribute("data-busy", busy);
	element.setAttribute("aria-disabled", String(busy));
	if (busy && label && element.matches("button:not([data-keep])")) {
		element.dataset.label ??= element.textContent ?? "";
		element.textContent = label;
	} else if (!busy && element.dataset.label) {
		element.textContent = element.dataset.label;
		delete element.dataset.label;
	}
}

/** @param {HTMLElement} element */
export const isDisabled = (element) => element.getAttribute("aria-disabled") === "true";

/**
 * A message in place, with buttons.
 * @param {"bad" | "warn" | "good" | "plain"} tone
 * @param {Message} message
 * @param {...(Child)} actions a string is the label of the message's reference
 */
export function notice(tone, { what, todo, reference }, ...actions) {
	const label = actions.find((action) => typeof action === "string");
	const controls = actions.filter((action) => action instanceof Node);
	return h("div", { class: "notice", part: "notice", "data-tone": tone },
		icon(tone === "good" ? "check" : tone === "plain" ? "info" : "warn"),
		h("div", { class: "notice-text" }, h("p", { class: "strong" }, what), todo && h("p", {}, todo),
			reference && label && h("p", { class: "small reference" }, `${label} `, h("code", {}, reference))),
		controls.length > 0 && h("div", { class: "buttons" }, ...controls));
}

/** A short confirmation that disappears by itself. @param {Element} place @param {string} words */
export function flash(place, words) {
	place.querySelector(".flash")?.remove();
	const element = h("span", { class: "flash" }, icon("check"), words);
	place.append(element);
	setTimeout(() => element.remove(), 4000);
}

/** A `<time>` that says how long ago, and goes on counting; the exact time on hover. @param {string} iso @param {Text} text */
export function ago(iso, text) {
	const element = h("time", { datetime: iso, title: text.dateTime(iso) }, text.ago(iso));
	const timer = setInterval(() => {
		if (element.isConnected) element.textContent = text.ago(iso);
		else clearInterval(timer);
	}, 30_000);
	return element;
}

/** A picture, or the first letter of its name where there is none or it does not load. @param {string} name @param {string | null | undefined} url */
export function face(name, url) {
	const letter = () => h("span", { class: "face letter", "aria-hidden": "true" }, [...name.trim()][0]?.toUpperCase() ?? "?");
	const src = safeUrl(url);
	if (!src) return letter();
	const image = h("img", { class: "face", src, alt: "", loading: "lazy", decoding: "async", referrerpolicy: "no-referrer" });
	image.addEventListener("error", () => image.replaceWith(letter()), { once: true });
	return image;
}

/** A provider's link, or null unless it is http(s) and thus safe to open. @param {string | null | undefined} value */
export function safeUrl(value) {
	if (!value || !URL.canParse(value)) return null;
	const url = new URL(value);
	return url.protocol === "https:" || url.protocol === "http:" ? url.href : null;
}

/** Grey lines in the place of what is being loaded. @param {string} label for screen readers @param {number} [rows] */
export function skeleton(label, rows = 3) {
	return h("div", { class: "skeleton", part: "skeleton" }, h("span", { class: "sr" }, label),
		...Array.from({ length: rows }, () => h("div", { class: "row" }, h("i"), h("i"))));
}

/** Style sheets are adopted, which a strict Content-Security-Policy allows. @param {ShadowRoot} root @param {CSSStyleSheet} sheet */
export function adopt(root, sheet) {
	if (!root.adoptedStyleSheets.includes(sheet)) root.adoptedStyleSheets.push(sheet);
}
