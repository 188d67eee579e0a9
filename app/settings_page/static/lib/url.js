/** A provider's link, if it is one that a browser may open. */
export function safeUrl(value) {
	const url = URL.canParse(value ?? "") ? new URL(value) : null;
	return url && (url.protocol === "https:" || url.protocol === "http:") ? url.href : null;
}
