"use client";

import { createContext, type ReactNode, useContext } from "react";
import type { AiAvatarClient } from "../client.ts";

const ClientContext = createContext<AiAvatarClient | null>(null);

export interface AiAvatarProviderProps {
	/** Create it once, outside the component or in `useMemo`; a new one reloads everything. */
	client: AiAvatarClient;
	children?: ReactNode;
}

/** Gives the client to the hooks below it. */
export function AiAvatarProvider({ client, children }: AiAvatarProviderProps) {
	return <ClientContext.Provider value={client}>{children}</ClientContext.Provider>;
}

export function useAiAvatarClient(): AiAvatarClient {
	const client = useContext(ClientContext);
	if (!client) throw new Error("AiAvatarProvider is missing.");
	return client;
}
