// What became of the last generation: the video, playing in place, or what went wrong.
import { button, h, isLive, notice } from "../lib/dom.js";
import { strings } from "../lib/strings.js";
import { safeUrl } from "../lib/url.js";

export class Result {
	#provider; #refresh;
	#shown = null;

	/** `refresh()` asks for a fresh link. */
	constructor({ provider, refresh }) {
		this.#provider = provider;
		this.#refresh = refresh;
		this.video = null;
		this.element = h("div", { class: "result" });
	}

	get hasVideo() { return this.video !== null; }

	show(item) {
		const { generation, content_id: id, content_title: title } = item;
		const live = isLive(generation);
		const src = live ? null : safeUrl(generation?.status === "completed" ? generation.video_url : item.heygen_url);
		const shown = JSON.stringify([id, live || generation?.id, live || generation?.status, src]);
		if (shown === this.#shown) return; // a video that plays goes on
		this.#shown = shown;
		this.video = src && this.#player(src, title || strings.videos.untitled);
		const link = src && h("a", { class: "link", href: src, target: "_blank", rel: "noopener noreferrer" }, strings.videos.openVideo);
		const words = live ? null : outcome(generation, this.#provider);
		this.element.replaceChildren(...[
			words && notice(generation.error === "cancelled" ? "plain" : "bad", words),
			this.video, link].filter(Boolean));
	}

	#player(src, title) {
		const video = h("video", { src, controls: true, playsinline: true, preload: "metadata",
			"aria-label": strings.videos.videoOf(title) });
		video.addEventListener("error", () => {
			const words = strings.videos;
			const again = button(words.refresh, () => { this.#shown = null; this.#refresh(); });
			video.replaceWith(notice("bad", words.playback, again));
		}, { once: true });
		return video;
	}
}

/** Words for a generation that ended without a video. */
function outcome(generation, provider) {
	const words = strings.progress;
	if (generation?.status === "expired") return words.expired;
	if (generation?.status !== "failed") return null;
	return generation.error === "cancelled" ? words.cancelled : words.failed(provider, generation.error);
}
