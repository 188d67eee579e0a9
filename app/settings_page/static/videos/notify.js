// @ts-check
// Says that a video has ended, also to someone who looks at another tab: it takes 5 to 20 minutes.
import { notification, result } from "./strings.js";

/** @import { Context } from "../lib/context.js" */
/** @import { ContentItem, Generation } from "../lib/types.js" */

/** @type {string | null} the document's own title, while it is replaced */
let ownTitle = null;

/** @param {Context} context @param {ContentItem} item @param {Generation} generation */
export function notifyEnd({ text, announce }, item, generation) {
	if (generation.error_code === "cancelled") return;
	const words = text.section("notification", notification);
	const title = item.content_title?.trim() || text.section("result", result).untitled;
	const message = text.fill(generation.status === "completed" ? words.ready : words.failed, { title });
	announce(message);
	if (!document.hidden && document.hasFocus()) return;
	showInTitle(message);
	if (canNotify() && Notification.permission === "granted") {
		const shown = new Notification(message, { tag: generation.id });
		shown.addEventListener("click", () => focus());
	}
}

/** Whether this browser has notifications at all. */
export function canNotify() {
	return "Notification" in globalThis && isSecureContext;
}

/** The document says it until it is looked at. @param {string} message */
function showInTitle(message) {
	ownTitle ??= document.title;
	document.title = `${message} · ${ownTitle}`;
	const restore = () => {
		if (document.hidden || ownTitle === null) return;
		document.title = ownTitle;
		ownTitle = null;
		removeEventListener("focus", restore);
		document.removeEventListener("visibilitychange", restore);
	};
	addEventListener("focus", restore);
	document.addEventListener("visibilitychange", restore);
}
