// @ts-check
// Types that several modules share. No module imports this file at run time, so browsers never load it.
// It needs no DOM; see context.js.

/**
 * An integration as the service returns it, as far as the page uses it. It never contains the key.
 * @typedef {object} Integration
 * @property {string} business_id
 * @property {string | null} avatar_id
 * @property {string | null} voice_id
 * @property {"active" | "inactive" | "error"} status
 * @property {boolean} has_api_key
 * @property {string | null} validated_at
 */

/**
 * The fields that `connect` and `change` send.
 * @typedef {object} IntegrationFields
 * @property {string} [api_key]
 * @property {string | null} [avatar_id]
 * @property {string | null} [voice_id]
 * @property {"active" | "inactive"} [status]
 */

/**
 * One attempt to make a video.
 * @typedef {object} Generation
 * @property {string} id
 * @property {string} content_id
 * @property {"dispatching" | "processing" | "completed" | "failed" | "expired"} status
 * @property {string | null} heygen_status
 * @property {string | null} video_id
 * @property {string | null} video_url
 * @property {string | null} error
 * @property {string} requested_at
 */

/** @typedef {Generation & { status: "dispatching" | "processing" }} LiveGeneration */

/**
 * A content item with its latest generation.
 * @typedef {object} ContentItem
 * @property {string} content_id
 * @property {string | null} content_title
 * @property {string | null} video_script
 * @property {string | null} heygen_status
 * @property {string | null} heygen_url
 * @property {string} created_at
 * @property {Generation | null} generation
 */

/**
 * An avatar or a voice of the provider.
 * @typedef {object} CatalogueItem
 * @property {string} id
 * @property {string} name
 * @property {string | null} [preview_image_url]
 * @property {string | null} [preview_audio_url]
 * @property {string | null} [gender]
 * @property {string | null} [language]
 */

/** @typedef {"avatars" | "voices"} CatalogueKind */

/**
 * One page of a list.
 * @template Item
 * @typedef {{ items: Item[], next_cursor: string | null }} Page
 */

/** @typedef {(cursor: string | null) => Promise<Page<CatalogueItem>>} FetchPage */

/**
 * What happened and, where something helps, what to do.
 * @typedef {{ what: string, todo?: string }} Message
 */

/** @typedef {"initial" | "expired"} TokenReason */

/** @typedef {string | null | undefined} Token */

/** @typedef {(request: { reason: TokenReason }) => Token | Promise<Token>} GetAccessToken */

/**
 * `detail` of the event `access-token-request`: call `respondWith` with a token, or a promise of one.
 * @typedef {object} AccessTokenRequestDetail
 * @property {TokenReason} reason
 * @property {(token: Token | Promise<Token>) => void} respondWith
 */

/** @typedef {{ kind: "integration", integration: Integration | null }} IntegrationChange `integration`: null after removal */
/** @typedef {{ kind: "generation", generation: Generation }} GenerationChange */

/** `detail` of the event `ai-avatar-change`. @typedef {IntegrationChange | GenerationChange} ChangeDetail */

/**
 * The `detail` of every event that the element dispatches. All of them bubble and cross shadow roots.
 * @typedef {{ "access-token-request": AccessTokenRequestDetail, "ai-avatar-change": ChangeDetail }} EventDetails
 */

export {};
