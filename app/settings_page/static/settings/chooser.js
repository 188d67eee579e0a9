// @ts-check
// The avatars or voices to choose from: a grid or a list with search, filters and previews. It is used by keyboard with
// the arrow keys; an id can be typed instead, on purpose only.
import { adopt, button, clear, fill, h, icon, skeleton } from "../lib/dom.js";
import { Slot } from "../lib/slot.js";
import { Catalogue } from "./catalogue.js";
import { buildOption, capitalise } from "./option.js";
import { Preview } from "./preview.js";
import sheet from "./settings.css.js";
import { chooser } from "./strings.js";

/** @import { Context } from "../lib/context.js" */
/** @import { CatalogueFilters, CatalogueItem, CatalogueKind, Provider } from "../lib/types.js" */

/**
 * @typedef {object} ChooserOptions
 * @property {CatalogueKind} kind
 * @property {Provider} provider
 * @property {string | null} chosen
 * @property {boolean} [canClear] offer the avatar's own voice
 * @property {(id: string | null, control: HTMLElement) => void} onchoose
 */

const SEARCH_DELAY = 250; // ms
const MAX_ID_LENGTH = 255; // characters

export class Chooser {
	#context; #options; #words; #own; #list; #status; #slot; #search; #languages; #idForm;
	/** @type {CatalogueFilters} */
	#filters = {};
	/** @type {Catalogue} */
	#catalogue;
	/** @type {Set<string>} */
	#seenLanguages = new Set();
	/** @type {ReturnType<typeof setTimeout> | undefined} */
	#timer;

	/** @param {Context} context @param {ChooserOptions} options */
	constructor(context, options) {
		const { kind } = options;
		const words = context.text.section("chooser", chooser);
		this.#context = context;
		this.#options = options;
		this.#words = words;
		this.#own = words[kind];
		this.#slot = new Slot(context, options.provider.title);
		this.#catalogue = this.#newCatalogue();
		this.#search = h("input", { type: "search", class: "input", part: "input", placeholder: this.#own.search,
			"aria-label": this.#own.search, autocomplete: "off", spellcheck: "false", oninput: () => this.#searchSoon(),
			onkeydown: (event) => event.key === "Enter" && event.preventDefault() });
		this.#languages = h("datalist", { id: "languages" });
		this.#list = h("ul", { class: kind === "avatars" ? "grid" : "voices", onkeydown: (event) => this.#onKey(event) });
		this.#status = h("p", { class: "small chooser-status", role: "status" });
		this.#idForm = h("div", { class: "id-form" }, button(this.#own.useId, () => this.#openIdForm(), "link"));
		adopt(context.root, sheet);
		this.element = h("div", { class: "chooser", part: `chooser ${kind}`, onscrollend: () => this.#onScroll() },
			h("div", { class: "tools" }, h("div", { class: "search" }, icon("search"), this.#search), this.#ownership(), ...this.#selects()),
			h("div", { class: "scroll", onscroll: () => this.#onScroll(), tabindex: "-1" }, this.#list, this.#slot.element),
			h("div", { class: "chooser-foot" }, this.#status, this.#idForm));
	}

	focus() {
		this.#search.focus();
	}

	/** Fetch more, and show it. @returns {Promise<void>} */
	async load() {
		if (this.#slot.isRunning) return;
		if (this.#catalogue.complete) {
			this.#render();
			return;
		}
		const catalogue = this.#catalogue;
		if (!this.#list.hasChildNodes()) fill(this.#list, h("li", { class: "wide" }, skeleton(this.#own.loading, 2)));
		this.#status.textContent = this.#own.loading;
		await this.#slot.run({ control: this.#status, work: () => catalogue.more(), failed: () => {
			if (!catalogue.items.length) clear(this.#list);
			this.#status.textContent = "";
		} });
		if (catalogue !== this.#catalogue) await this.load();
		else if (this.#slot.isEmpty) this.#render();
	}

	#newCatalogue() {
		const { provider, kind } = this.#options;
		const filters = { ...this.#filters };
		return new Catalogue((cursor) => this.#context.api.catalogue(provider.name, kind, filters, cursor));
	}

	/** @param {CatalogueFilters} change */
	#filter(change) {
		Object.assign(this.#filters, change);
		this.#catalogue = this.#newCatalogue();
		Preview.of(this.#context).stop();
		clear(this.#list);
		this.load();
	}

	#searchSoon() {
		clearTimeout(this.#timer);
		this.#timer = setTimeout(() => this.#filter({ q: this.#search.value.trim() }), SEARCH_DELAY);
	}

	#ownership() {
		const words = this.#words.ownership;
		const name = `owner-${this.#options.kind}`;
		return h("fieldset", { class: "segments" }, h("legend", { class: "sr" }, words.label),
			.../** @type {const} */ (["all", "private", "public"]).map((value) => h("label", { class: "segment" },
				h("input", { type: "radio", name, value, ...(value === "all" && { checked: true }),
					onchange: () => this.#filter({ ownership: value === "all" ? "" : value }) }),
				words[value])));
	}

	#selects() {
		const { gender, language } = this.#words;
		const { kind, provider } = this.#options;
		/** @type {HTMLSelectElement} */
		const genders = h("select", { class: "input", part: "input", "aria-label": gender.label,
			onchange: () => this.#filter({ gender: genders.value }) },
		h("option", { value: "" }, gender.any),
		h("option", { value: "female" }, gender.female), h("option", { value: "male" }, gender.male));
		if (kind === "avatars") return provider.has_genders ? [genders] : [];
		/** @type {HTMLInputElement} */
		const languages = h("input", { class: "input", part: "input", "aria-label": language.label, placeholder: language.any,
			list: "languages", autocomplete: "off", onchange: () => this.#filter({ language: languages.value.trim() }) });
		return [genders, languages, this.#languages];
	}

	#render() {
		const { items, complete } = this.#catalogue;
		const { kind, chosen, provider, onchoose } = this.#options;
		const { text } = this.#context;
		const shown = new Map([...this.#list.children].map((node) => [/** @type {HTMLElement} */ (node).dataset.id, node]));
		// A node that stays keeps its picture and the focus.
		fill(this.#list, this.#ownVoice(), ...items.map((item) => shown.get(item.id)
			?? buildOption(this.#context, kind, item, { isChosen: item.id === chosen, onchoose })));
		this.#makeOneTabbable();
		this.#suggestLanguages(items);
		const isFiltered = Object.values(this.#filters).some(Boolean);
		this.#status.textContent = items.length > 0 ? text.fill(complete ? this.#own.count : this.#own.soFar, { n: items.length })
			: isFiltered ? this.#own.nothing : text.fill(this.#own.empty, { p: provider.title });
		if (!complete && this.#fits()) this.load();
	}

	/** The choice of no voice, in the list of voices. */
	#ownVoice() {
		const { canClear, chosen, onchoose } = this.#options;
		if (!canClear || Object.values(this.#filters).some(Boolean)) return null;
		/** @type {HTMLButtonElement} */
		const control = h("button", { type: "button", class: "option", "aria-pressed": String(!chosen), tabindex: "-1",
			"data-keep": true, onclick: () => onchoose(null, control) },
		h("span", { class: "option-text option-name" }, this.#words.ownVoice),
		!chosen && h("span", { class: "tick" }, icon("check"), h("span", { class: "sr" }, this.#words.chosen)));
		return h("li", { "data-id": "" }, h("span", { class: "round none" }), control);
	}

	/** One option is in the tab order; the arrow keys lead to the others. @param {Element | null} [option] */
	#makeOneTabbable(option = null) {
		const options = [...this.#list.querySelectorAll(".option")];
		const one = option ?? options.find((node) => node.getAttribute("aria-pressed") === "true") ?? options[0];
		for (const node of this.#list.querySelectorAll("button")) {
			node.tabIndex = node.closest("li") === one?.closest("li") ? 0 : -1;
		}
	}

	/** @param {CatalogueItem[]} items */
	#suggestLanguages(items) {
		for (const { language } of items) if (language) this.#seenLanguages.add(capitalise(language) ?? "");
		fill(this.#languages, ...[...this.#seenLanguages].sort().map((value) => h("option", { value })));
	}

	/** @param {KeyboardEvent} event */
	#onKey(event) {
		const options = /** @type {HTMLElement[]} */ ([...this.#list.querySelectorAll(".option")]);
		const item = /** @type {Element} */ (event.target).closest("li");
		const at = options.findIndex((node) => node.closest("li") === item);
		const columns = getComputedStyle(this.#list).gridTemplateColumns.split(" ").length;
		const forward = this.#isRightToLeft ? -1 : 1;
		/** @type {Record<string, number>} */
		const steps = { ArrowDown: columns, ArrowUp: -columns, ArrowRight: forward, ArrowLeft: -forward,
			Home: -at, End: options.length - 1 - at };
		const step = steps[event.key];
		if (step === undefined || at < 0) return;
		event.preventDefault();
		const to = options[Math.max(0, Math.min(options.length - 1, at + step))];
		this.#makeOneTabbable(to);
		to.focus();
		if (to === options.at(-1)) this.load();
	}

	get #isRightToLeft() {
		return getComputedStyle(this.element).direction === "rtl";
	}

	get #scroller() {
		return /** @type {HTMLElement} */ (this.#list.parentElement);
	}

	#fits() {
		const { scrollHeight, clientHeight } = this.#scroller;
		return clientHeight > 0 && scrollHeight <= clientHeight;
	}

	#onScroll() {
		const { scrollTop, clientHeight, scrollHeight } = this.#scroller;
		if (this.#slot.isEmpty && scrollTop + clientHeight > scrollHeight - 300) this.load();
	}

	#openIdForm() {
		const own = this.#own;
		const error = h("p", { class: "field-error", id: "id-error", role: "alert" });
		const input = h("input", { id: "typed-id", class: "input", part: "input", autocomplete: "off", spellcheck: "false",
			dir: "ltr", "aria-describedby": "id-hint id-error" });
		const submit = h("button", { type: "submit", class: "button", part: "button quiet" }, own.useThis);
		fill(this.#idForm, h("form", { novalidate: true, onsubmit: (event) => {
			event.preventDefault();
			const id = input.value.trim();
			const problem = !id ? this.#words.idMissing : [...id].length > MAX_ID_LENGTH ? this.#words.idTooLong : "";
			error.textContent = problem;
			input.setAttribute("aria-invalid", String(Boolean(problem)));
			if (!problem) this.#options.onchoose(id, submit);
		} },
		h("label", { for: "typed-id" }, own.id), h("div", { class: "join" }, input, submit), error,
		h("p", { class: "small", id: "id-hint" }, own.idHint)));
		input.focus();
	}
}
