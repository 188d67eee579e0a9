// @ts-check
// Style sheets are adopted, which a strict Content-Security-Policy allows. The server makes a module of each .css file.

/** @param {ShadowRoot} root @param {CSSStyleSheet} sheet */
export function adopt(root, sheet) {
	if (!root.adoptedStyleSheets.includes(sheet)) root.adoptedStyleSheets.push(sheet);
}
