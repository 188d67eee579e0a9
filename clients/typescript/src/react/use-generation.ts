"use client";

import { useCallback } from "react";
import { createIdempotencyKey } from "../client.ts";
import { AiAvatarError } from "../errors.ts";
import { type Generation, isLive } from "../types.ts";
import { useAiAvatarClient } from "./provider.tsx";
import { useRequest } from "./use-request.ts";

export interface UseGeneration {
	/** The latest generation of the content item; null if there is none; undefined until it is known. */
	generation: Generation | null | undefined;
	/** Why it cannot be followed. The functions below reject instead. */
	error: AiAvatarError | null;
	isLoading: boolean;
	/** Whether a video is being made. */
	isLive: boolean;
	/** Start a video and follow it. `script` defaults to the content item's. */
	generate: (script?: string) => Promise<Generation>;
	/** End the live generation. */
	cancel: () => Promise<Generation>;
	/** Look again, as after a server action has started a video. */
	refresh: () => void;
}

/** The latest generation of a content item, followed live through its event stream until it has ended. */
export function useGeneration(contentId: string): UseGeneration {
	const client = useAiAvatarClient();
	const { data, error, isLoading, refresh, setData } = useRequest<Generation | null>(
		client,
		contentId,
		async (signal, update) => {
			const latest = await client.getVideo(contentId, { signal }).catch(nullIfNone);
			update(latest);
			if (!latest || !isLive(latest)) return;
			for await (const generation of client.followVideo(contentId, { signal })) update(generation);
		},
	);
	const show = useCallback(
		async (call: Promise<Generation>) => {
			const generation = await call;
			setData(generation);
			refresh();
			return generation;
		},
		[setData, refresh],
	);
	return {
		generation: data,
		error,
		isLoading,
		isLive: data ? isLive(data) : false,
		generate: (script) =>
			show(
				client.generateVideo(
					{ content_id: contentId, ...(script !== undefined && { script }) },
					{ idempotencyKey: createIdempotencyKey() },
				),
			),
		cancel: () => show(client.cancelVideo(contentId)),
		refresh,
	};
}

function nullIfNone(error: unknown): null {
	if (error instanceof AiAvatarError && error.code === "generation_not_found") return null;
	throw error;
}
