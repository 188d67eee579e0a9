// Small tools for building the page. Text only ever becomes text nodes; no HTML is made from strings.

/** `h("p", {class: "x", onclick: f}, "text", child)`: an element; null and false are left out. */
export function h(tag, attributes = {}, ...children) {
	const element = document.createElement(tag);
	for (const [name, value] of Object.entries(attributes)) {
		if (value === null || value === undefined || value === false) continue;
		if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
		else element.setAttribute(name, value === true ? "" : value);
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

export function icon(name) {
	const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
	const path = document.createElementNS(svg.namespaceURI, "path");
	path.setAttribute("d", PATHS[name]);
	svg.setAttribute("viewBox", "0 0 24 24");
	svg.setAttribute("class", "icon");
	svg.setAttribute("aria-hidden", "true");
	svg.append(path);
	return svg;
}

export function button(label, onclick, kind = "quiet", attributes = {}) {
	return h("button", { type: "button", class: `button ${kind}`, onclick, ...attributes }, label);
}

/** Show that a button's work is under way. It stays focusable, so that the keyboard's place is kept. */
export function busy(element, label) {
	element.toggleAttribute("data-busy", Boolean(label));
	element.setAttribute("aria-disabled", label ? "true" : "false");
	if (label) {
		element.dataset.label ??= element.textContent;
		element.textContent = label;
	} else if (element.dataset.label) {
		element.textContent = element.dataset.label;
		delete element.dataset.label;
	}
}

/** A message in place: what happened and what to do. `actions` are buttons. */
export function notice(tone, { what, todo }, ...actions) {
	return h("div", { class: "notice", "data-tone": tone },
		icon(tone === "plain" ? "close" : "warn"),
		h("div", { class: "notice-text" }, h("p", { class: "notice-what" }, what), todo && h("p", {}, todo)),
		actions.length > 0 && h("div", { class: "notice-actions" }, ...actions),
	);
}

/** Whether a generation is still in the making. */
export const isLive = (generation) => ["dispatching", "processing"].includes(generation?.status);

/** A `<time>` that says how long ago, with the exact time on hover. */
export function ago(iso) {
	const date = new Date(iso);
	const seconds = Math.min(0, (date - Date.now()) / 1000);
	const [unit, size] = [["day", 86400], ["hour", 3600], ["minute", 60]].find(([, s]) => -seconds >= s) ?? ["second", 1];
	const format = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
	const words = unit === "second" ? format.format(0, "second") : format.format(Math.round(seconds / size), unit);
	const title = date.toLocaleString("en", { dateStyle: "medium", timeStyle: "short" });
	return h("time", { datetime: iso, title }, words);
}
