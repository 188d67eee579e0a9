// @ts-check
// The result of the last generation: the video, which plays in place, or why there is none.
import { button, h, notice } from "../lib/dom.js";
import { strings } from "../lib/strings.js";
import { safeUrl } from "../lib/url.js";
import { isLive } from "./generation.js";

/** @import { ContentItem, Generation, Message } from "../lib/types.js" */

export class Result {
	#provider; #refresh;
	#shown = "";
	/** @type {HTMLVideoElement | null} */
	#video = null;

	/** @param {{ provider: string, refresh: () => void }} options `refresh` requests a fresh link */
	constructor({ provider, refresh }) {
		this.#provider = provider;
		this.#refresh = refresh;
		this.element = h("div", { class: "result" });
	}

	get hasVideo() { return this.#video !== null; }

	focus() {
		this.#video?.focus();
	}

	/** @param {ContentItem} item */
	show(item) {
		const { generation, content_id: id, content_title: title } = item;
		const live = isLive(generation);
		const src = live ? null : safeUrl(generation?.status === "completed" ? generation.video_url : item.heygen_url);
		const shown = JSON.stringify([id, live || generation?.id, live || generation?.status, src]);
		if (shown === this.#shown) return; // do not interrupt a video that plays
		this.#shown = shown;
		this.#video = src ? this.#player(src, title || strings.videos.untitled) : null;
		const message = outcome(generation, this.#provider);
		const parts = [
			message && notice(generation?.error === "cancelled" ? "plain" : "bad", message),
			this.#video,
			src && h("a", { class: "link", href: src, target: "_blank", rel: "noopener noreferrer" }, strings.videos.openVideo),
		];
		this.element.replaceChildren(...parts.filter((part) => part instanceof Node));
	}

	/** @param {string} src @param {string} title */
	#player(src, title) {
		const words = strings.videos;
		const video = h("video", { src, controls: true, playsinline: true, preload: "metadata", "aria-label": words.videoOf(title) });
		video.addEventListener("error", () => {
			const refresh = button(words.refresh, () => {
				this.#shown = "";
				this.#refresh();
			});
			video.replaceWith(notice("bad", words.playback, refresh));
		}, { once: true });
		return video;
	}
}

/**
 * A message for a generation that ended without a video.
 * @param {Generation | null} generation
 * @param {string} provider
 * @returns {Message | null}
 */
function outcome(generation, provider) {
	const words = strings.progress;
	if (generation?.status === "expired") return words.expired;
	if (generation?.status !== "failed") return null;
	return generation.error === "cancelled" ? words.cancelled : words.failed(provider, generation.error);
}
