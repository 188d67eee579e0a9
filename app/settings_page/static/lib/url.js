// @ts-check

/** A provider's link, or null unless it is http(s) and thus safe to open. @param {string | null | undefined} value */
export function safeUrl(value) {
	if (!value || !URL.canParse(value)) return null;
	const url = new URL(value);
	return url.protocol === "https:" || url.protocol === "http:" ? url.href : null;
}
