"use client";

import { useCallback } from "react";
import type { AiAvatarError } from "../errors.ts";
import type { Integration, IntegrationCreate, IntegrationUpdate, Provider } from "../types.ts";
import { useAiAvatarClient } from "./provider.tsx";
import { useRequest } from "./use-request.ts";

export interface UseIntegrationOptions {
	/** The business; by default the signed-in user's own. */
	businessId?: string;
	/** `heygen` by default. */
	provider?: Provider;
}

export interface UseIntegration {
	/** Null if there is none; undefined until it is known. */
	integration: Integration | null | undefined;
	/** Why the integration could not be loaded. The functions below reject instead. */
	error: AiAvatarError | null;
	isLoading: boolean;
	refresh: () => void;
	/** Check a key with the provider and store it. */
	connect: (fields: Omit<IntegrationCreate, "business_id" | "provider">) => Promise<Integration>;
	/** Change the avatar, the voice, the configuration, the status or the key. */
	update: (changes: IntegrationUpdate) => Promise<Integration>;
	/** Ask the provider whether the stored key still works. */
	validate: () => Promise<Integration>;
	/** Remove the integration and its key. */
	remove: () => Promise<void>;
}

/** A business's integration. It shows what it has done itself; call `refresh` after changes made elsewhere. */
export function useIntegration({ businessId, provider = "heygen" }: UseIntegrationOptions = {}): UseIntegration {
	const client = useAiAvatarClient();
	const business = businessId === undefined ? {} : { business_id: businessId };
	const request = useRequest<Integration | null>(client, [businessId, provider], async (signal, update) => {
		const page = await client.listIntegrations({ ...business, provider, limit: 1, signal });
		update(page.items[0] ?? null);
	});
	const { data, setData } = request;
	const ownId = businessId ?? data?.business_id;

	const store = useCallback(
		async (call: Promise<Integration>) => {
			const integration = await call;
			setData(integration);
			return integration;
		},
		[setData],
	);
	return {
		integration: data,
		error: request.error,
		isLoading: request.isLoading,
		refresh: request.refresh,
		connect: async (fields) => store(client.connectProvider({ ...fields, ...business, provider })),
		update: async (changes) => store(client.updateIntegration(requireId(ownId), changes, { provider })),
		validate: async () => store(client.validateIntegration(requireId(ownId), { provider })),
		remove: async () => {
			await client.deleteIntegration(requireId(ownId), { provider });
			setData(null);
		},
	};
}

function requireId(businessId: string | undefined): string {
	if (businessId === undefined) throw new Error("There is no integration.");
	return businessId;
}
