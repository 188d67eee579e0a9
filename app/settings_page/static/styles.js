// The element's style sheets, from real .css files: adopted, so that a strict Content-Security-Policy holds.

/** A style sheet of this folder. */
export async function load(name) {
	const response = await fetch(new URL(name, import.meta.url));
	if (!response.ok) throw new Error(`${name}: ${response.status}`);
	const sheet = new CSSStyleSheet();
	sheet.replaceSync(await response.text());
	return sheet;
}

export function adopt(root, sheet) {
	if (!root.adoptedStyleSheets.includes(sheet)) root.adoptedStyleSheets.push(sheet);
}
