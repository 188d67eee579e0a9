// @ts-check
// The field for an avatar or a voice: a choice from the catalogue, or an id as typed. Its list is loaded on first use.
import { h, icon } from "../lib/dom.js";
import { strings } from "../lib/strings.js";

/** @import { Context } from "../lib/context.js" */
/** @import { CatalogueKind, FetchPage } from "../lib/types.js" */
/** @import { PickerList } from "./picker-list.js" */

const MAX_ID_LENGTH = 255; // characters

export class Picker {
	#toggle; #error;
	/** @type {string | null} the id that the server has */
	#saved = null;
	/** @type {PickerList | null} */
	#list = null;
	/** @type {Promise<void> | null} */
	#loading = null;
	/** @type {string | null} the chosen id */
	value = null;
	/** @type {FetchPage | null} */
	fetchPage = null;

	/**
	 * @param {CatalogueKind} kind
	 * @param {Context} context
	 * @param {() => void} onchange called after each choice
	 */
	constructor(kind, context, onchange) {
		this.kind = kind;
		this.context = context;
		this.words = strings[kind];
		this.onchange = onchange;
		const { label, one, hint, placeholder } = this.words;
		this.input = h("input", {
			id: kind, class: "input", role: "combobox", placeholder, autocomplete: "off", autocapitalize: "off",
			spellcheck: "false", "aria-autocomplete": "list", "aria-expanded": "false", "aria-controls": `${kind}-list`,
			"aria-describedby": `${kind}-hint ${kind}-note ${kind}-error`,
			onfocus: () => {
				this.input.select();
				this.#withList();
			},
			onclick: () => this.#withFocus((list) => list.open()),
			oninput: () => {
				onchange();
				this.#withFocus((list) => list.search());
			},
			onkeydown: (event) => this.#onKey(event),
			onblur: () => this.commit(),
		});
		this.clear = h("button", { type: "button", class: "tool", "aria-label": strings.picker.clear(one),
			onclick: () => {
				this.choose(null);
				this.input.focus();
			} }, icon("close"));
		this.#toggle = h("button", { type: "button", class: "tool", tabindex: "-1", "aria-label": strings.picker.open(one),
			onmousedown: (event) => event.preventDefault(),
			onclick: () => {
				this.input.focus();
				this.#withFocus((list) => list.toggle());
			} }, icon("chevron"));
		this.combo = h("div", { class: "combo" }, this.input, this.clear, this.#toggle);
		this.note = h("p", { class: "note", id: `${kind}-note` });
		this.#error = h("p", { class: "field-error", id: `${kind}-error`, role: "alert" });
		this.element = h("div", { class: "row" },
			h("div", { class: "row-label" }, h("label", { for: kind }, label), h("p", { class: "hint", id: `${kind}-hint` }, hint)),
			h("div", { class: "row-field" }, this.combo, this.note, this.#error));
		this.show();
	}

	get dirty() { return this.value !== this.#saved || this.typed !== null; }

	/** Why the choice cannot be saved, or null. */
	get problem() { return [...(this.value ?? "")].length > MAX_ID_LENGTH ? strings.picker.tooLong : null; }

	/** The name of the choice; its id while the catalogue has not been loaded; or null. */
	get name() { return this.#list?.known?.name ?? this.value; }

	/** The text in the field, if it is not the choice itself; or null. */
	get typed() {
		const text = this.input.value.trim();
		return [this.name ?? "", this.value].includes(text) ? null : text;
	}

	/** Set where the list's pages come from; null while only ids can be typed. @param {FetchPage | null} fetchPage */
	setCatalogue(fetchPage) {
		const { typed } = this;
		this.fetchPage = fetchPage;
		this.#list?.reset();
		if (typed === null) this.input.value = this.value ?? ""; // its name is no longer known
	}

	/**
	 * Set the id that the server has. An unsaved choice stays, unless `force`.
	 * @param {string | null} id
	 * @param {boolean} [force]
	 */
	setSaved(id, force = false) {
		const typing = this.typed !== null && !force;
		if (force || this.value === this.#saved) this.value = id;
		this.#saved = id;
		if (!typing) this.show();
	}

	/** @param {string | null} message */
	setError(message) {
		this.#error.textContent = message ?? "";
		this.input.setAttribute("aria-invalid", String(Boolean(message)));
	}

	focus() {
		this.input.focus();
	}

	stop() {
		this.#list?.stop();
	}

	/** Find the choice in the catalogue, so that the field shows its name and picture. */
	resolve() {
		this.#withList((list) => list.load());
	}

	/** @param {string | null} id */
	choose(id) {
		this.value = id || null;
		this.show();
		this.setError(this.problem);
		this.onchange();
	}

	/** Put the choice into the field, unless its list is open and the user is typing. */
	show() {
		const text = this.name ?? "";
		if (this.input.value !== text && (!this.#list?.isOpen || this.typed === null)) {
			this.input.value = text;
			if (this.#list?.isOpen) this.input.select(); // the next letter starts a search
		}
		this.clear.hidden = !this.value;
		this.#list?.decorate();
	}

	/** Take what was typed: the item with that name, or else the text as an id. */
	commit() {
		const { typed } = this;
		if (typed !== null) this.choose(this.#list?.findByName(typed)?.id ?? typed);
		this.#list?.close();
		this.show();
	}

	/** @param {(list: PickerList) => unknown} [then] */
	async #withList(then) {
		if (!this.#list) {
			this.#loading ??= import("./picker-list.js").then(({ PickerList }) => { this.#list = new PickerList(this); });
			await this.#loading.catch(() => { this.#loading = null; }); // offline: an id can still be typed
		}
		if (this.#list) then?.(this.#list);
	}

	/** The same, unless the focus has moved on while the list was being loaded. @param {(list: PickerList) => unknown} then */
	#withFocus(then) {
		this.#withList((list) => this.input.matches(":focus") && then(list));
	}

	/** @param {KeyboardEvent} event */
	#onKey(event) {
		if (this.#list) {
			if (this.#list.onKey(event)) event.preventDefault();
		} else if (/^Arrow(Up|Down)$/.test(event.key)) {
			this.#withFocus((list) => list.open());
			event.preventDefault();
		}
	}
}
