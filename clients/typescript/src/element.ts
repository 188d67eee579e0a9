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

/** `<ai-avatar-settings>`. The service's `docs/settings-page.md` describes it. */
export interface AiAvatarSettingsElement extends HTMLElement {
	get apiBase(): string;
	set apiBase(url: string | null);
	businessId: string | null;
	contentId: string | null;
	view: string | null;
	strings: Record<string, unknown> | null;
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
export function loadElement(serviceUrl: string, { nonce }: { nonce?: string } = {}): Promise<void> {
	const src = elementScript(serviceUrl);
	const loading = scripts.get(src) ?? addScript(src, nonce);
	scripts.set(src, loading);
	loading.catch(() => scripts.delete(src));
	return loading;
}

const scripts = new Map<string, Promise<void>>();

function addScript(src: string, nonce: string | undefined): Promise<void> {
	return new Promise((resolve, reject) => {
		const script = document.createElement("script");
		script.type = "module";
		script.src = src;
		if (nonce) script.nonce = nonce;
		script.addEventListener("load", () => resolve());
		script.addEventListener("error", () => {
			script.remove();
			reject(new Error(`${src} cannot be loaded.`));
		});
		document.head.append(script);
	});
}
