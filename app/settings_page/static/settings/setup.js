// @ts-check
// The first run, as short steps: the key, the avatar, the voice, the first video.
import { adopt, button, face, fill, h, icon } from "../lib/dom.js";
import { Slot } from "../lib/slot.js";
import { settings } from "../lib/strings.js";
import { Chooser } from "./chooser.js";
import { KeyForm } from "./key-form.js";
import sheet from "./settings.css.js";
import { setup } from "./strings.js";

/** @import { Context } from "../lib/context.js" */
/** @import { Child } from "../lib/dom.js" */
/** @import { CatalogueKind, Integration, IntegrationFields } from "../lib/types.js" */
/** @import { SettingsCard } from "./settings-card.js" */

/** @typedef {"connect" | "avatar" | "voice" | "video"} Step */

export class Setup {
	/** @type {"setup"} */
	kind = "setup";
	#context; #card; #words; #list; #progress; #slot;
	/** @type {Step[]} */
	#steps;
	/** @type {Integration | null} */
	#integration = null;
	#voiceDecided = false;
	#choosingVoice = false;
	#choosingAvatar = false;
	/** @type {string} what is drawn */
	#drawn = "";

	/** @param {Context} context @param {SettingsCard} card */
	constructor(context, card) {
		this.#context = context;
		this.#card = card;
		this.provider = card.provider;
		this.#words = context.text.section("setup", setup);
		this.#steps = this.provider.has_voices ? ["connect", "avatar", "voice", "video"] : ["connect", "avatar", "video"];
		this.#slot = new Slot(context, this.provider.title);
		this.#list = h("ol", { class: "steps" });
		this.#progress = h("p", { class: "small steps-count" });
		adopt(context.root, sheet);
		this.element = h("div", { class: "setup", part: "setup" }, this.#progress, this.#list);
	}

	/** @param {Integration | null} integration */
	show(integration) {
		this.#integration = integration;
		const now = this.#current;
		const drawn = JSON.stringify([now, this.#choosingVoice, this.#choosingAvatar, integration?.avatar_id, integration?.voice_id]);
		if (drawn === this.#drawn) return; // do not replace what the user is typing into
		const isLater = this.#drawn !== "";
		this.#drawn = drawn;
		const done = this.#steps.indexOf(now);
		this.#progress.textContent = this.#context.text.fill(this.#words.progress, { done, n: this.#steps.length });
		fill(this.#list, ...this.#steps.map((step, index) => this.#item(step, index, now)));
		if (isLater) /** @type {HTMLElement | null} */ (this.#list.querySelector("[aria-current] h3"))?.focus();
	}

	/** @returns {Step} */
	get #current() {
		const { avatar_id: avatar, voice_id: voice, status } = this.#integration ?? {};
		if (!this.#integration || status === "error") return "connect";
		if (!avatar || this.#choosingAvatar) return "avatar";
		return this.provider.has_voices && !voice && !this.#voiceDecided ? "voice" : this.#choosingVoice ? "voice" : "video";
	}

	/** @param {Step} step @param {number} index @param {Step} now */
	#item(step, index, now) {
		const at = this.#steps.indexOf(now);
		const state = index < at ? "done" : index === at ? "now" : "next";
		const title = this.#context.text.fill(this.#words[step], { p: this.provider.title });
		return h("li", { class: "step", part: `step ${step}`, "data-state": state, "aria-current": state === "now" && "step" },
			h("span", { class: "marker", "aria-hidden": "true" }, state === "done" ? icon("check") : String(index + 1)),
			h("div", { class: "step-body" },
				h("h3", { tabindex: "-1" }, title, state === "done" && h("span", { class: "sr" }, ` (${this.#words.done})`)),
				state === "done" ? this.#summary(step) : state === "now" ? this.#content(step) : null));
	}

	/** What a finished step has led to. @param {Step} step @returns {Child} */
	#summary(step) {
		const words = this.#words;
		const { avatar_id: id, avatar, voice, voice_id: voiceId } = this.#integration ?? {};
		if (step === "connect") return h("p", { class: "small" }, words.keyStored);
		if (step === "voice") {
			const own = this.#context.text.section("settings", settings).ownVoice;
			return h("p", { class: "small" }, voiceId ? h("bdi", {}, voice?.name ?? voiceId) : own);
		}
		return h("div", { class: "line" },
			h("div", { class: "value with-face" }, face(avatar?.name ?? id ?? "", avatar?.preview_image_url),
				h("p", {}, h("bdi", {}, avatar?.name ?? id))),
			button(words.changeAvatar, () => {
				this.#choosingAvatar = true;
				this.show(this.#integration);
			}, "link"));
	}

	/** @param {Step} step @returns {Child} */
	#content(step) {
		if (step === "connect") return this.#connect();
		if (step === "avatar") return this.#choose("avatars", this.#words.avatarText);
		return step === "voice" ? this.#voice() : this.#video();
	}

	#connect() {
		const form = new KeyForm(this.#context, this.provider, {
			send: (apiKey) => this.#context.api.connect(this.provider.name, { api_key: apiKey }),
			onsaved: (integration) => this.#card.take(integration),
		});
		return h("div", { class: "step-content" }, h("p", { class: "small" }, this.#words.connectText), form.element);
	}

	/** @param {CatalogueKind} kind @param {string} hint */
	#choose(kind, hint) {
		const chooser = new Chooser(this.#context, {
			kind,
			provider: this.provider,
			chosen: (kind === "avatars" ? this.#integration?.avatar_id : this.#integration?.voice_id) ?? null,
			onchoose: (id, control) => this.#save(kind, id, control),
		});
		chooser.load();
		return h("div", { class: "step-content" }, h("p", { class: "small" }, hint), this.#slot.element, chooser.element);
	}

	/** @param {CatalogueKind} kind @param {string | null} id @param {HTMLElement} control */
	#save(kind, id, control) {
		/** @type {IntegrationFields} */
		const fields = kind === "avatars" ? { avatar_id: id } : { voice_id: id };
		this.#slot.run({
			control,
			work: () => this.#context.api.change(this.provider.name, fields),
			done: (integration) => {
				if (kind === "avatars") this.#choosingAvatar = false;
				else this.#decideVoice();
				this.#card.take(integration);
			},
		});
	}

	#decideVoice() {
		this.#voiceDecided = true;
		this.#choosingVoice = false;
	}

	#voice() {
		const words = this.#words;
		if (this.#choosingVoice) return this.#choose("voices", words.voiceText);
		return h("div", { class: "step-content" }, h("p", { class: "small" }, words.voiceText),
			h("div", { class: "buttons" },
				button(words.ownVoice, () => {
					this.#decideVoice();
					this.show(this.#integration);
				}, "primary"),
				button(words.otherVoice, () => {
					this.#choosingVoice = true;
					this.show(this.#integration);
				})));
	}

	#video() {
		const words = this.#words;
		return h("div", { class: "step-content" }, h("p", { class: "small" }, words.videoText),
			h("div", { class: "buttons" },
				button(words.video, () => {
					this.#card.finishSetup();
					this.#card.firstVideo();
				}, "primary"),
				button(words.videoLater, () => this.#card.finishSetup())));
	}
}
