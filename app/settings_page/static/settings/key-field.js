// @ts-check
// The API key is write-only: once it is stored, the page shows dots in its place and nothing else.
import { button, h } from "../lib/dom.js";
import { strings } from "../lib/strings.js";

export class KeyField {
	#provider; #onchange; #input; #keep; #entry; #replace; #stored; #hint; #error;
	#isStored = false;
	#replacing = false;

	/** @param {{ provider: string, onchange: () => void, onremove: () => void }} options */
	constructor({ provider, onchange, onremove }) {
		const words = strings.key;
		this.#provider = provider;
		this.#onchange = onchange;
		this.#input = h("input", {
			id: "api-key", class: "input", type: "password", autocomplete: "off", autocapitalize: "off", spellcheck: "false",
			placeholder: words.placeholder, "data-1p-ignore": true, "data-lpignore": "true",
			"aria-describedby": "api-key-hint api-key-error",
			oninput: () => {
				this.setError(null);
				onchange();
			},
		});
		this.#keep = button(words.keep, () => {
			this.#setReplacing(false);
			this.#replace.focus();
		}, "link");
		this.#entry = h("div", { class: "entry" }, this.#input, this.#keep);
		const about = { "aria-describedby": "api-key-label" };
		this.#replace = button(words.replace, () => this.startReplacing(), "quiet", about);
		this.#stored = h("div", { class: "stored" },
			h("span", { class: "mask", "aria-hidden": "true" }, words.mask),
			h("span", { class: "sr" }, words.isSet),
			this.#replace, button(words.remove, onremove, "quiet danger-text", about));
		this.#hint = h("p", { class: "hint", id: "api-key-hint" });
		this.#error = h("p", { class: "field-error", id: "api-key-error", role: "alert" });
		this.element = h("div", { class: "row" },
			h("div", { class: "row-label" }, h("label", { for: "api-key", id: "api-key-label" }, words.label), this.#hint),
			h("div", { class: "row-field" }, this.#stored, this.#entry, this.#error));
		this.setStored(false);
	}

	/** What was typed, or null when there is no key to send. */
	get value() { return this.#entry.hidden ? null : this.#input.value.trim() || null; }
	get dirty() { return this.value !== null; }

	/** Why the key cannot be sent as it is, or null. */
	get problem() {
		if (this.#entry.hidden) return null;
		if (!this.value) return this.#replacing || !this.#isStored ? strings.key.missing(this.#provider) : null;
		return /^[\x21-\x7e]{1,512}$/.test(this.value) ? null : strings.key.shape;
	}

	/** @param {boolean} stored @param {boolean} [saved] what was typed is now the stored key, and leaves the page */
	setStored(stored, saved = false) {
		if (saved || (stored && !this.#isStored)) this.#replacing = false;
		if (saved) this.#input.value = "";
		this.#isStored = stored;
		this.#render();
	}

	/** @param {string | null} message */
	setError(message) {
		this.#error.textContent = message ?? "";
		this.#input.setAttribute("aria-invalid", String(Boolean(message)));
	}

	/** @param {Element | null} element the one with the focus */
	isInput(element) {
		return element === this.#input;
	}

	focus() {
		(this.#entry.hidden ? this.#replace : this.#input).focus();
	}

	startReplacing() {
		this.#setReplacing(true);
		this.#input.focus();
	}

	/** @param {boolean} replacing */
	#setReplacing(replacing) {
		this.#replacing = replacing;
		this.#input.value = "";
		this.setError(null);
		this.#render();
		this.#onchange();
	}

	#render() {
		const entering = !this.#isStored || this.#replacing;
		this.#entry.hidden = !entering;
		this.#stored.hidden = entering;
		this.#keep.hidden = !this.#isStored;
		this.#input.placeholder = strings.key[this.#isStored ? "replacement" : "placeholder"];
		this.#hint.textContent = entering ? strings.key.hint(this.#provider) : strings.key.setHint;
	}
}
