// The card that connects a business with its provider.
import { Card } from "../lib/card.js";
import { busy, h, icon, notice } from "../lib/dom.js";
import { KeyField } from "./key-field.js";
import { Picker } from "./picker.js";
import { StatusPanel } from "./status-panel.js";
import { explain, strings } from "../lib/strings.js";

export class SettingsCard extends Card {
	#api; #root; #say; #onchange;
	#integration = null;
	#saving = false;

	/** `say(words)` announces; `onchange(integration)` after each change, null after removal. */
	constructor({ api, root, provider, say, onchange }) {
		super("settings-title", "avatar", strings.card, provider, h("span", { class: "badge", hidden: true }));
		this.badge = this.element.querySelector(".badge");
		this.#api = api;
		this.#root = root;
		this.#say = say;
		this.#onchange = onchange;
		this.#build();
	}

	#build() {
		const { provider } = this;
		const onchange = () => this.#draw();
		const shared = { root: this.#root, provider, say: this.#say };
		this.key = new KeyField({ provider, onchange, onremove: () => this.#remove() });
		this.avatar = new Picker("avatars", shared, onchange);
		this.voice = new Picker("voices", shared, onchange);
		this.panel = new StatusPanel({
			provider,
			oncheck: () => this.#renew(() => this.#api.validate()),
			onactivate: () => this.#renew(() => this.#api.change({ status: "active" })),
			onreplace: () => this.key.startReplacing(),
		});
		this.trouble = h("div", { role: "alert", class: "problem" });
		this.message = h("p", { class: "saved", "aria-live": "off" });
		this.save = h("button", { type: "submit", class: "button primary" });
		this.form = h("form", { novalidate: true, onsubmit: (event) => { event.preventDefault(); this.#save(); } },
			this.key.element, this.avatar.element, this.voice.element,
			h("div", { class: "foot" }, this.trouble, h("div", { class: "actions" }, this.message, this.save)));
		this.content.append(this.panel.element, this.form);
	}

	stop() {
		this.avatar.list?.stop();
		this.voice.list?.stop();
	}

	get integration() { return this.#integration; }

	/** What the server has. `saved`: what was typed has become that; `newKey`: so has a key. */
	show(integration, saved = false, newKey = false) {
		this.loaded();
		const had = Boolean(this.#integration?.has_api_key);
		this.#integration = integration;
		const has = Boolean(integration?.has_api_key);
		this.key.setStored(has, saved);
		this.avatar.setSaved(integration?.avatar_id ?? null, saved);
		this.voice.setSaved(integration?.voice_id ?? null, saved);
		if (has !== had || newKey) this.#renewCatalogues(has, newKey);
		this.#draw();
	}

	/** New lists for a new key, which may be another account's: what is chosen is looked up in them at once. */
	#renewCatalogues(has, look) {
		for (const [kind, picker] of [["avatars", this.avatar], ["voices", this.voice]]) {
			picker.setCatalogue(has ? (cursor) => this.#page(kind, cursor) : null);
			if (has && look && picker.value) picker.look();
		}
	}

	async #page(kind, cursor) {
		try {
			return await this.#api.catalogue(kind, cursor);
		} catch (error) {
			if (error.code === "api_key_rejected") this.#renew(() => this.#api.integration());
			throw error;
		}
	}

	#draw() {
		const integration = this.#integration;
		const state = integration?.status ?? "none";
		this.badge.hidden = false;
		this.badge.dataset.state = state;
		this.badge.textContent = strings.card[state];
		const name = (picker, id) => (picker.value === id ? picker.name : id);
		this.panel.show(integration, {
			avatar: name(this.avatar, integration?.avatar_id), voice: name(this.voice, integration?.voice_id) });
		const dirty = this.key.dirty || this.avatar.dirty || this.voice.dirty;
		if (dirty) this.message.textContent = "";
		if (this.#saving) return;
		const ready = dirty || !integration?.has_api_key;
		this.save.setAttribute("aria-disabled", String(!ready));
		this.save.textContent = integration?.has_api_key ? strings.form.save : strings.form.connect(this.provider);
	}

	#clearErrors() {
		for (const field of [this.key, this.avatar, this.voice]) field.setError(null);
		this.trouble.replaceChildren();
	}

	async #save() {
		if (this.#saving || this.save.getAttribute("aria-disabled") === "true") return;
		this.#clearErrors();
		if (!this.#check()) return;
		const key = this.key.value;
		const words = strings.form;
		this.#saving = true;
		busy(this.save, key ? words.checking(this.provider) : words.saving);
		this.#say(key ? words.checking(this.provider) : words.saving);
		try {
			const integration = await this.#send(key);
			this.#saving = false;
			this.#done();
			const typing = this.#root.activeElement === this.key.input;
			this.show(integration, true, Boolean(key));
			if (typing && key) this.key.focus(); // its input has gone
			this.message.replaceChildren(icon("check"), words.saved);
			this.#say(key ? `${words.saved}. ${strings.status.valid}` : words.saved);
			this.#onchange(integration);
		} catch (error) {
			this.#saving = false;
			this.#done();
			this.#refused(error);
		}
		this.#draw();
	}

	#done() {
		busy(this.save, null);
		this.save.setAttribute("aria-disabled", "false");
	}

	#check() {
		for (const picker of [this.avatar, this.voice]) picker.commit();
		const fields = [this.key, this.avatar, this.voice];
		for (const field of fields) field.setError(field.problem);
		const wrong = fields.find((field) => field.problem);
		wrong?.focus();
		return !wrong;
	}

	#send(key) {
		const fields = {};
		if (key) fields.api_key = key;
		if (this.avatar.dirty) fields.avatar_id = this.avatar.value;
		if (this.voice.dirty) fields.voice_id = this.voice.value;
		return this.#integration ? this.#api.change(fields) : this.#api.connect(fields);
	}

	/** A refusal goes beside the field that it is about; what was typed stays. */
	#refused(error) {
		const fields = { api_key: this.key, avatar_id: this.avatar, voice_id: this.voice };
		const first = error.errors?.map((one) => [fields[String(one.field ?? "").split(".").at(-1)], one]).find(([f]) => f);
		if (error.code === "api_key_rejected") {
			this.key.setError(strings.key.rejected(this.provider));
			this.key.focus();
		} else if (first) {
			first[0].setError(first[0] === this.key ? strings.key.shape : first[1].message ?? first[1].detail);
			first[0].focus();
		} else this.#tell(error);
	}

	#tell(error) {
		if (error.code === "session_expired" || error.code === "offline") return; // the banner says so
		this.trouble.replaceChildren(notice("bad", explain(error, this.provider)));
	}

	/** Do something that answers with the integration as it now is. */
	async #renew(call) {
		this.trouble.replaceChildren();
		try {
			const integration = await call();
			this.show(integration);
			this.#say(strings.card[integration.status]);
			this.#onchange(integration);
		} catch (error) {
			this.#tell(error);
		}
	}

	async #remove() {
		const { confirm } = await import("../lib/confirm.js");
		const words = strings.removal;
		const { provider } = this;
		const removed = await confirm(this.#root, {
			title: words.title(provider), text: words.text(provider), yes: words.confirm, doing: words.removing,
			no: words.keep, explain: (error) => explain(error, provider),
			act: () => this.#api.remove().catch((error) => {
				if (error.code !== "integration_not_found") throw error; // gone is what was wanted
			}),
		});
		if (!removed) return;
		this.show(null, true);
		this.message.textContent = "";
		this.#say(words.done(provider));
		this.key.focus();
		this.#onchange(null);
	}
}
