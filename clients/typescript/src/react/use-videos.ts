"use client";

import { useEffect, useRef, useState } from "react";
import type { AiAvatarError } from "../errors.ts";
import type { Page } from "../pages.ts";
import type { Video } from "../types.ts";
import { useAiAvatarClient } from "./provider.tsx";
import { useRequest } from "./use-request.ts";

export interface UseVideosOptions {
	/** The business; by default the signed-in user's own. */
	businessId?: string;
	/** Only items with this status. */
	heygenStatus?: string;
	/** Only items whose title contains this text. */
	q?: string;
	/** Only these items. */
	contentIds?: string[];
	/** Items per page: 20. */
	limit?: number;
}

export interface UseVideos {
	/** Content items, newest first, each with its latest generation or null. */
	videos: Video[];
	error: AiAvatarError | null;
	/** Whether the first page or another one is being loaded. */
	isLoading: boolean;
	hasMore: boolean;
	/** Load the next page. */
	loadMore: () => Promise<void>;
	/** Load the first page again. */
	refresh: () => void;
}

/** A business's content items with their videos, page by page. */
export function useVideos({ businessId, heygenStatus, q, contentIds, limit = 20 }: UseVideosOptions = {}): UseVideos {
	const client = useAiAvatarClient();
	const query = {
		limit,
		...(businessId !== undefined && { business_id: businessId }),
		...(heygenStatus !== undefined && { heygen_status: heygenStatus }),
		...(q !== undefined && { q }),
		...(contentIds !== undefined && { content_id: contentIds }),
	};
	const request = useRequest<Page<Video>>(client, query, async (signal, update) => {
		update(await client.listVideos({ ...query, signal }));
	});
	const { data, setData } = request;
	const [isLoadingMore, setLoadingMore] = useState(false);
	const isBusy = useRef(false);
	const shown = useRef(data);
	useEffect(() => {
		shown.current = data;
	});

	return {
		videos: data?.items ?? [],
		error: request.error,
		isLoading: request.isLoading || isLoadingMore,
		hasMore: data?.next_cursor != null,
		loadMore: async () => {
			if (!data?.next_cursor || isBusy.current) return;
			isBusy.current = true;
			setLoadingMore(true);
			try {
				const next = await client.listVideos({ ...query, cursor: data.next_cursor });
				// A refresh or another query has replaced the list meanwhile: its next page is another one.
				if (shown.current === data) setData({ ...next, items: [...data.items, ...next.items] });
			} finally {
				isBusy.current = false;
				setLoadingMore(false);
			}
		},
		refresh: request.refresh,
	};
}
