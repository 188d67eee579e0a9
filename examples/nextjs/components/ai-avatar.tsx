"use client";

import { AiAvatarClient } from "ai-avatar-client";
import { AiAvatarProvider, AiAvatarSettings } from "ai-avatar-client/react";
import { useRouter } from "next/navigation";
import { type ReactNode, useMemo, useState } from "react";

async function getAccessToken(): Promise<string | null> {
	const response = await fetch("/api/token", { cache: "no-store", redirect: "error" }).catch(() => null);
	return response?.ok ? (await response.json()).token : null;
}

/** Lets the components below it call the service from the browser. */
export function AiAvatar({ serviceUrl, children }: { serviceUrl: string; children: ReactNode }) {
	const client = useMemo(() => new AiAvatarClient({ baseUrl: serviceUrl, getAccessToken }), [serviceUrl]);
	return <AiAvatarProvider client={client}>{children}</AiAvatarProvider>;
}

/** The service's own settings card. Server components are rendered again after each change. */
export function Settings({ serviceUrl }: { serviceUrl: string }) {
	const router = useRouter();
	const [isDown, setDown] = useState(false);
	return (
		<AiAvatarSettings
			serviceUrl={serviceUrl}
			getAccessToken={getAccessToken}
			onChange={() => router.refresh()}
			onLoadError={() => setDown(true)}
		>
			<p>{isDown ? "The settings are not available at the moment." : "Loading the settings…"}</p>
		</AiAvatarSettings>
	);
}
