// @ts-check
// The element's style sheets come from .css files and are adopted, which a strict Content-Security-Policy allows.

/** Fetch a style sheet. @param {URL} url */
export async function loadSheet(url) {
	const response = await fetch(url);
	if (!response.ok) throw new Error(`${url}: ${response.status}`);
	const sheet = new CSSStyleSheet();
	sheet.replaceSync(await response.text());
	return sheet;
}

/** @param {ShadowRoot} root @param {CSSStyleSheet} sheet */
export function adopt(root, sheet) {
	if (!root.adoptedStyleSheets.includes(sheet)) root.adoptedStyleSheets.push(sheet);
}
