// The element's style sheets, from real .css files: adopted, so that a strict Content-Security-Policy holds.

/** Fetch a style sheet. */
export async function load(url) {
	const response = await fetch(url);
	if (!response.ok) throw new Error(`${url}: ${response.status}`);
	const sheet = new CSSStyleSheet();
	sheet.replaceSync(await response.text());
	return sheet;
}

export function adopt(root, sheet) {
	if (!root.adoptedStyleSheets.includes(sheet)) root.adoptedStyleSheets.push(sheet);
}
