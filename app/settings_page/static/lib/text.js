// @ts-check
// Words, numbers and times in the page's language. A host may replace every word (docs/settings-page.md).

/** @import { Message } from "./types.js" */

/** @typedef {string | Partial<Record<Intl.LDMLPluralRule, string>> & { other: string }} Template `{name}` stands for a value; `n` selects the plural */
/** @typedef {Record<string, string | number | null | undefined>} Values */

/** @type {[Intl.RelativeTimeFormatUnit, number][]} */
const UNITS = [["day", 86_400_000], ["hour", 3_600_000], ["minute", 60_000]];

export class Text {
	#overrides; #plurals; #relative; #numbers;
	/** @type {Map<string, unknown>} */
	#sections = new Map();

	/**
	 * @param {string | null} [lang] a BCP 47 tag; English if it is null or unknown
	 * @param {Record<string, unknown> | null} [overrides] a host's words, by section
	 */
	constructor(lang = null, overrides = null) {
		this.#overrides = overrides ?? {};
		this.lang = supported(lang);
		this.#plurals = new Intl.PluralRules(this.lang);
		this.#relative = new Intl.RelativeTimeFormat(this.lang, { numeric: "auto" });
		this.#numbers = new Intl.NumberFormat(this.lang);
	}

	/** The words of a section: ours, with the host's in their place. @template T @param {string} name @param {T} ours @returns {T} */
	section(name, ours) {
		if (!this.#sections.has(name)) this.#sections.set(name, merge(ours, this.#overrides[name]));
		return /** @type {T} */ (this.#sections.get(name));
	}

	/** @param {Template} template @param {Values} [values] */
	fill(template, values = {}) {
		const words = typeof template === "string" ? template
			: template[this.#plurals.select(Number(values.n))] ?? template.other;
		return words.replace(/\{(\w+)\}/g, (_, name) => {
			const value = Object.hasOwn(values, name) ? values[name] : "";
			return typeof value === "number" ? this.number(value) : value ?? "";
		}).trim();
	}

	/** @param {Message} message @param {Values} [values] @returns {Message} */
	message({ what, todo }, values) {
		return { what: this.fill(what, values), todo: todo && this.fill(todo, values) };
	}

	/** @param {number} n */
	number(n) {
		return this.#numbers.format(n);
	}

	/** @param {string} iso */
	date(iso) {
		return new Date(iso).toLocaleDateString(this.lang, { day: "numeric", month: "short", year: "numeric" });
	}

	/** @param {string} iso */
	dateTime(iso) {
		return new Date(iso).toLocaleString(this.lang, { dateStyle: "medium", timeStyle: "short" });
	}

	/** How long ago a moment was: `now`, `2 minutes ago`, `yesterday`. @param {string} iso @param {number} [now] in ms */
	ago(iso, now = Date.now()) {
		const past = Math.max(0, now - new Date(iso).getTime()); // a client's clock may be behind
		const [unit, size] = UNITS.find(([, size]) => past >= size) ?? ["second", Infinity];
		return this.#relative.format(-Math.round(past / size), unit);
	}
}

/** A length of time: `1:05`, `1:02:03`. @param {number} milliseconds */
export function formatElapsed(milliseconds) {
	const total = Math.max(0, Math.floor(milliseconds / 1000));
	const parts = [Math.floor(total / 3600), Math.floor(total / 60) % 60, total % 60];
	const shown = parts[0] ? parts : parts.slice(1);
	return shown.map((part, index) => (index ? String(part).padStart(2, "0") : part)).join(":");
}

/** @param {string | null} lang */
function supported(lang) {
	try {
		return Intl.NumberFormat.supportedLocalesOf(lang || "en")[0] ?? "en";
	} catch {
		return "en"; // not a language tag
	}
}

/** Take what has the shape of ours; ignore the rest. @param {any} ours @param {any} theirs @returns {any} */
function merge(ours, theirs) {
	if (typeof ours === "string") return typeof theirs === "string" || isTemplate(theirs) ? theirs : ours;
	if (isTemplate(ours) && (typeof theirs === "string" || isTemplate(theirs))) return theirs;
	if (theirs === null || typeof theirs !== "object") return ours;
	if (Array.isArray(ours)) return ours.map((word, index) => merge(word, theirs[index]));
	return Object.fromEntries(Object.entries(ours).map(([key, word]) => [key, merge(word, theirs[key])]));
}

/** @param {any} value */
function isTemplate(value) {
	return typeof value?.other === "string";
}
