// @ts-check
// What is set up with a provider: its key, its account, the default avatar and voice. Each can be changed in place.
import { loadPart } from "../lib/api.js";
import { ago, button, clear, face, fill, flash, h, icon, notice } from "../lib/dom.js";
import { toFailure } from "../lib/failure.js";
import { Slot } from "../lib/slot.js";
import { common, settings } from "../lib/strings.js";

/** @import { Context } from "../lib/context.js" */
/** @import { Child } from "../lib/dom.js" */
/** @import { CatalogueKind, Integration, IntegrationFields } from "../lib/types.js" */
/** @import { SettingsCard } from "./settings-card.js" */

export class Summary {
	/** @type {"summary"} */
	kind = "summary";
	#context; #card; #words; #opening;
	#top; #key; #account; #avatar; #voice; #power; #removal; #footSlot;
	/** @type {Integration | null} */
	#integration = null;
	#accountOf = "";
	/** @type {Slot[]} */
	#slots = [];

	/** @param {Context} context @param {SettingsCard} card */
	constructor(context, card) {
		this.#context = context;
		this.#card = card;
		this.provider = card.provider;
		this.#words = context.text.section("settings", settings);
		this.#opening = context.text.section("common", common).opening;
		const words = this.#words;
		this.#top = h("div", { class: "card-notice" });
		this.#key = this.#row("key", words.key);
		this.#account = this.provider.has_account ? this.#row("account", words.account) : null;
		this.#avatar = this.#row("avatar", words.avatar, words.avatarHint);
		this.#voice = this.provider.has_voices ? this.#row("voice", words.voice, words.voiceHint) : null;
		this.#power = button("", () => this.#toggle());
		this.#removal = button(words.remove, () => this.#remove(), "quiet danger-text");
		this.#footSlot = this.#slot();
		this.element = h("div", {}, this.#top, this.#key.element, this.#account?.element, this.#avatar.element, this.#voice?.element,
			h("div", { class: "foot", part: "footer" }, this.#footSlot.element, h("div", { class: "buttons" }, this.#power, this.#removal)));
	}

	/** @param {Integration | null} integration */
	show(integration) {
		if (!integration) return;
		if (JSON.stringify(integration) !== JSON.stringify(this.#integration)) {
			for (const slot of this.#slots) slot.isRunning || slot.clear(); // messages about what was before
		}
		this.#integration = integration;
		this.#renderTop(integration);
		this.#renderKey(integration);
		this.#renderAvatar(integration);
		this.#renderVoice(integration);
		const words = this.#words;
		this.#power.textContent = integration.status === "inactive" ? words.switchOn : words.switchOff;
		this.#power.hidden = integration.status === "error";
		if (integration.status === "active") this.#loadAccount(integration);
	}

	#slot() {
		const slot = new Slot(this.#context, this.#card.provider.title);
		this.#slots.push(slot);
		return slot;
	}

	/**
	 * A row with a label, a value, an action and a place for what became of it.
	 * @param {string} name of its part
	 * @param {string} label
	 * @param {string} [hint]
	 */
	#row(name, label, hint) {
		const value = h("div", { class: "value" });
		const actions = h("div", { class: "buttons" });
		const slot = this.#slot();
		const editor = h("div", { class: "editor-place" });
		const element = h("div", { class: "row", part: `row ${name}`, role: "group", "aria-label": label },
			h("div", { class: "row-label" }, h("p", { class: "strong" }, label), hint && h("p", { class: "small" }, hint)),
			h("div", { class: "row-field" }, h("div", { class: "line" }, value, actions), editor, slot.element));
		return { element, value, actions, slot, editor };
	}

	/** What is in the way of a video, with what helps. @param {Integration} integration */
	#renderTop({ status }) {
		const { text } = this.#context;
		const { title, is_sandbox: isSandbox } = this.provider;
		const words = this.#words;
		const p = { p: title };
		if (status === "error") {
			const replace = button(words.replace, () => this.#replaceKey(), "primary");
			fill(this.#top, notice("bad", text.message(words.rejected, p), replace));
		} else if (status === "inactive") {
			fill(this.#top, notice("warn", text.message(words.off, p)));
		} else if (isSandbox) {
			fill(this.#top, notice("plain", text.message(words.sandbox, p)));
		} else clear(this.#top);
	}

	/** @param {Integration} integration */
	#renderKey(integration) {
		const { text } = this.#context;
		const words = this.#words;
		const { value, actions } = this.#key;
		const last4 = integration.api_key_last4;
		fill(value,
			h("p", { class: "mask", "aria-hidden": "true" }, h("bdi", {}, "•••• •••• ", last4 ?? "••••")),
			h("p", { class: "sr" }, last4 ? text.fill(words.keyEnding, { last4 }) : words.keySet),
			h("p", { class: "small" }, text.fill(words.since, { date: text.date(integration.created_at) }),
				integration.validated_at && h("span", {}, ` · ${words.checked} `, ago(integration.validated_at, text))));
		if (actions.hasChildNodes()) return; // do not replace a control that has the focus
		const check = button(words.check, () => this.#check(check));
		const replace = button(words.replace, () => this.#replaceKey());
		fill(actions, check, replace);
	}

	/** @param {HTMLElement} control */
	#check(control) {
		const { api, announce } = this.#context;
		this.#key.slot.run({
			control,
			doing: this.#words.checking,
			work: () => api.validate(this.provider.name),
			done: (integration) => {
				this.#card.take(integration);
				if (integration.status !== "active") return;
				flash(this.#key.value, this.#words.stillValid);
				announce(this.#words.stillValid);
			},
			failed: (error) => this.#isChangedElsewhere(error),
		});
	}

	#replaceKey() {
		const { slot, actions, editor } = this.#key;
		if (editor.hasChildNodes()) return;
		slot.run({
			control: /** @type {HTMLElement} */ (actions.lastElementChild),
			doing: this.#opening,
			work: () => loadPart(() => import("./key-form.js")),
			done: ({ KeyForm }) => {
				const close = () => {
					clear(editor);
					actions.hidden = false;
					/** @type {HTMLElement} */ (actions.lastElementChild).focus();
				};
				const form = new KeyForm(this.#context, this.provider, {
					send: (apiKey) => this.#context.api.change(this.provider.name, { api_key: apiKey }),
					onsaved: (integration) => {
						close();
						this.#card.take(integration);
						flash(this.#key.value, this.#words.saved);
						this.#context.announce(this.#words.saved);
					},
					oncancel: close,
				});
				actions.hidden = true;
				fill(editor, form.element);
				form.focus();
			},
		});
	}

	/** The account is asked for once per key. @param {Integration} integration */
	async #loadAccount(integration) {
		const row = this.#account;
		const key = `${integration.provider} ${integration.validated_at}`;
		if (!row || this.#accountOf === key) return;
		this.#accountOf = key;
		const { text, api } = this.#context;
		const words = this.#words;
		if (!row.value.hasChildNodes()) fill(row.value, h("p", { class: "small" }, words.accountLoading));
		row.slot.run({
			control: row.element,
			work: () => api.account(this.provider.name),
			done: (account) => {
				const { remaining } = account;
				this.#card.setAccount(account);
				fill(row.value, h("p", { class: "strong" }, h("bdi", {}, account.label)),
					remaining && h("p", { class: "small" }, text.fill(words.remaining, { amount: this.#amount(remaining) })));
				if (remaining?.amount === 0) this.#renderNoCredit();
			},
			failed: (error) => {
				clear(row.value);
				if (toFailure(error).code === "api_key_rejected") this.#card.reload().catch(() => {});
			},
		});
	}

	/** @param {{ amount: number, unit: string }} remaining */
	#amount({ amount, unit }) {
		const { text } = this.#context;
		if (unit === "credits") return text.fill(this.#words.credits, { n: amount });
		return new Intl.NumberFormat(text.lang, { style: "currency", currency: unit.toUpperCase() }).format(amount);
	}

	#renderNoCredit() {
		const message = this.#context.text.message(this.#words.noCredit, { p: this.provider.title });
		if (this.#integration?.status === "active") fill(this.#top, notice("warn", message));
	}

	/** @param {Integration} integration */
	#renderAvatar({ avatar_id: id, avatar }) {
		const words = this.#words;
		const { value, actions } = this.#avatar;
		value.classList.add("with-face");
		fill(value, id && face(avatar?.name ?? id, avatar?.preview_image_url),
			h("p", { class: id ? "strong" : "small" }, id ? h("bdi", {}, avatar?.name ?? id) : words.noAvatar));
		if (!actions.hasChildNodes()) fill(actions, this.#changeButton("avatars"));
	}

	/** @param {Integration} integration */
	#renderVoice({ voice_id: id, voice }) {
		const row = this.#voice;
		if (!row) return;
		const { value, actions, slot } = row;
		value.classList.add("with-face");
		const shown = JSON.stringify([id, voice]);
		if (value.dataset.shown !== shown) {
			value.dataset.shown = shown;
			fill(value, this.#listenButton(voice, slot), h("p", { class: "strong" }, id ? h("bdi", {}, voice?.name ?? id) : this.#words.ownVoice));
		}
		if (!actions.hasChildNodes()) fill(actions, this.#changeButton("voices"));
	}

	/** @param {Integration["voice"]} voice @param {Slot} slot @returns {Child} */
	#listenButton(voice, slot) {
		if (!voice?.preview_audio_url) return null;
		const label = this.#context.text.fill(this.#words.listen, { name: voice.name });
		/** @type {HTMLButtonElement} */
		const element = h("button", { type: "button", class: "round", "aria-label": label, "data-keep": true,
			onclick: () => slot.run({
				control: element,
				work: () => loadPart(() => import("./preview.js")),
				done: ({ Preview }) => Preview.of(this.#context).toggle(element, voice),
			}) }, icon("play"));
		return element;
	}

	/** @param {CatalogueKind} kind */
	#changeButton(kind) {
		const words = this.#words;
		const [row, label] = kind === "avatars" ? [this.#avatar, words.avatar] : [this.#voice ?? this.#avatar, words.voice];
		const element = button(words.change, () => row.slot.run({
			control: element,
			doing: this.#opening,
			work: () => loadPart(() => import("./chooser-dialog.js")),
			done: ({ openChooser }) => openChooser(this.#context, {
				kind,
				provider: this.provider,
				chosen: (kind === "avatars" ? this.#integration?.avatar_id : this.#integration?.voice_id) ?? null,
				onchoose: (id) => this.#save(kind, id, element, row),
			}),
		}), "quiet", { "aria-label": `${words.change}: ${label}`, "data-short": words.change });
		return element;
	}

	/**
	 * @param {CatalogueKind} kind
	 * @param {string | null} id
	 * @param {HTMLElement} control
	 * @param {{ slot: Slot, value: HTMLElement }} row
	 */
	#save(kind, id, control, { slot, value }) {
		const { api, announce } = this.#context;
		/** @type {IntegrationFields} */
		const fields = kind === "avatars" ? { avatar_id: id } : { voice_id: id };
		// After the action that has opened the list: one slot runs one action at a time.
		queueMicrotask(() => slot.run({
			control,
			doing: this.#words.saving,
			work: () => api.change(this.provider.name, fields),
			done: (integration) => {
				this.#card.take(integration);
				flash(value, this.#words.saved);
				announce(this.#words.saved);
			},
			failed: (error) => this.#isChangedElsewhere(error),
		}));
	}

	#toggle() {
		const { api, announce } = this.#context;
		const on = this.#integration?.status === "inactive";
		const words = this.#words;
		this.#footSlot.run({
			control: this.#power,
			doing: on ? words.switchingOn : words.switchingOff,
			work: () => api.change(this.provider.name, { status: on ? "active" : "inactive" }),
			done: (integration) => {
				this.#card.take(integration);
				announce(words.badge[on ? "ready" : "inactive"]);
			},
			failed: (error) => this.#isChangedElsewhere(error),
		});
	}

	#remove() {
		this.#footSlot.run({
			control: this.#removal,
			doing: this.#opening,
			work: () => loadPart(() => import("./removal.js")),
			done: ({ confirmRemoval }) => confirmRemoval(this.#context, this.provider, () => this.#card.confirmRemoval()),
		});
	}

	/** After a 404 or 409, show what is stored now instead of the error. @param {unknown} error */
	#isChangedElsewhere(error) {
		const { status, code } = toFailure(error);
		if (code === "api_key_rejected") this.#card.reload().catch(() => {});
		if (status !== 404 && status !== 409) return false;
		this.#card.showChange().catch(() => {});
		return true;
	}
}
