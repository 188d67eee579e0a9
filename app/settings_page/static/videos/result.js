// @ts-check
// The result of the last generation: the video, which plays in place, with its script; or why there is none.
import { button, clear, fill, flash, h, notice, safeUrl } from "../lib/dom.js";
import { formatElapsed } from "../lib/text.js";
import { isLive } from "./generation.js";
import { result } from "./strings.js";

/** @import { Context } from "../lib/context.js" */
/** @import { Text } from "../lib/text.js" */
/** @import { ContentItem, Generation, Message } from "../lib/types.js" */

export class Result {
	#context; #words; #refresh;
	#shown = "";
	/** @type {HTMLVideoElement | null} */
	#video = null;

	/** @param {Context} context @param {{ refresh: () => void }} options `refresh` requests a fresh link */
	constructor(context, { refresh }) {
		this.#context = context;
		this.#words = context.text.section("result", result);
		this.#refresh = refresh;
		this.element = h("div", { class: "result", part: "result" });
	}

	get hasVideo() { return this.#video !== null; }

	focus() {
		this.#video?.focus();
	}

	/** @param {ContentItem} item @param {string} provider the title of the provider of its latest generation */
	show(item, provider) {
		const { generation, content_id: id, content_title: title } = item;
		const live = isLive(generation);
		const src = live ? null : safeUrl(generation?.status === "completed" ? generation.video_url : item.heygen_url);
		const shown = JSON.stringify([id, live || generation?.id, live || generation?.status, src]);
		if (shown === this.#shown) return; // do not interrupt a video that plays
		this.#shown = shown;
		const { text } = this.#context;
		this.#video = src ? this.#player(src, text.fill(this.#words.videoOf, { title: title || this.#words.untitled }), generation) : null;
		const message = outcome(generation, text, this.#words, provider);
		const cancelled = generation?.error_code === "cancelled";
		fill(this.element,
			message && notice(cancelled ? "plain" : "bad", { ...message, reference: cancelled ? "" : generation?.error_code ?? "" },
				this.#words.errorCode),
			src && h("div", { class: "film" }, this.#video, this.#about(generation, src)));
	}

	/** What belongs to the video: the script that was spoken, when it was made, its links. @param {Generation | null} generation @param {string} src */
	#about(generation, src) {
		const words = this.#words;
		const made = generation?.status === "completed" ? generation : null;
		return h("div", { class: "about" },
			made && h("h4", {}, words.spoken),
			made && h("p", { class: "spoken", dir: "auto", tabindex: "0" }, made.script),
			made && h("p", { class: "small facts" }, ...factsOf(made, this.#context.text, words)),
			linkButtons(this.#context, words, src));
	}

	/** @param {string} src @param {string} label @param {Generation | null} generation */
	#player(src, label, generation) {
		const words = this.#words;
		const poster = safeUrl(generation?.status === "completed" ? generation.thumbnail_url : null);
		const video = h("video", { class: "player", src, poster, controls: true, playsinline: true,
			preload: poster ? "none" : "metadata", "aria-label": label });
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

/** When a video was made, how long it is, and who speaks. @param {Generation} generation @param {Text} text @param {typeof result} words */
export function factsOf(generation, text, words) {
	const { completed_at: made, requested_at: requested, duration_seconds: seconds, avatar, voice } = generation;
	/** @param {string} template @param {import("../lib/types.js").UsedChoice | null} used */
	const named = (template, used) => (used ? [h("span", {}, text.fill(template, { name: used.name ?? used.id }))] : []);
	return [
		h("time", { datetime: made ?? requested }, text.fill(words.made, { date: text.dateTime(made ?? requested) })),
		...(seconds === null ? [] : [h("span", {}, text.fill(words.length, { length: formatElapsed(seconds * 1000) }))]),
		...named(words.avatar, avatar), ...named(words.voice, voice),
	];
}

/** Download, copy and open a video. @param {Context} context @param {typeof result} words @param {string} href */
export function linkButtons({ announce }, words, href) {
	const place = h("div", { class: "copy-place", role: "status" });
	const copy = button(words.copy, async () => {
		clear(place);
		try {
			await navigator.clipboard.writeText(href);
			flash(place, words.copied);
			announce(words.copied);
		} catch { // no permission, or a page without https
			const field = h("input", { class: "input", readonly: true, value: href, "aria-label": words.copyFailed, dir: "ltr" });
			fill(place, h("p", { class: "small" }, words.copyFailed), field);
			field.select();
		}
	});
	const link = { href, target: "_blank", rel: "noopener noreferrer", class: "button quiet", part: "button quiet" };
	return h("div", { class: "links" },
		h("div", { class: "buttons" }, h("a", { ...link, download: true }, words.download), copy, h("a", { ...link, "aria-label": words.openTab }, words.open)), place);
}

/**
 * A message for a generation that ended without a video.
 * @param {Generation | null} generation
 * @param {Text} text
 * @param {typeof result} words
 * @param {string} provider
 * @returns {Message | null}
 */
function outcome(generation, text, words, provider) {
	if (generation?.status === "expired") return text.message(words.expired, { p: provider });
	if (generation?.status !== "failed") return null;
	if (generation.error_code === "cancelled") return words.cancelled;
	const reason = generation.error ? `${generation.error.replace(/[.\s]+$/, "")}.` : "";
	return text.message(words.failed, { p: provider, reason });
}
