"use client";

import { type DetailedHTMLProps, type HTMLAttributes, type ReactNode, useEffect, useRef } from "react";
import {
	type AiAvatarSettingsElement,
	type AiAvatarStrings,
	type ChangeDetail,
	type ElementErrorDetail,
	elementScript,
	loadElementWithRetries,
} from "../element.ts";
import type { GetAccessToken } from "../transport.ts";
import type { Provider } from "../types.ts";

/** Attributes of the plain element in JSX. Give it properties and listeners through a ref, or use AiAvatarSettings. */
export interface AiAvatarSettingsAttributes
	extends DetailedHTMLProps<HTMLAttributes<AiAvatarSettingsElement>, AiAvatarSettingsElement> {
	class?: string | undefined;
	"api-base"?: string | undefined;
	"business-id"?: string | undefined;
	"content-id"?: string | undefined;
	provider?: string | undefined;
	view?: "settings" | "videos" | undefined;
}

declare module "react" {
	namespace JSX {
		interface IntrinsicElements {
			"ai-avatar-settings": AiAvatarSettingsAttributes;
		}
	}
}

export interface AiAvatarSettingsProps {
	/** The service's URL. */
	serviceUrl: string;
	/** Returns the signed-in user's access token. */
	getAccessToken: GetAccessToken;
	/** The business; by default the signed-in user's own. */
	businessId?: string;
	/** Only this content item. */
	contentId?: string;
	/** Only the settings or only the videos. */
	view?: "settings" | "videos";
	provider?: Provider;
	/** The language of the element's words. */
	lang?: string;
	/** Words to use instead of the element's own. Pass the same object each time: another one starts the element again. */
	strings?: AiAvatarStrings;
	/** The integration or a generation has changed. */
	onChange?: (detail: ChangeDetail) => void;
	/** An error that the element shows. */
	onError?: (detail: ElementErrorDetail) => void;
	/** The element's script cannot be loaded. Called once: further attempts follow by themselves. */
	onLoadError?: (error: Error) => void;
	/** For a Content-Security-Policy that names scripts by nonce. */
	nonce?: string;
	className?: string;
	style?: HTMLAttributes<HTMLElement>["style"];
	/** Shown until the element's script is loaded, and while it cannot be. */
	children?: ReactNode;
}

/** The service's settings element. A server renders its tag; the browser loads its script from the service. */
export function AiAvatarSettings(props: AiAvatarSettingsProps) {
	const { serviceUrl, getAccessToken, strings, nonce } = props;
	elementScript(serviceUrl); // fails the build where the URL is missing, not only the user's page
	const ref = useRef<AiAvatarSettingsElement>(null);
	const latest = useRef(props);

	useEffect(() => {
		latest.current = props;
	});

	useEffect(() => {
		const element = ref.current;
		if (!element) return;
		const controller = new AbortController();
		const { signal } = controller;
		element.addEventListener("ai-avatar-change", (event) => latest.current.onChange?.(event.detail), { signal });
		element.addEventListener("ai-avatar-error", (event) => latest.current.onError?.(event.detail), { signal });
		void loadElementWithRetries(serviceUrl, {
			nonce,
			signal,
			onError: (error) => latest.current.onLoadError?.(error),
		});
		return () => controller.abort();
	}, [serviceUrl, nonce]);

	useEffect(() => {
		// Set as properties also before the script is loaded: the element takes them over.
		if (ref.current) ref.current.getAccessToken = getAccessToken;
	}, [getAccessToken]);

	useEffect(() => {
		if (ref.current && strings !== undefined) ref.current.strings = strings;
	}, [strings]);

	return (
		<ai-avatar-settings
			ref={ref}
			api-base={serviceUrl}
			business-id={props.businessId}
			content-id={props.contentId}
			provider={props.provider}
			view={props.view}
			lang={props.lang}
			class={props.className}
			style={props.style}
		>
			{props.children}
		</ai-avatar-settings>
	);
}
