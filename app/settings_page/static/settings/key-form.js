// @ts-check
// The form for an API key. The key is write-only: it leaves the page when it is stored.
import { button, fill, h, isDisabled } from "../lib/dom.js";
import { toFailure } from "../lib/failure.js";
import { Slot } from "../lib/slot.js";
import { keyForm } from "./strings.js";

/** @import { Context } from "../lib/context.js" */
/** @import { Integration, Provider } from "../lib/types.js" */

const SANDBOX_PREFIX = "sandbox-";

/**
 * @typedef {object} KeyFormOptions
 * @property {(apiKey: string) => Promise<Integration>} send
 * @property {(integration: Integration) => void} onsaved
 * @property {() => void} [oncancel] with it, the form replaces a key that is stored
 */

export class KeyForm {
	#text; #words; #provider; #options; #input; #error; #slot; #submit;

	/** @param {Context} context @param {Provider} provider @param {KeyFormOptions} options */
	constructor(context, provider, options) {
		const { text } = context;
		const words = text.section("keyForm", keyForm);
		const p = { p: provider.title };
		this.#text = text;
		this.#words = words;
		this.#provider = provider;
		this.#options = options;
		this.#slot = new Slot(context, provider.title);
		this.#input = h("input", {
			id: "api-key", class: "input", part: "input", type: "password", autocomplete: "off", autocapitalize: "off",
			spellcheck: "false", placeholder: words.placeholder, "data-1p-ignore": true, "data-lpignore": "true", dir: "ltr",
			"aria-describedby": "api-key-hint api-key-error", oninput: () => this.#setError(null),
		});
		this.#error = h("p", { class: "field-error", id: "api-key-error", role: "alert" });
		const submit = text.fill(options.oncancel ? words.replace : words.connect, p);
		this.#submit = h("button", { type: "submit", class: "button primary", part: "button primary" }, submit);
		this.element = h("form", { class: "key-form", novalidate: true, onsubmit: (event) => {
			event.preventDefault();
			this.#save();
		} },
		h("div", { class: "label-line" }, h("label", { for: "api-key" }, words.label),
			h("a", { class: "link", href: provider.key_url, target: "_blank", rel: "noopener noreferrer" },
				text.fill(words.link, p), h("span", { "aria-hidden": "true" }, " ↗"))),
		h("div", { class: "join" }, this.#input, this.#submit),
		this.#error,
		h("p", { class: "small", id: "api-key-hint" }, text.fill(words.hint, p)),
		provider.is_sandbox && this.#sandboxHint(),
		this.#slot.element,
		options.oncancel && button(words.keep, options.oncancel, "link"));
	}

	focus() {
		this.#input.focus();
	}

	/** Which keys the sandbox accepts, with one to fill in. */
	#sandboxHint() {
		const words = this.#words;
		const line = h("p", { class: "small" });
		const parts = words.sandbox.split(/(\{prefix\}|\{empty\})/);
		const names = /** @type {Record<string, string>} */ ({
			"{prefix}": SANDBOX_PREFIX, "{empty}": `${SANDBOX_PREFIX}nocredit-…`,
		});
		fill(line, ...parts.map((part) => (names[part] ? h("code", { dir: "ltr" }, names[part]) : part)));
		return h("div", { class: "sandbox" }, line, button(words.fillIn, () => {
			this.#input.value = `${SANDBOX_PREFIX}demo-${crypto.getRandomValues(new Uint32Array(1))[0]}`;
			this.#setError(null);
			this.#submit.focus();
		}, "link"));
	}

	/** @param {string | null} message */
	#setError(message) {
		this.#error.textContent = message ?? "";
		this.#input.setAttribute("aria-invalid", String(Boolean(message)));
		if (message) this.#input.focus();
	}

	#save() {
		if (isDisabled(this.#submit)) return;
		const words = this.#words;
		const p = { p: this.#provider.title };
		const key = this.#input.value.trim();
		if (!key) return this.#setError(this.#text.fill(words.missing, p));
		if (!/^[\x21-\x7e]{1,512}$/.test(key)) return this.#setError(words.shape);
		this.#setError(null);
		return this.#slot.run({
			control: this.#submit,
			doing: this.#text.fill(words.checking, p),
			work: () => this.#options.send(key),
			done: (integration) => {
				this.#input.value = "";
				this.#options.onsaved(integration);
			},
			failed: (error) => {
				const { code, errors } = toFailure(error);
				const isShape = errors.some(({ field }) => String(field).endsWith("api_key"));
				if (code !== "api_key_rejected" && !isShape) return false;
				this.#setError(isShape ? words.shape : this.#text.fill(words.rejected, p));
				return true;
			},
		});
	}
}
