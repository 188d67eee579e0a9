// @ts-check
// Plays the sound of a voice, one at a time.
import { icon } from "../lib/dom.js";
import { strings } from "../lib/strings.js";
import { safeUrl } from "../lib/url.js";

/** @import { CatalogueItem } from "../lib/types.js" */

export class Preview {
	/** @type {WeakMap<ShadowRoot, Preview>} */
	static #all = new WeakMap();
	#announce;
	/** @type {HTMLAudioElement | null} */
	#audio = null;
	/** @type {string | null} the playing item's id */
	#playing = null;
	/** @type {Map<HTMLElement, CatalogueItem>} */
	#controls = new Map();

	/** @param {(message: string) => void} announce */
	constructor(announce) {
		this.#announce = announce;
	}

	/** The one of this root. @param {ShadowRoot} root @param {(message: string) => void} announce */
	static of(root, announce) {
		let preview = Preview.#all.get(root);
		if (!preview) Preview.#all.set(root, preview = new Preview(announce));
		return preview;
	}

	/** Make a control show whether its item is playing. @param {HTMLElement} control @param {CatalogueItem} item */
	bind(control, item) {
		this.#controls.set(control, item);
		this.#render(control, item);
	}

	/** @param {CatalogueItem} item */
	async toggle(item) {
		const wasPlaying = this.#playing === item.id;
		this.stop();
		const src = safeUrl(item.preview_audio_url);
		if (wasPlaying || !src) return;
		const audio = new Audio(src);
		audio.addEventListener("ended", () => this.stop());
		this.#audio = audio;
		this.#setPlaying(item.id);
		try {
			await audio.play();
		} catch {
			if (audio !== this.#audio) return; // stopped before it began
			this.#announce(strings.picker.noSound);
			this.stop();
		}
	}

	stop() {
		this.#audio?.pause();
		this.#audio = null;
		if (this.#playing) this.#setPlaying(null);
	}

	/** @param {string | null} id */
	#setPlaying(id) {
		this.#playing = id;
		for (const [control, item] of this.#controls) this.#render(control, item);
	}

	/** @param {HTMLElement} control @param {CatalogueItem} item */
	#render(control, item) {
		const playing = this.#playing === item.id;
		control.replaceChildren(icon(playing ? "pause" : "play"));
		control.toggleAttribute("data-playing", playing);
		if (control.matches("button")) control.setAttribute("aria-label", strings.picker[playing ? "stop" : "listen"](item.name));
	}
}
