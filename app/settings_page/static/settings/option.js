// @ts-check
// An avatar or a voice in a list.
import { face, h, icon, safeUrl } from "../lib/dom.js";
import { settings } from "../lib/strings.js";
import { Preview } from "./preview.js";
import { chooser } from "./strings.js";

/** @import { Context } from "../lib/context.js" */
/** @import { CatalogueItem, CatalogueKind } from "../lib/types.js" */

/**
 * @param {Context} context
 * @param {CatalogueKind} kind
 * @param {CatalogueItem} item
 * @param {{ isChosen: boolean, onchoose: (id: string, control: HTMLElement) => void }} options
 */
export function buildOption(context, kind, item, { isChosen, onchoose }) {
	const words = context.text.section("chooser", chooser);
	const usable = item.usable !== false;
	const { gender } = words;
	// Providers write the two as they like: `female` and `Female`, `german` and `German`.
	const genderWord = { female: gender.female, male: gender.male }[item.gender?.toLowerCase() ?? ""] ?? capitalise(item.gender);
	const about = [capitalise(item.language), genderWord].filter(Boolean).join(" · ");
	/** @type {HTMLButtonElement} */
	const control = h("button", {
		type: "button", class: "option", part: "option", "aria-pressed": String(isChosen), "aria-disabled": !usable && "true",
		"data-keep": true, tabindex: "-1", onclick: () => usable && onchoose(item.id, control),
	},
	kind === "avatars" && h("span", { class: "picture" }, face(item.name, item.preview_image_url)),
	h("span", { class: "option-text" },
		h("span", { class: "option-name" }, h("bdi", {}, item.name)),
		about && h("span", { class: "small" }, h("bdi", {}, about)),
		!usable && h("span", { class: "small warn" }, item.unusable_reason || words.unusable)),
	item.ownership === "private" && h("span", { class: "tag" }, words.own),
	isChosen && h("span", { class: "tick" }, icon("check"), h("span", { class: "sr" }, words.chosen)));
	if (kind === "avatars") addVideo(control, item);
	return h("li", { "data-id": item.id }, kind === "voices" && listenButton(context, item), control);
}

/** The name with a capital, in which lists and the filter show it. @param {string | null | undefined} name */
export const capitalise = (name) => name && name[0].toUpperCase() + name.slice(1);

/** @param {Context} context @param {CatalogueItem} item */
function listenButton(context, item) {
	if (!safeUrl(item.preview_audio_url)) return h("span", { class: "round none" });
	const label = context.text.fill(context.text.section("settings", settings).listen, { name: item.name });
	/** @type {HTMLButtonElement} */
	const control = h("button", { type: "button", class: "round", tabindex: "-1", "aria-label": label,
		onclick: () => Preview.of(context).toggle(control, item) }, icon("play"));
	return control;
}

/** Show the avatar moving while it is looked at. @param {HTMLElement} control @param {CatalogueItem} item */
function addVideo(control, item) {
	const src = safeUrl(item.preview_video_url);
	if (!src) return;
	/** @type {HTMLVideoElement | null} */
	let video = null;
	const start = () => {
		if (video || matchMedia("(prefers-reduced-motion: reduce)").matches) return;
		video = h("video", { src, loop: true, playsinline: true, "aria-hidden": "true", tabindex: "-1" });
		video.muted = true;
		video.addEventListener("error", stop, { once: true });
		control.querySelector(".picture")?.append(video);
		video.play().catch(() => {}); // the picture stays
	};
	const stop = () => {
		video?.remove();
		video = null;
	};
	for (const type of ["pointerenter", "focus"]) control.addEventListener(type, start);
	for (const type of ["pointerleave", "blur"]) control.addEventListener(type, stop);
}
