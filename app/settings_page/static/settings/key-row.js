// @ts-check
// Which key is stored, since when, and whether it still works; it is checked and replaced in place.
import { ago, button, clear, fill, h, notice } from "../lib/dom.js";
import { Row } from "./row.js";

/** @import { Integration } from "../lib/types.js" */
/** @import { SettingsCard } from "./settings-card.js" */

export class KeyRow extends Row {
	#replace; #validatedAt = "";

	/** @param {SettingsCard} card */
	constructor(card) {
		super(card, "key", card.words.key);
		const { check, replace } = this.words;
		const control = button(check, () => this.#check(control));
		this.#replace = button(replace, () => this.replace());
		fill(this.actions, control, this.#replace);
	}

	/** @param {HTMLElement} control */
	#check(control) {
		const before = this.#validatedAt;
		this.change(control, this.words.checking, () => this.context.api.validate(this.provider.name), ({ status }) => {
			if (this.#validatedAt !== before) this.confirm(this.words.stillValid);
			// One that is in error says so above.
			else if (status === "inactive") fill(this.slot.element, notice("bad", this.rejected));
		});
	}

	/** The provider does not accept the stored key. */
	get rejected() { return this.context.text.message(this.words.rejected, { p: this.provider.title }); }

	/** @param {Integration} integration */
	show({ api_key_last4: last4, api_key_set_at: since, validated_at: checked }) {
		const { words, context: { text } } = this;
		this.#validatedAt = checked ?? "";
		fill(this.value,
			h("p", { class: "mask", "aria-hidden": "true" }, h("bdi", {}, "•••• •••• ", last4 ?? "••••")),
			h("p", { class: "sr" }, last4 ? text.fill(words.keyEnding, { last4 }) : words.keySet),
			h("p", { class: "small" }, since && text.fill(words.since, { date: text.date(since) }), since && checked && " · ",
				checked && h("span", {}, `${words.checked} `, ago(checked, text))));
	}

	/** Ask for another key. */
	replace() {
		const { actions, editor, context, provider } = this;
		if (editor.hasChildNodes()) return;
		this.open(this.#replace, () => import("./key-form.js"), ({ KeyForm }) => {
			const close = () => {
				clear(editor);
				actions.hidden = false;
				this.#replace.focus();
			};
			const form = new KeyForm(context, provider, {
				send: (apiKey) => context.api.change(provider.name, { api_key: apiKey }),
				onsaved: (integration) => {
					close();
					this.card.take(integration);
					this.confirm(this.words.saved);
				},
				oncancel: close,
			});
			actions.hidden = true;
			fill(editor, form.element);
			form.focus();
		});
	}
}
