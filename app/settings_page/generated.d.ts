// The modules that the service generates (assets.py).

declare module "*.css.js" {
	const sheet: CSSStyleSheet;
	export default sheet;
}

declare module "*/providers.js" {
	const providers: import("./static/lib/types.js").Provider[];
	export default providers;
}
