// The field of an avatar or a voice: what is chosen, or an id as typed. Its list is loaded when it is first wanted.
import { h, icon } from "../lib/dom.js";
import { strings } from "../lib/strings.js";

const LONGEST_ID = 255; // characters

export class Picker {
	#saved = null; // as the server has it
	#loading = null;
	list = null;
	fetchPage = null;

	/** `kind`: "avatars" or "voices". `shared`: what PickerList needs. `onchange()` after each choice. */
	constructor(kind, shared, onchange) {
		this.kind = kind;
		this.shared = shared;
		this.words = strings[kind];
		this.value = null; // as chosen here
		this.onchange = onchange;
		this.#build(onchange);
		this.show();
	}

	get dirty() { return this.value !== this.#saved || this.typed !== null; }
	get problem() { return [...(this.value ?? "")].length > LONGEST_ID ? strings.picker.tooLong : null; }
	/** The chosen one's name; its id where the catalogue has not been seen; or null. */
	get name() { return this.list?.known?.name ?? this.value; }

	/** What is in the field, where that is not the choice itself; or null. */
	get typed() {
		const text = this.input.value.trim();
		return [this.name ?? "", this.value].includes(text) ? null : text;
	}

	#build(onchange) {
		const { label, one, hint, placeholder } = this.words;
		const id = this.kind;
		this.input = h("input", {
			id, class: "input", role: "combobox", placeholder, autocomplete: "off", autocapitalize: "off",
			spellcheck: "false", "aria-autocomplete": "list", "aria-expanded": "false", "aria-controls": `${id}-list`,
			"aria-describedby": `${id}-hint ${id}-note ${id}-error`,
			onfocus: () => { this.input.select(); this.#withList(); },
			onclick: () => this.#withFocus((list) => list.open()),
			oninput: () => { onchange(); this.#withFocus((list) => list.search()); },
			onkeydown: (event) => this.#key(event),
			onblur: () => this.commit(),
		});
		this.clear = h("button", { type: "button", class: "tool", "aria-label": strings.picker.clear(one),
			onclick: () => { this.choose(null); this.input.focus(); } }, icon("close"));
		this.toggle = h("button", { type: "button", class: "tool", tabindex: "-1", "aria-label": strings.picker.open(one),
			onmousedown: (event) => event.preventDefault(),
			onclick: () => { this.input.focus(); this.#withFocus((list) => list.toggle()); } }, icon("chevron"));
		this.combo = h("div", { class: "combo" }, this.input, this.clear, this.toggle);
		this.note = h("p", { class: "note", id: `${id}-note` });
		this.error = h("p", { class: "field-error", id: `${id}-error`, role: "alert" });
		this.element = h("div", { class: "row" },
			h("div", { class: "row-label" }, h("label", { for: id }, label), h("p", { class: "hint", id: `${id}-hint` }, hint)),
			h("div", { class: "row-field" }, this.combo, this.note, this.error));
	}

	/** Where the list's pages come from: `fetchPage(cursor)`; null while only ids can be typed. */
	setCatalogue(fetchPage) {
		const { typed } = this;
		this.fetchPage = fetchPage;
		this.list?.forget();
		if (typed === null) this.input.value = this.value ?? ""; // its name is not known any more
	}

	/** What the server has. A choice that is not saved yet stays, unless `force`. */
	setSaved(id, force = false) {
		const typing = this.typed !== null && !force;
		if (force || this.value === this.#saved) this.value = id;
		this.#saved = id;
		if (!typing) this.show();
	}

	setError(message) {
		this.error.textContent = message ?? "";
		this.input.setAttribute("aria-invalid", String(Boolean(message)));
	}

	focus() { this.input.focus(); }

	/** Look the chosen one up, so that the field shows its name and picture. */
	look() { this.#withList((list) => list.load()); }

	choose(id) {
		this.value = id || null;
		this.show();
		this.setError(this.problem);
		this.onchange();
	}

	/** Put the choice into the field, unless its list is open and somebody types. */
	show() {
		const text = this.name ?? "";
		if (this.input.value !== text && (!this.list?.isOpen || this.typed === null)) {
			this.input.value = text;
			if (this.list?.isOpen) this.input.select(); // the next letter starts a search
		}
		this.clear.hidden = !this.value;
		this.list?.decorate();
	}

	async #withList(then) {
		if (!this.list) {
			this.#loading ??= import("./picker-list.js").then(({ PickerList }) => { this.list = new PickerList(this); });
			await this.#loading.catch(() => { this.#loading = null; }); // offline: an id can still be typed
		}
		if (this.list) then?.(this.list);
	}

	/** The same, unless the focus has moved on while the list was being loaded. */
	#withFocus(then) {
		this.#withList((list) => this.input.matches(":focus") && then(list));
	}

	#key(event) {
		if (this.list?.key(event) || (!this.list && /^Arrow(Up|Down)$/.test(event.key))) {
			if (!this.list) this.#withFocus((list) => list.open());
			event.preventDefault();
		}
	}

	/** Take what was typed: a name that is one, or else an id. */
	commit() {
		const { typed } = this;
		if (typed !== null) this.choose(this.list?.named(typed)?.id ?? typed);
		this.list?.close();
		this.show();
	}
}
