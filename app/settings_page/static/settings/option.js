// @ts-check
// An avatar or a voice in a list.
import { h, icon } from "../lib/dom.js";
import { safeUrl } from "../lib/url.js";

/** @import { CatalogueItem, CatalogueKind } from "../lib/types.js" */
/** @import { Preview } from "./preview.js" */

/** An avatar's picture, or its first letter where there is none or it does not load. @param {CatalogueItem} item */
export function face(item) {
	const src = safeUrl(item.preview_image_url);
	const letter = () => h("span", { class: "letter", "aria-hidden": "true" }, [...item.name][0] ?? "?");
	if (!src) return letter();
	const image = h("img", { src, alt: "", width: 44, height: 44, loading: "lazy", decoding: "async",
		referrerpolicy: "no-referrer" });
	image.addEventListener("error", () => image.replaceWith(letter()), { once: true });
	return image;
}

/** @param {CatalogueKind} kind @param {CatalogueItem} item @param {Preview} preview */
export function buildOption(kind, item, preview) {
	const node = h("li", { role: "option" });
	if (kind === "avatars") node.append(face(item));
	else if (item.preview_audio_url) {
		// For the pointer only, because an option may not contain a button. With the keyboard: Shift + Enter.
		const play = h("span", { class: "play", "aria-hidden": "true" });
		preview.bind(play, item);
		node.append(play);
	}
	const about = [item.language, item.gender].filter(Boolean).join(" · ") || item.id;
	node.append(
		h("span", { class: "option-text" },
			h("span", { class: "option-name" }, item.name),
			h("span", { class: "option-about" }, about)),
		icon("check"));
	return node;
}
