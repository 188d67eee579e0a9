// @ts-check
// The default avatar, with its picture, or the default voice, with its sound; it is changed in a dialog.
import { button, face, fill, h, icon } from "../lib/dom.js";
import { loadPart } from "../lib/api.js";
import { Row } from "./row.js";

/** @import { CatalogueKind, Integration } from "../lib/types.js" */
/** @import { SettingsCard } from "./settings-card.js" */

export class ChoiceRow extends Row {
	#kind; #shown = "";
	/** @type {string | null} */
	#id = null;

	/** @param {SettingsCard} card @param {CatalogueKind} kind */
	constructor(card, kind) {
		const { avatar, avatarHint, voice, voiceHint, change } = card.words;
		const [name, label, hint] = kind === "avatars" ? ["avatar", avatar, avatarHint] : ["voice", voice, voiceHint];
		super(card, name, label, hint);
		this.#kind = kind;
		this.value.classList.add("with-face");
		/** @type {HTMLButtonElement} */
		const control = button(change, () => this.#choose(control), "quiet", { "aria-label": `${change}: ${label}`, "data-short": change });
		fill(this.actions, control);
	}

	/** @param {Integration} integration */
	show({ avatar_id: avatarId, avatar, voice_id: voiceId, voice }) {
		const isAvatar = this.#kind === "avatars";
		this.#id = isAvatar ? avatarId : voiceId;
		const shown = JSON.stringify([this.#id, isAvatar ? avatar : voice]);
		if (shown === this.#shown) return; // do not interrupt a sound that plays
		this.#shown = shown;
		const name = (isAvatar ? avatar : voice)?.name ?? this.#id;
		fill(this.value,
			isAvatar ? name && face(name, avatar?.preview_image_url) : voice && this.#listenButton(voice),
			name ? h("p", { class: "strong" }, h("bdi", {}, name))
				: isAvatar ? h("p", { class: "small" }, this.words.noAvatar) : h("p", { class: "strong" }, this.words.ownVoice));
	}

	/** @param {NonNullable<Integration["voice"]>} voice */
	#listenButton(voice) {
		if (!voice.preview_audio_url) return null;
		const { context, slot } = this;
		/** @type {HTMLButtonElement} */
		const control = h("button", { type: "button", class: "round", "data-keep": true,
			"aria-label": context.text.fill(this.words.listen, { name: voice.name }),
			onclick: () => slot.run({
				control,
				work: () => loadPart(() => import("./preview.js")),
				done: ({ Preview }) => Preview.of(context).toggle(control, voice),
			}) }, icon("play"));
		return control;
	}

	/** @param {HTMLElement} control */
	#choose(control) {
		this.open(control, () => import("./chooser-dialog.js"), ({ openChooser }) => openChooser(this.context, {
			kind: this.#kind,
			provider: this.provider,
			chosen: this.#id,
			// After the action that has opened the list: one slot runs one action at a time.
			onchoose: (id) => queueMicrotask(() => this.#save(control, id)),
		}));
	}

	/** @param {HTMLElement} control @param {string | null} id */
	#save(control, id) {
		const fields = this.#kind === "avatars" ? { avatar_id: id } : { voice_id: id };
		this.change(control, this.words.saving, () => this.context.api.change(this.provider.name, fields),
			() => this.confirm(this.words.saved));
	}
}
