// The modules that the service generates (assets.py).

declare module "*.css.js" {
	const sheet: CSSStyleSheet;
	export default sheet;
}

declare module "*/providers.js" {
	const providers: {
		name: string;
		title: string;
		key_url: string;
		has_voices: boolean;
		has_account: boolean;
		is_sandbox: boolean;
	}[];
	export default providers;
}
