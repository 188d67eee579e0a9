// @ts-check
// Plays the sound of a voice, one at a time. A sound that cannot be played is reported beside its button.
import { fill, h, icon, safeUrl } from "../lib/dom.js";
import { settings } from "../lib/strings.js";

/** @import { Context } from "../lib/context.js" */

/** @typedef {{ name: string, preview_audio_url?: string | null }} Sound */

export class Preview {
	/** @type {WeakMap<ShadowRoot, Preview>} */
	static #all = new WeakMap();
	#text; #announce;
	/** @type {{ audio: HTMLAudioElement, control: HTMLElement, sound: Sound } | null} */
	#playing = null;

	/** @param {Context} context */
	constructor({ text, announce, signal }) {
		this.#text = text;
		this.#announce = announce;
		signal.addEventListener("abort", () => this.stop());
	}

	/** The one of this element. @param {Context} context */
	static of(context) {
		let preview = Preview.#all.get(context.root);
		if (!preview || context.signal.aborted) Preview.#all.set(context.root, preview = new Preview(context));
		return preview;
	}

	/** Play or stop. @param {HTMLElement} control @param {Sound} sound */
	async toggle(control, sound) {
		const wasPlaying = this.#playing?.control === control;
		this.stop();
		const src = safeUrl(sound.preview_audio_url);
		if (wasPlaying || !src) return;
		const playing = { audio: new Audio(src), control, sound };
		playing.audio.addEventListener("ended", () => this.stop());
		this.#playing = playing;
		control.parentElement?.querySelector(".sound-error")?.remove();
		this.#render(playing, true);
		try {
			await playing.audio.play();
		} catch {
			if (playing !== this.#playing) return; // stopped before it began
			this.stop();
			const { noSound } = this.#text.section("settings", settings);
			control.parentElement?.append(h("p", { class: "small sound-error" }, noSound));
			this.#announce(noSound);
		}
	}

	stop() {
		this.#playing?.audio.pause();
		if (this.#playing) this.#render(this.#playing, false);
		this.#playing = null;
	}

	/** @param {{ control: HTMLElement, sound: Sound }} playing @param {boolean} on */
	#render({ control, sound }, on) {
		const words = this.#text.section("settings", settings);
		fill(control, icon(on ? "pause" : "play"));
		control.toggleAttribute("data-playing", on);
		control.setAttribute("aria-label", this.#text.fill(on ? words.stop : words.listen, { name: sound.name }));
	}
}
