// @ts-check
// Times in words. The page is in English, whatever the browser's language is.

/** @type {[Intl.RelativeTimeFormatUnit, number][]} */
const UNITS = [["day", 86_400_000], ["hour", 3_600_000], ["minute", 60_000]];
const format = new Intl.RelativeTimeFormat("en", { numeric: "auto" });

/** How long ago a moment was: `now`, `2 minutes ago`, `yesterday`. @param {Date} moment @param {number} [now] in ms */
export function timeAgo(moment, now = Date.now()) {
	const past = Math.max(0, now - moment.getTime()); // a client's clock may be behind
	const [unit, size] = UNITS.find(([, size]) => past >= size) ?? ["second", Infinity];
	return format.format(-Math.round(past / size), unit);
}

/** An elapsed time: `1:05`, `1:02:03`. @param {number} milliseconds */
export function formatElapsed(milliseconds) {
	const total = Math.max(0, Math.floor(milliseconds / 1000));
	const parts = [Math.floor(total / 3600), Math.floor(total / 60) % 60, total % 60];
	const shown = parts[0] ? parts : parts.slice(1);
	return shown.map((part, index) => (index ? String(part).padStart(2, "0") : part)).join(":");
}
