// What an avatar or a voice looks like in a list, and the sound of a voice.
import { h, icon } from "../lib/dom.js";
import { strings } from "../lib/strings.js";
import { safeUrl } from "../lib/url.js";

/** An avatar's picture; its first letter where there is none or it does not load. */
export function face(item) {
	const src = safeUrl(item.preview_image_url);
	const letter = () => h("span", { class: "letter", "aria-hidden": "true" }, [...item.name][0] ?? "?");
	if (!src) return letter();
	const image = h("img", { src, alt: "", width: 44, height: 44, loading: "lazy", decoding: "async",
		referrerpolicy: "no-referrer" });
	image.addEventListener("error", () => image.replaceWith(letter()), { once: true });
	return image;
}

export function buildOption(kind, item, preview) {
	const node = h("li", { role: "option" });
	node.item = item;
	if (kind === "avatars") node.append(face(item));
	else if (item.preview_audio_url) {
		// For the pointer only: an option may hold no button. The keyboard listens with Shift + Enter.
		const play = h("span", { class: "play", "aria-hidden": "true" });
		preview.label(play, item);
		node.append(play);
	}
	const about = [item.language, item.gender].filter(Boolean).join(" · ") || item.id;
	node.append(
		h("span", { class: "option-text" }, h("span", { class: "option-name" }, item.name), h("span", { class: "option-about" }, about)),
		icon("check"));
	return node;
}

/** One sound at a time. What was given to `label` shows whether its own is playing. */
export class Preview {
	static #all = new WeakMap();
	#audio = null;
	#playing = null;
	#controls = new Map();
	#say;

	constructor(say) { this.#say = say; }

	/** The one of this root. */
	static of(root, say) {
		if (!Preview.#all.has(root)) Preview.#all.set(root, new Preview(say));
		return Preview.#all.get(root);
	}

	label(control, item) {
		this.#controls.set(control, item);
		this.#draw(control);
	}

	async toggle(item) {
		const same = this.#playing === item.id;
		this.stop();
		const src = safeUrl(item.preview_audio_url);
		if (same || !src) return;
		const audio = new Audio(src);
		audio.addEventListener("ended", () => this.stop());
		this.#audio = audio;
		this.#mark(item.id);
		try {
			await audio.play();
		} catch {
			if (audio !== this.#audio) return; // stopped before it began
			this.#say(strings.picker.noSound);
			this.stop();
		}
	}

	stop() {
		this.#audio?.pause();
		this.#audio = null;
		if (this.#playing) this.#mark(null);
	}

	#mark(id) {
		this.#playing = id;
		for (const control of this.#controls.keys()) this.#draw(control);
	}

	#draw(control) {
		const item = this.#controls.get(control);
		const playing = this.#playing === item.id;
		control.replaceChildren(icon(playing ? "pause" : "play"));
		control.toggleAttribute("data-playing", playing);
		if (control.matches("button")) control.setAttribute("aria-label", strings.picker[playing ? "stop" : "listen"](item.name));
	}
}
