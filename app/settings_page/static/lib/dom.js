// @ts-check
// Builds the page. Text only ever becomes text nodes; no HTML is made from strings.
import { timeAgo } from "./clock.js";

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
	element.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
	return element;
}

const PATHS = {
	avatar: "M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8Zm-7.5 8a7.5 7.5 0 0 1 15 0",
	check: "m5 12.5 4.5 4.5L19 7.5",
	chevron: "m7 10 5 5 5-5",
	close: "M7 7l10 10M17 7 7 17",
	film: "M4 6.5h16v11H4zM10 9.5v5l4.5-2.5z",
	pause: "M9 7v10M15 7v10",
	play: "M9 6.5v11l8.5-5.5z",
	warn: "M12 8.5v4.5M12 16.5h.01M12 3.8 2.8 19.5h18.4z",
};
/** @typedef {keyof typeof PATHS} IconName */

/** @param {IconName} name */
export function icon(name) {
	const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
	const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
	path.setAttribute("d", PATHS[name]);
	svg.setAttribute("viewBox", "0 0 24 24");
	svg.setAttribute("class", "icon");
	svg.setAttribute("aria-hidden", "true");
	svg.append(path);
	return svg;
}

/**
 * @param {string} label
 * @param {(event: MouseEvent) => unknown} onclick
 * @param {string} [kind] its CSS classes
 * @param {Attributes} [attributes]
 */
export function button(label, onclick, kind = "quiet", attributes = {}) {
	return h("button", { type: "button", class: `button ${kind}`, onclick, ...attributes }, label);
}

/**
 * Show on a button that its work is in progress; `label` null ends it. The button stays focusable.
 * @param {HTMLElement} element
 * @param {string | null} label
 */
export function setBusy(element, label) {
	element.toggleAttribute("data-busy", Boolean(label));
	element.setAttribute("aria-disabled", label ? "true" : "false");
	if (label) {
		element.dataset.label ??= element.textContent ?? "";
		element.textContent = label;
	} else if (element.dataset.label) {
		element.textContent = element.dataset.label;
		delete element.dataset.label;
	}
}

/**
 * A message in place, with buttons.
 * @param {"bad" | "warn" | "plain"} tone
 * @param {Message} message
 * @param {...HTMLElement} actions
 */
export function notice(tone, { what, todo }, ...actions) {
	return h("div", { class: "notice", "data-tone": tone },
		icon(tone === "plain" ? "close" : "warn"),
		h("div", { class: "notice-text" }, h("p", { class: "notice-what" }, what), todo && h("p", {}, todo)),
		actions.length > 0 && h("div", { class: "notice-actions" }, ...actions),
	);
}

/** A `<time>` that says how long ago, with the exact time on hover. @param {string} iso */
export function ago(iso) {
	const date = new Date(iso);
	const title = date.toLocaleString("en", { dateStyle: "medium", timeStyle: "short" });
	return h("time", { datetime: iso, title }, timeAgo(date));
}
