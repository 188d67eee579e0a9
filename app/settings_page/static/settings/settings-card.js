// @ts-check
// The card that connects a business with its provider.
import { Card } from "../lib/card.js";
import { h, icon, notice, setBusy } from "../lib/dom.js";
import { explain, isReportedByBanner, toFailure } from "../lib/explain.js";
import { strings } from "../lib/strings.js";
import { KeyField } from "./key-field.js";
import { Picker } from "./picker.js";
import { StatusPanel } from "./status-panel.js";

/** @import { Context } from "../lib/context.js" */
/** @import { CatalogueKind, Integration, IntegrationFields } from "../lib/types.js" */

export class SettingsCard extends Card {
	#api; #root; #announce; #onchange;
	#badge; #key; #avatar; #voice; #panel; #problem; #message; #saveButton;
	/** @type {Integration | null} */
	#integration = null;
	#saving = false;

	/** @param {Context & { onchange: (integration: Integration | null) => void }} options `onchange` gets null after removal */
	constructor({ onchange, ...context }) {
		const { api, root, provider, announce } = context;
		const badge = h("span", { class: "badge", hidden: true });
		super({ id: "settings-title", iconName: "avatar", words: strings.card, provider, badge });
		this.#api = api;
		this.#root = root;
		this.#announce = announce;
		this.#onchange = onchange;
		this.#badge = badge;
		const render = () => this.#render();
		this.#key = new KeyField({ provider, onchange: render, onremove: () => this.#remove() });
		this.#avatar = new Picker("avatars", context, render);
		this.#voice = new Picker("voices", context, render);
		this.#panel = new StatusPanel({
			provider,
			oncheck: () => this.#update(() => api.validate()),
			onactivate: () => this.#update(() => api.change({ status: "active" })),
			onreplace: () => this.#key.startReplacing(),
		});
		this.#problem = h("div", { role: "alert", class: "problem" });
		this.#message = h("p", { class: "saved", "aria-live": "off" });
		this.#saveButton = h("button", { type: "submit", class: "button primary" });
		const form = h("form", { novalidate: true, onsubmit: (event) => {
			event.preventDefault();
			this.#save();
		} },
			this.#key.element, this.#avatar.element, this.#voice.element,
			h("div", { class: "foot" }, this.#problem, h("div", { class: "actions" }, this.#message, this.#saveButton)));
		this.setContent(this.#panel.element, form);
	}

	stop() {
		this.#avatar.stop();
		this.#voice.stop();
	}

	get integration() { return this.#integration; }

	/**
	 * Show what the server has.
	 * @param {Integration | null} integration
	 * @param {{ saved?: boolean, newKey?: boolean }} [change] `saved`: it is what the form had; `newKey`: so is the key
	 */
	show(integration, { saved = false, newKey = false } = {}) {
		this.showContent();
		const hadKey = Boolean(this.#integration?.has_api_key);
		this.#integration = integration;
		const hasKey = Boolean(integration?.has_api_key);
		this.#key.setStored(hasKey, saved);
		this.#avatar.setSaved(integration?.avatar_id ?? null, saved);
		this.#voice.setSaved(integration?.voice_id ?? null, saved);
		if (hasKey !== hadKey || newKey) this.#resetCatalogues(hasKey, newKey);
		this.#render();
	}

	/** Start with new lists for a new key, which may belong to another account. @param {boolean} hasKey @param {boolean} resolve */
	#resetCatalogues(hasKey, resolve) {
		for (const picker of [this.#avatar, this.#voice]) {
			picker.setCatalogue(hasKey ? (cursor) => this.#fetchPage(picker.kind, cursor) : null);
			if (hasKey && resolve && picker.value) picker.resolve();
		}
	}

	/** @param {CatalogueKind} kind @param {string | null} cursor */
	async #fetchPage(kind, cursor) {
		try {
			return await this.#api.catalogue(kind, cursor);
		} catch (error) {
			if (toFailure(error).code === "api_key_rejected") this.#update(() => this.#api.integration());
			throw error;
		}
	}

	#render() {
		const integration = this.#integration;
		const state = integration?.status ?? "none";
		this.#badge.hidden = false;
		this.#badge.dataset.state = state;
		this.#badge.textContent = strings.card[state];
		this.#panel.show(integration, {
			avatar: nameOf(this.#avatar, integration?.avatar_id ?? null),
			voice: nameOf(this.#voice, integration?.voice_id ?? null),
		});
		const dirty = this.#key.dirty || this.#avatar.dirty || this.#voice.dirty;
		if (dirty) this.#message.textContent = "";
		if (this.#saving) return;
		const ready = dirty || !integration?.has_api_key;
		this.#saveButton.setAttribute("aria-disabled", String(!ready));
		this.#saveButton.textContent = integration?.has_api_key ? strings.form.save : strings.form.connect(this.provider);
	}

	async #save() {
		if (this.#saving || this.#saveButton.getAttribute("aria-disabled") === "true") return;
		this.#problem.replaceChildren();
		if (!this.#validate()) return;
		const key = this.#key.value;
		const words = strings.form;
		const doing = key ? words.checking(this.provider) : words.saving;
		this.#saving = true;
		setBusy(this.#saveButton, doing);
		this.#announce(doing);
		try {
			const integration = await this.#send(key);
			this.#saving = false;
			setBusy(this.#saveButton, null);
			const typing = this.#key.isInput(this.#root.activeElement);
			this.show(integration, { saved: true, newKey: Boolean(key) });
			if (typing && key) this.#key.focus(); // its input is no longer there
			this.#message.replaceChildren(icon("check"), words.saved);
			this.#announce(key ? `${words.saved}. ${strings.status.valid}` : words.saved);
			this.#onchange(integration);
		} catch (error) {
			this.#saving = false;
			setBusy(this.#saveButton, null);
			this.#showSaveError(error);
		}
		this.#render();
	}

	/** Mark the fields that cannot be sent; true if there is none. */
	#validate() {
		for (const picker of [this.#avatar, this.#voice]) picker.commit();
		const fields = [this.#key, this.#avatar, this.#voice];
		for (const field of fields) field.setError(field.problem);
		const invalid = fields.find((field) => field.problem);
		invalid?.focus();
		return !invalid;
	}

	/** @param {string | null} key */
	#send(key) {
		/** @type {IntegrationFields} */
		const fields = {};
		if (key) fields.api_key = key;
		if (this.#avatar.dirty) fields.avatar_id = this.#avatar.value;
		if (this.#voice.dirty) fields.voice_id = this.#voice.value;
		return this.#integration ? this.#api.change(fields) : this.#api.connect(fields);
	}

	/** Show an error beside the field that it concerns. What was typed stays. @param {unknown} error */
	#showSaveError(error) {
		const { code, errors } = toFailure(error);
		/** @type {Record<string, KeyField | Picker>} */
		const fields = { api_key: this.#key, avatar_id: this.#avatar, voice_id: this.#voice };
		if (code === "api_key_rejected") {
			this.#key.setError(strings.key.rejected(this.provider));
			this.#key.focus();
			return;
		}
		for (const { field: name, message, detail } of errors) {
			const field = fields[String(name ?? "").split(".").at(-1) ?? ""];
			if (!field) continue;
			field.setError(field === this.#key ? strings.key.shape : message ?? detail ?? null);
			field.focus();
			return;
		}
		this.#showError(error);
	}

	/** @param {unknown} error */
	#showError(error) {
		if (isReportedByBanner(error)) return;
		this.#problem.replaceChildren(notice("bad", explain(error, this.provider)));
	}

	/** Make a request that returns the integration, and show it. @param {() => Promise<Integration | null>} request */
	async #update(request) {
		this.#problem.replaceChildren();
		try {
			const integration = await request();
			this.show(integration);
			this.#announce(strings.card[integration?.status ?? "none"]);
			this.#onchange(integration);
		} catch (error) {
			this.#showError(error);
		}
	}

	async #remove() {
		const { confirm } = await import("../lib/confirm.js");
		const words = strings.removal;
		const { provider } = this;
		const removed = await confirm(this.#root, {
			title: words.title(provider),
			text: words.text(),
			yes: words.confirm,
			no: words.keep,
			doing: words.removing,
			explain: (error) => explain(error, provider),
			act: () => this.#api.remove().catch((error) => {
				if (toFailure(error).code !== "integration_not_found") throw error; // already removed
			}),
		});
		if (!removed) return;
		this.show(null, { saved: true });
		this.#message.textContent = "";
		this.#announce(words.done(provider));
		this.#key.focus();
		this.#onchange(null);
	}
}

/** The name of a saved id, as far as the catalogue is loaded. @param {Picker} picker @param {string | null} id */
function nameOf(picker, id) {
	return picker.value === id ? picker.name : id;
}
