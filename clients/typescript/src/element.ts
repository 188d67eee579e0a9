import type { GetAccessToken, Token, TokenReason } from "./transport.ts";
import type { Generation, Integration } from "./types.ts";
import { requireUrl } from "./url.ts";

/** What has changed; `integration` is null after its removal. */
export type ChangeDetail =
	| { kind: "integration"; integration: Integration | null }
	| { kind: "generation"; generation: Generation };

export interface AccessTokenRequestDetail {
	reason: TokenReason;
	respondWith(token: Token | Promise<Token>): void;
}

/** An error that the element shows. `status` 0: there was no response. */
export interface ElementErrorDetail {
	code: string;
	status: number;
	detail: string;
	requestId: string;
}

/** A text, a text for each plural form of the language, or several of these. */
export type Words = string | readonly Words[] | { readonly [name: string]: Words };

/** Words to use instead of the element's own, by section and name; what is missing stays English. */
export type AiAvatarStrings = { readonly [Section in StringsSection]?: { readonly [name: string]: Words } };

export type StringsSection =
	| "cancelling"
	| "chooser"
	| "common"
	| "keyForm"
	| "notification"
	| "outage"
	| "pane"
	| "problems"
	| "progress"
	| "removal"
	| "result"
	| "settings"
	| "setup"
	| "videos";

/** `<ai-avatar-settings>`. The service's `docs/settings-page.md` describes it. */
export interface AiAvatarSettingsElement extends HTMLElement {
	get apiBase(): string;
	set apiBase(url: string | null);
	businessId: string | null;
	contentId: string | null;
	view: string | null;
	strings: AiAvatarStrings | null;
	get provider(): string;
	set provider(provider: string | null);
	set accessToken(token: string | null);
	getAccessToken: GetAccessToken | null;
}

declare global {
	interface HTMLElementTagNameMap {
		"ai-avatar-settings": AiAvatarSettingsElement;
	}
	interface HTMLElementEventMap {
		"access-token-request": CustomEvent<AccessTokenRequestDetail>;
		"ai-avatar-change": CustomEvent<ChangeDetail>;
		"ai-avatar-error": CustomEvent<ElementErrorDetail>;
	}
}

/** The script of the service that defines the element. */
export function elementScript(serviceUrl: string): string {
	return `${requireUrl("serviceUrl", serviceUrl)}/settings/static/ai-avatar-settings.js`;
}

/** Load the element's script, once per page. Rejects if it cannot be loaded; call it again to try again. */
export function loadElement(serviceUrl: string, { nonce }: { nonce?: string | undefined } = {}): Promise<void> {
	const src = elementScript(serviceUrl);
	const loading = scripts.get(src) ?? addScript(src, nonce);
	scripts.set(src, loading);
	loading.catch(() => scripts.delete(src));
	return loading;
}

export interface LoadElementOptions {
	/** For a Content-Security-Policy that names scripts by nonce. */
	nonce?: string | undefined;
	/** Stops the attempts; the promise then resolves. */
	signal?: AbortSignal;
	/** Called once, after the first attempt that fails. */
	onError?: (error: Error) => void;
}

/**
 * Load the element's script. While the service cannot be reached, try again: when the browser is online again, when the
 * user comes back to the page, and after pauses that grow to a minute.
 */
export async function loadElementWithRetries(
	serviceUrl: string,
	{ nonce, signal = new AbortController().signal, onError }: LoadElementOptions = {},
): Promise<void> {
	elementScript(serviceUrl); // a missing URL is not tried again
	for (let failures = 0; !signal.aborted; failures++) {
		try {
			return await loadElement(serviceUrl, { nonce });
		} catch (error) {
			if (failures === 0 && !signal.aborted) onError?.(error as Error);
		}
		await untilWorthAnotherTry(Math.min(FIRST_PAUSE * 2 ** failures, LONGEST_PAUSE), signal);
	}
}

const FIRST_PAUSE = 2_000;
const LONGEST_PAUSE = 60_000;
const scripts = new Map<string, Promise<void>>();
const attempts = new Map<string, number>();

/** Resolves after the pause, in milliseconds with jitter, or earlier: at an event that makes success likely, or at an abort. */
function untilWorthAnotherTry(pause: number, signal: AbortSignal): Promise<void> {
	return new Promise((resolve) => {
		const over = new AbortController();
		const end = () => {
			clearTimeout(timer);
			over.abort();
			resolve();
		};
		const timer = setTimeout(end, pause * (0.75 + Math.random() / 2));
		window.addEventListener("online", end, { signal: over.signal });
		window.addEventListener("focus", end, { signal: over.signal });
		signal.addEventListener("abort", end, { signal: over.signal });
		if (signal.aborted) end();
	});
}

function addScript(src: string, nonce: string | undefined): Promise<void> {
	const attempt = attempts.get(src) ?? 0;
	attempts.set(src, attempt + 1);
	return new Promise((resolve, reject) => {
		const script = document.createElement("script");
		script.type = "module";
		// Browsers may remember that a module could not be loaded: each further attempt has an address of its own.
		script.src = attempt === 0 ? src : `${src}?attempt=${attempt}`;
		if (nonce) script.nonce = nonce;
		script.addEventListener("load", () => resolve());
		script.addEventListener("error", () => {
			script.remove();
			reject(new Error(`${src} cannot be loaded.`));
		});
		document.head.append(script);
	});
}
